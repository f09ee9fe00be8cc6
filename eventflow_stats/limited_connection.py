"""HTTP connections with limits, for the read API and for the Dagster UI.

uvicorn's own protocol limits neither the size of the headers nor the time that a request takes. Anybody who can connect
can open many connections and send anything on them before a token is checked. Serve the read API with
``uvicorn eventflow_stats.api:app --http eventflow_stats.limited_connection:LimitedConnection``.
"""

import asyncio
import json
from asyncio import TimerHandle
from typing import Any
from weakref import WeakKeyDictionary

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from eventflow_stats.open_connections import OpenConnections, StalledPeer, peer_key

MOST_HEAD_BYTES = 64 * 1024
MOST_HEADERS = 100
MOST_PIPELINED = 8
"""Requests sent before the first of them is answered; browsers and HTTP clients do not pipeline."""
MOST_IGNORED_BYTES = 64 * 1024
"""Of a body that comes after the answer. A short rest is read, so that the peer can read the answer."""
REQUEST_SECONDS = 10.0
"""A request must be received completely in this time, from the start of the connection or the last answer."""
HEADERS_OF_EVERY_ANSWER = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
"""They forbid the browser to guess another type, to run or load anything, and to show the answer in a frame."""

_open_of_server: WeakKeyDictionary[ServerState, OpenConnections] = WeakKeyDictionary()


class RefusedRequest(Exception):
    """The rest of the request is not read."""

    def __init__(self, status: int, error: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.error, self.detail = status, error, detail


MALFORMED = RefusedRequest(400, "invalid_request", "this is not HTTP/1.1")
MANY_HEADERS = RefusedRequest(431, "head_too_large", f"a request may have {MOST_HEADERS} headers")
LATE = RefusedRequest(408, "timeout", f"a request must be sent within {REQUEST_SECONDS:g} s")
FULL = RefusedRequest(503, "unavailable", "the service has too many open connections; try again")
PIPELINED = RefusedRequest(429, "too_many_requests", "wait for an answer before the next request")


class LimitedConnection(HttpToolsProtocol):
    """A connection that is closed when its request is too large or takes too long, or when there are too many."""

    most_head_bytes = MOST_HEAD_BYTES

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._open = _open_of_server.setdefault(server_state, OpenConnections())
        self._is_complete = True
        self._head_is_open = True
        # Of the head: bytes received before it ended, bytes parsed, headers parsed.
        self._head_bytes = self._parsed_bytes = self._headers = 0
        self._ignored_bytes = 0
        self._refusal: RefusedRequest | None = None
        self._deadline: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._peer = peer_key(self.client)
        self._stalled = StalledPeer(transport, self.loop)
        if self._open.admit(self._peer, self):
            self._start_deadline()
        else:
            self._refuse(FULL)

    def connection_lost(self, exc: Exception | None) -> None:
        self._release()
        super().connection_lost(exc)

    def evict(self) -> None:
        """Close the connection at once, because another one needs its place."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        if self._deadline is None and not self._is_answering():
            self._start_deadline()
        if self._head_is_open:
            self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Any other upgrade is an offer that is declined; the request is answered as HTTP/1.1.
            if self._should_upgrade():
                self.handle_websocket_upgrade()
        except httptools.HttpParserError:
            self._refuse(self._refusal or MALFORMED)
        else:
            # The parser holds a header back until it is complete.
            if self._head_is_open and self._head_bytes > self.most_head_bytes:
                self._refuse(self._long_head())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_complete = False
        self._parsed_bytes = self._headers = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count_parsed(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers after a chunked body are counted with the headers.
        super().on_header(name, value)
        self._headers += 1
        if self._headers > MOST_HEADERS:
            self._stop(MANY_HEADERS)
        self._count_parsed(name + value)

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= MOST_PIPELINED:
            self._stop(PIPELINED)
        super().on_headers_complete()
        self._head_is_open = False
        self._head_bytes = 0

    def on_body(self, body: bytes) -> None:
        if self.cycle is not None and self.cycle.response_complete:
            self._ignored_bytes += len(body)
            if self._ignored_bytes > MOST_IGNORED_BYTES:
                self.transport.close()
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        # The next bytes are the head of another request.
        self._is_complete = self._head_is_open = True
        self._head_bytes = 0
        self._end_deadline()
        if self._is_answering():
            self._open.mark_answering(self._peer, self)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._is_answering():
            self._open.mark_waiting(self._peer, self)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled.watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled.stop()

    def _should_upgrade_to_ws(self) -> bool:
        return False

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _count_parsed(self, part: bytes) -> None:
        self._parsed_bytes += len(part)
        if self._parsed_bytes > self.most_head_bytes:
            self._stop(self._long_head())

    def _long_head(self) -> RefusedRequest:
        return RefusedRequest(
            431, "head_too_large", f"request line and headers may have {self.most_head_bytes:,} bytes"
        )

    def _start_deadline(self) -> None:
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self._refuse, LATE)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _release(self) -> None:
        """The connection is closed: its place is free."""
        self._open.remove(self._peer, self)
        self._stalled.stop()
        self._end_deadline()

    def _stop(self, refusal: RefusedRequest) -> None:
        """Stop parsing: the parser turns an exception of a callback into an error of its own."""
        self._refusal = refusal
        raise refusal

    def _refuse(self, refusal: RefusedRequest) -> None:
        """Close the connection. Answer first, if a request has begun and the answer cannot pass for another one's."""
        if self.transport.is_closing():
            return
        is_asked = not self._is_complete or refusal in (FULL, MALFORMED)
        # While a head is received, the cycle is that of the request before.
        is_free = not self._is_answering() if self._head_is_open else not (self.cycle.response_started or self.pipeline)
        if is_asked and is_free:
            self.transport.write(_answer(refusal))
        self.transport.close()


class LimitedWebConnection(LimitedConnection):
    """The same with websockets, which stay among the open connections. The Dagster UI reconnects after an eviction."""

    most_head_bytes = 16 * 1024
    """No token is as long as the API's here."""

    def handle_websocket_upgrade(self) -> None:
        super().handle_websocket_upgrade()
        websocket = self.transport.get_protocol()
        closed = websocket.connection_lost

        def connection_lost(exc: Exception | None) -> None:
            self._release()
            closed(exc)

        websocket.connection_lost = connection_lost  # type: ignore[method-assign]

    def _should_upgrade_to_ws(self) -> bool:
        return self.ws_protocol_class is not None


def _answer(refusal: RefusedRequest) -> bytes:
    body = json.dumps({"error": refusal.error, "detail": refusal.detail}, separators=(",", ":")).encode()
    headers = [
        *HEADERS_OF_EVERY_ANSWER,
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    if refusal.status in (429, 503):
        headers.append((b"retry-after", b"1"))
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    return STATUS_LINE[refusal.status] + lines + b"\r\n" + body
