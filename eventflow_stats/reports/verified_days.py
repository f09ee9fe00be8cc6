"""The result of one call of `eventflow-stats verify`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from eventflow_stats.engine.verification.sample import Sample
from eventflow_stats.engine.verification.verify import TRUSTED_RESULTS, VerifiedDay
from eventflow_stats.errors import FailedDays


@dataclass(frozen=True)
class Verified:
    """What one call of verify compared, and the result.

    ``days``: those verified from ``first`` to ``last``. ``clients``: as the caller named them, and ``client_ids`` their
    ids; an empty sequence and None mean all. ``known_wrong``: how many groups of these days the ledger has as wrong and
    not repaired. With a ``sample``, only its client-days were compared;
    ``places_that_differ``: how many of them differ. ``failed``: days that could not be compared or are unverifiable.
    """

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
        """Whether everything compared equals the facts; False if nothing was compared or a group is known wrong."""
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
