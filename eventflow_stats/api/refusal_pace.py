"""Requests that are refused: an address that only causes refusals may not keep the process busy with them."""

import asyncio
import time
from collections.abc import Hashable

REFUSALS_A_SECOND = 500
REFUSALS_AT_ONCE = 500
LONGEST_PAUSE_SECONDS = 2.0
MOST_ADDRESSES = 10_000


class RefusalPace:
    """Refusing costs the process as much as a small answer. An address that is refused all the time waits for it."""

    def __init__(self) -> None:
        # By address, when the refusals given so far will be used up; one that is past is of no interest.
        self._used_until: dict[Hashable, float] = {}

    async def pause(self, address: Hashable) -> None:
        """Before a refusal: returns at once for the first 500, then for 500 a second."""
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
