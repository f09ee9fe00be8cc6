"""Answers kept with their version: a dashboard that asks again is answered without computing it again.

Nothing here expires by time. The version is asked of the database for every request, as the caller, so who may no
longer read gets nothing, and an answer is given only as long as no client-day of it changed.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

MOST_BYTES = 64 * 1024**2
"""What one process of the API keeps, bodies as sent before compression; the least recently asked for go first."""


class CachedResponse(NamedTuple):
    """The newest answer to a question, and the version of the numbers in it."""

    version: str
    body: bytes


class ResponseCache:
    """One answer a question."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._answers: OrderedDict[Hashable, CachedResponse] = OrderedDict()

    def get(self, question: Hashable) -> CachedResponse | None:
        """The answer kept to that question."""
        answer = self._answers.get(question)
        if answer is not None:
            self._answers.move_to_end(question)
        return answer

    def keep(self, question: Hashable, answer: CachedResponse) -> None:
        """Keep an answer in the place of an older one, and let go of others where they are too many."""
        before = self._answers.pop(question, None)
        self._bytes += len(answer.body) - (len(before.body) if before else 0)
        self._answers[question] = answer
        while self._bytes > self._most_bytes:
            _, gone = self._answers.popitem(last=False)
            self._bytes -= len(gone.body)
