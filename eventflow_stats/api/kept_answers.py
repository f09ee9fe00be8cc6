"""Answers kept by their version: a dashboard that asks again is answered without computing it again.

Nothing here expires by time. The version is asked of the database for every request, as the caller, so who may no
longer read gets nothing, and an answer is found only as long as no scope of it changed.
"""

from collections import OrderedDict
from collections.abc import Hashable

MOST_BYTES = 64 * 1024**2
"""What one process of the API keeps, bodies as sent before compression; the least recently asked for go first."""


class KeptAnswers:
    """Bodies by question and version."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._bodies: OrderedDict[Hashable, bytes] = OrderedDict()

    def get(self, key: Hashable) -> bytes | None:
        """The body kept under that key."""
        body = self._bodies.get(key)
        if body is not None:
            self._bodies.move_to_end(key)
        return body

    def keep(self, key: Hashable, body: bytes) -> None:
        """Keep a body, and let go of others where they are too many."""
        self._bytes += len(body) - len(self._bodies.pop(key, b""))
        self._bodies[key] = body
        while self._bytes > self._most_bytes:
            _, gone = self._bodies.popitem(last=False)
            self._bytes -= len(gone)
