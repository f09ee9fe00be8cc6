"""So much at once for each caller: who asks a lot waits in a queue of their own, and slows down nobody else."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from eventflow_stats.api.errors import TooMany

QUEUE_SECONDS = 3.0
"""How long a question waits for the same caller's others."""
LONGEST_QUEUE = 500
"""Of one caller. Fewer would be refused at once, and a caller who asks again at once would keep the process busy with
refusals; one that waits costs nothing."""


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
