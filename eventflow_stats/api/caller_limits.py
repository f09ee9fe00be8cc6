"""So much at once for each caller: who asks a lot waits in a queue of their own, and slows down nobody else."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from eventflow_stats.api.errors import TooMany, problem_response
from eventflow_stats.open_connections import peer_key

QUEUE_SECONDS = 10.0
"""How long a question waits for the same caller's others. While the database is away these take 3 seconds each, and it
is not the caller who asks too much."""
LONGEST_QUEUE = 1_000
"""Of one caller: more than there are connections. A request that waits costs nothing; a refused one comes again."""
ANONYMOUS_AT_ONCE = 20
"""Of one address, which may be a proxy's: checks of health, preflights, and whatever is refused."""


class _Queue(asyncio.Semaphore):
    """The places of one caller, given away in the order of asking."""

    def __init__(self, places: int) -> None:
        super().__init__(places)
        self.users = 0


class CallerLimits:
    """Gives each caller so many places at once."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._queues: dict[Hashable, _Queue] = {}

    @asynccontextmanager
    async def place(self, caller: Hashable) -> AsyncIterator[None]:
        """Holds a place of that caller.

        Raises:
            TooMany: the caller's others hold or await all of them.
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


class OneAfterTheOther:
    """Middleware: many requests of one caller at once are taken on one after the other, before they cost anything.

    The caller is the Authorization header as it was sent, which is not verified yet (a forged one is refused soon), or
    the address. Several tokens of one user are one caller only where connections are given away."""

    def __init__(self, app: ASGIApp, at_once: int) -> None:
        self._app = app
        self._callers, self._addresses = CallerLimits(at_once), CallerLimits(ANONYMOUS_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        token = Headers(scope=scope).get("authorization")
        limits, caller = (self._callers, token) if token else (self._addresses, peer_key(scope.get("client")))
        is_taken_on = False
        try:
            async with limits.place(caller):
                is_taken_on = True
                await self._app(scope, receive, send)
        except TooMany as refusal:
            if is_taken_on:
                raise
            await problem_response(refusal)(scope, receive, send)
