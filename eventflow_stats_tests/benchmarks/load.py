"""Load on an HTTP service: several clients, each of which asks again as soon as it is answered."""

import http.client
import statistics
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from eventflow_stats.errors import EventflowError


@dataclass(frozen=True)
class Question:
    """One GET: its path with the query, and its headers."""

    path: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Latencies:
    """The milliseconds of each answer, and the number of answers per second."""

    milliseconds: tuple[float, ...]
    per_second: float

    @property
    def median(self) -> float:
        return statistics.median(self.milliseconds)

    def percentile(self, share: int) -> float:
        """Return the milliseconds within which this share of a hundred was answered."""
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) * share // 100, len(ordered) - 1)]


def under_load(url: str, questions: Iterable[Question], clients: int, expected: int = 200) -> Latencies:
    """Ask all questions, ``clients`` at once; every answer must have the expected status.

    Raises:
        EventflowError: an answer had another status.
    """
    waiting, lock = iter(questions), threading.Lock()
    taken: list[float] = []
    refused: list[str] = []

    def next_question() -> Question | None:
        with lock:
            return next(waiting, None)

    def ask() -> None:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        for question in iter(next_question, None):
            started = time.perf_counter()
            connection.request("GET", question.path, headers=question.headers)
            answer = connection.getresponse()
            body = answer.read()
            taken.append((time.perf_counter() - started) * 1000)
            if answer.status != expected:
                refused.append(f"{answer.status} {body[:200]!r}")
                return
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if refused:
        raise EventflowError(f"an answer that was not {expected}: {refused[0]}")
    return Latencies(tuple(taken), len(taken) / (time.perf_counter() - started))


def repeated(questions: Iterable[Question], times: int) -> Iterator[Question]:
    """Yield the same questions in the same order ``times`` times."""
    asked = list(questions)
    for _ in range(times):
        yield from asked
