"""Cached answers with their version: a dashboard that asks again gets an answer that is not computed again.

No answer expires by time. Every request asks the database for the version, with the caller's rights. So a caller who
lost the right to read gets nothing, and a cached answer is given only while none of its client-days changed.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

MOST_BYTES = 64 * 1024**2
"""Maximum size of the cache of one process: bodies before compression. The least recently used ones are removed."""


class CachedResponse(NamedTuple):
    """The newest answer to a question, and the version of its numbers."""

    version: str
    body: bytes


class ResponseCache:
    """One answer per question."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._answers: OrderedDict[Hashable, CachedResponse] = OrderedDict()

    def get(self, question: Hashable) -> CachedResponse | None:
        """Return the cached answer to that question."""
        answer = self._answers.get(question)
        if answer is not None:
            self._answers.move_to_end(question)
        return answer

    def put(self, question: Hashable, answer: CachedResponse) -> None:
        """Cache an answer instead of an older one, and remove others when the cache is too large."""
        before = self._answers.pop(question, None)
        self._bytes += len(answer.body) - (len(before.body) if before else 0)
        self._answers[question] = answer
        while self._bytes > self._most_bytes:
            _, removed = self._answers.popitem(last=False)
            self._bytes -= len(removed.body)
