"""The number of requests that each caller has in work at once. Further ones wait, and delay no other caller."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from eventflow_stats.api.errors import TooMany, problem_response
from eventflow_stats.open_connections import peer_key

QUEUE_SECONDS = 10.0
"""Maximum time that a request waits for others of its caller. While the database is away each of them takes 3 seconds,
which is not the caller's fault."""
LONGEST_QUEUE = 1_000
"""Of one caller: more than there are connections. A waiting request costs nothing; a refused one is sent again."""
ANONYMOUS_AT_ONCE = 20
"""Requests without a token of one address, which may be a proxy's: health checks, preflights, refused requests."""


class _Queue(asyncio.Semaphore):
    """The places of one caller, given in the order of the requests."""

    def __init__(self, places: int) -> None:
        super().__init__(places)
        self.users = 0


class CallerLimits:
    """Gives each caller a fixed number of places."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._queues: dict[Hashable, _Queue] = {}

    @asynccontextmanager
    async def place(self, caller: Hashable) -> AsyncIterator[None]:
        """Hold a place of that caller.

        Raises:
            TooMany: the queue of the caller is full, or the place did not become free in time.
        """
        queue = self._queues.setdefault(caller, _Queue(self._at_once))
        if queue.users >= self._at_once + LONGEST_QUEUE:
            raise TooMany
        queue.users += 1
        try:
            await _acquire(queue)
            try:
                yield
            finally:
                queue.release()
        finally:
            queue.users -= 1
            if not queue.users:
                del self._queues[caller]


async def _acquire(queue: _Queue) -> None:
    if not queue.locked():
        await queue.acquire()
        return
    try:
        async with asyncio.timeout(QUEUE_SECONDS):
            await queue.acquire()
    except TimeoutError:
        raise TooMany("your other requests are not answered yet; ask for less at once, or try again") from None


class CallerQueues:
    """Middleware: limits the requests of one caller that are in work, before they cost anything.

    The caller is the Authorization header as it was sent, without verification (a forged token is refused quickly), or
    the address. Several tokens of one user count as one caller only for database connections (``database.py``)."""

    def __init__(self, app: ASGIApp, at_once: int) -> None:
        self._app = app
        self._callers, self._addresses = CallerLimits(at_once), CallerLimits(ANONYMOUS_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        token = Headers(scope=scope).get("authorization")
        limits, caller = (self._callers, token) if token else (self._addresses, peer_key(scope.get("client")))
        has_place = False
        try:
            async with limits.place(caller):
                has_place = True
                await self._app(scope, receive, send)
        except TooMany as refusal:
            if has_place:
                raise
            await problem_response(refusal)(scope, receive, send)
