"""HTTP connections of the Dagster UI with limits on time and number.

uvicorn has no such limits. It closes a connection when request line and headers are larger than 16 KiB (a limit of
h11). This class limits the time of a request and the number of connections. The guard limits the body.
"""

import asyncio
import logging
from asyncio import TimerHandle
from typing import Any
from weakref import WeakKeyDictionary

import h11
from h11._state import MIGHT_SWITCH_PROTOCOL
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from eventflow_stats.open_connections import OpenConnections, StalledPeer, peer

REQUEST_SECONDS = 10.0
"""A request must be received completely in this time."""
_IS_WHOLE = (h11.DONE, h11.MUST_CLOSE, MIGHT_SWITCH_PROTOCOL)
"""States of a peer that has sent its request completely."""

_of_servers: WeakKeyDictionary[ServerState, OpenConnections] = WeakKeyDictionary()


class LimitedUiConnection(H11Protocol):
    """A connection that is closed when its request takes too long, or when there are too many connections."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        # uvicorn logs a line for each request that is not HTTP, and anybody can send such requests.
        self.logger = _QUIET
        self._open = _of_servers.setdefault(server_state, OpenConnections())
        self._deadline: TimerHandle | None = None
        self._has_begun = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._peer = peer(self.client)
        self._stalled = StalledPeer(transport, self.loop)
        if self._open.admit(self._peer, self):
            self._deadline = self.loop.call_later(REQUEST_SECONDS, self._close_late)
        else:
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def evict(self) -> None:
        """Close at once, because a new connection needs the place."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._has_begun = True
        if self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._deadline = self.loop.call_later(REQUEST_SECONDS, self._close_late)
        super().data_received(data)
        if self._deadline is not None and self.conn.their_state in _IS_WHOLE:
            self._deadline.cancel()
            self._deadline = None
            self._open.works(self._peer, self)

    def on_response_complete(self) -> None:
        self._has_begun = False
        super().on_response_complete()
        self._open.waits(self._peer, self)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        super().handle_websocket_upgrade(event)
        # A websocket counts as an open connection until it is closed. The UI reconnects when its websocket is evicted.
        websocket = self.transport.get_protocol()
        closed = websocket.connection_lost

        def connection_lost(exc: Exception | None) -> None:
            self._forget()
            closed(exc)

        websocket.connection_lost = connection_lost  # type: ignore[method-assign]

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled.watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled.stop()

    def _close_late(self) -> None:
        """Close the connection; first answer 408 if a request has begun and no part of an answer was sent."""
        if self.transport.is_closing():
            return
        if self._has_begun and self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            text = f"a request must be sent within {REQUEST_SECONDS:g} s\n".encode()
            headers = [("content-type", "text/plain; charset=utf-8"), ("content-length", str(len(text)))]
            answer = h11.Response(status_code=408, headers=[*headers, ("connection", "close")], reason=b"Timeout")
            for part in (answer, h11.Data(data=text), h11.EndOfMessage()):
                self.transport.write(self.conn.send(part) or b"")
        self.transport.close()

    def _forget(self) -> None:
        self._open.forget(self._peer, self)
        self._stalled.stop()
        if self._deadline is not None:
            self._deadline.cancel()


class _WithoutStrangers(logging.Filter):
    """Drops the log lines of uvicorn that anybody who can connect can cause."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(("Invalid HTTP request", "Unsupported upgrade", "No supported WebSocket"))


_QUIET = logging.getLogger("uvicorn.error.ui")
_QUIET.setLevel(logging.WARNING)
_QUIET.addFilter(_WithoutStrangers())
