"""What a call of verify compared, and how it came out: all that a report tells beside the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from eventflow_stats.engine.verification.sample import Sample
from eventflow_stats.engine.verification.verify import TRUSTED_RESULTS, VerifiedDay
from eventflow_stats.errors import FailedDays


@dataclass(frozen=True)
class Verified:
    """``days`` verified of those from ``first`` to ``last``; ``clients`` as asked for and ``client_ids`` found, none and
    None for all; ``known_wrong`` groups of them are on the ledger as wrong and not repaired. With a ``sample``, only
    its clients' days were compared, and ``places_that_differ`` of the places drawn differ. ``failed`` days could not be
    compared, or are unverifiable."""

    at: datetime
    first: date
    last: date
    clients: Sequence[str]
    client_ids: Sequence[UUID] | None
    days: Sequence[VerifiedDay]
    known_wrong: int
    sample: Sample | None = None
    places_that_differ: int = 0
    failed: FailedDays = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether everything compared equals the facts; nothing compared is not right, nor is what is known wrong."""
        compared = self.sample is None or bool(self.sample.places)
        return (
            compared
            and not self.failed
            and not self.known_wrong
            and all(day.result in TRUSTED_RESULTS for day in self.days)
        )

    @property
    def wrong_groups(self) -> int:
        return sum(day.wrong_groups for day in self.days)

    def days_of(self, result: str) -> list[VerifiedDay]:
        return [day for day in self.days if day.result == result]
