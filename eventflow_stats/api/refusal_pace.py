"""The pace of refusals: an address whose requests are all refused cannot keep the process busy with them."""

import asyncio
import time
from collections.abc import Hashable

REFUSALS_A_SECOND = 500
REFUSALS_AT_ONCE = 500
LONGEST_PAUSE_SECONDS = 2.0
MOST_ADDRESSES = 10_000


class RefusalPace:
    """Delays the refusals of an address that gets too many of them. A refusal costs as much as a small answer."""

    def __init__(self) -> None:
        # Per address, the time at which its refusals so far are used up. A time in the past has no effect.
        self._used_until: dict[Hashable, float] = {}

    async def pause(self, address: Hashable) -> None:
        """Wait before a refusal: not for the first 500, then so that there are 500 a second."""
        now = time.monotonic()
        if len(self._used_until) >= MOST_ADDRESSES:
            self._used_until = {known: until for known, until in self._used_until.items() if until > now}
            if len(self._used_until) >= MOST_ADDRESSES:
                self._used_until.clear()
        until = max(self._used_until.get(address, now), now) + 1 / REFUSALS_A_SECOND
        pause = min(until - now - REFUSALS_AT_ONCE / REFUSALS_A_SECOND, LONGEST_PAUSE_SECONDS)
        self._used_until[address] = min(until, now + REFUSALS_AT_ONCE / REFUSALS_A_SECOND + LONGEST_PAUSE_SECONDS)
        if pause > 0:
            await asyncio.sleep(pause)
