"""HTTP connections with limits: uvicorn's protocol, which itself bounds neither headers nor the time they take.

Serve with it: ``uvicorn eventflow_stats.api:app --http eventflow_stats.api.connections:LimitedConnection``. Whoever
can connect can open many connections and send what they like on them before anybody asks who they are.
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

from eventflow_stats.api.request_bodies import MOST_BODY_BYTES
from eventflow_stats.api.security_headers import HEADERS
from eventflow_stats.open_connections import OpenConnections, StalledPeer, peer

MOST_HEAD_BYTES = 64 * 1024
MOST_HEADERS = 100
MOST_PIPELINED = 8
"""Requests sent before the first of them is answered; browsers and HTTP clients send none."""
REQUEST_SECONDS = 10.0
"""In which a request must have come whole, from the connection or the last answer on."""

_of_servers: WeakKeyDictionary[ServerState, OpenConnections] = WeakKeyDictionary()


class RefusedRequest(Exception):
    """A request is not read on."""

    def __init__(self, status: int, error: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.error, self.detail = status, error, detail


MALFORMED = RefusedRequest(400, "invalid_request", "this is not HTTP/1.1")
LONG_HEAD = RefusedRequest(431, "head_too_large", f"request line and headers may have {MOST_HEAD_BYTES:,} bytes")
MANY_HEADERS = RefusedRequest(431, "head_too_large", f"a request may have {MOST_HEADERS} headers")
LATE = RefusedRequest(408, "timeout", f"a request must be sent within {REQUEST_SECONDS:g} s")
FULL = RefusedRequest(503, "unavailable", "the service has too many open connections; try again")
PIPELINED = RefusedRequest(429, "too_many_requests", "wait for an answer before the next request")


class LimitedConnection(HttpToolsProtocol):
    """A connection that is closed when its request is too large or takes too long, or when there are too many."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._open = _of_servers.setdefault(server_state, OpenConnections())
        self._is_whole = True
        self._head_is_open = True
        # Of the head: bytes that came before it ended, bytes of what was parsed of it, headers.
        self._head_bytes = self._parsed_bytes = self._headers = 0
        self._ignored_bytes = 0
        self._why: RefusedRequest | None = None
        self._deadline: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._peer = peer(self.client)
        self._stalled = StalledPeer(transport, self.loop)
        if self._open.admit(self._peer, self):
            self._deadline = self.loop.call_later(REQUEST_SECONDS, self._refuse, LATE)
        else:
            self._refuse(FULL)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.forget(self._peer, self)
        self._stalled.stop()
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def evict(self) -> None:
        """Close at once: the place is needed."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        if self._deadline is None and not self._is_answering():
            self._deadline = self.loop.call_later(REQUEST_SECONDS, self._refuse, LATE)
        if self._head_is_open:
            self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Offered, not demanded: HTTP/1.1 goes on.
            pass
        except httptools.HttpParserError:
            self._refuse(self._why or MALFORMED)
        else:
            # What the parser holds back until a header has come whole.
            if self._head_is_open and self._head_bytes > MOST_HEAD_BYTES:
                self._refuse(LONG_HEAD)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_whole = False
        self._parsed_bytes = self._headers = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count_parsed(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        # Those after a chunked body too, which are added to the others.
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
        if self.cycle.response_complete:
            # Answered without it; a short rest is read so that the peer gets to read the answer.
            self._ignored_bytes += len(body)
            if self._ignored_bytes > MOST_BODY_BYTES:
                self.transport.close()
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        # What comes next is the head of another request.
        self._is_whole = self._head_is_open = True
        self._head_bytes = 0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if not self.cycle.response_complete:
            self._open.works(self._peer, self)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._is_answering():
            self._open.waits(self._peer, self)

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
        if self._parsed_bytes > MOST_HEAD_BYTES:
            self._stop(LONG_HEAD)

    def _stop(self, why: RefusedRequest) -> None:
        """End the parsing of what has come: the parser takes an exception for an error of its own."""
        self._why = why
        raise why

    def _refuse(self, why: RefusedRequest) -> None:
        """Say why, unless nobody asked yet or it would be taken for the answer to another request, and close."""
        if self.transport.is_closing():
            return
        is_asked = not self._is_whole or why in (FULL, MALFORMED)
        # While a head comes, the cycle is that of the request before.
        is_free = not self._is_answering() if self._head_is_open else not (self.cycle.response_started or self.pipeline)
        if is_asked and is_free:
            self.transport.write(_answer(why))
        self.transport.close()


def _answer(why: RefusedRequest) -> bytes:
    body = json.dumps({"error": why.error, "detail": why.detail}, separators=(",", ":")).encode()
    headers = [
        *HEADERS,
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    if why.status in (429, 503):
        headers.append((b"retry-after", b"1"))
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    return STATUS_LINE[why.status] + lines + b"\r\n" + body
