"""Seal days: verify them once more, and seal those that are verified. rollup/day_seals.py writes the seal."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

from sqlalchemy import Connection

from eventflow_stats.engine.assumptions.day_windows import today
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.engine.quality.kpis import compute_quality
from eventflow_stats.engine.rollup.day_loop import for_each_day
from eventflow_stats.engine.rollup.day_seals import set_seal
from eventflow_stats.engine.rollup.held_and_sealed_days import Seal, read_day_state, sealed_days
from eventflow_stats.engine.rollup.measure import MeasuredTotals, measure_day
from eventflow_stats.engine.verification.verify import VerifiedDay, alerting_results, verify_day
from eventflow_stats.errors import InvalidInput, OnFailedDay
from eventflow_stats.formatting import format_count


@dataclass(frozen=True)
class SealedDay:
    """One day that was to be sealed: its verification and its seal; None if it was not verified."""

    verified: VerifiedDay
    seal: Seal | None

    @property
    def day(self) -> date:
        return self.verified.day


def days_to_seal(database: Database, before: date) -> list[date]:
    """The days before ``before`` that are not sealed, from the first computed day on, oldest first. Missing days are
    included, although they cannot be verified.

    Raises:
        InvalidInput: ``before`` is after today: only days that have ended are sealed.
        Refused: no connection or not migrated.
    """
    if before > today(database.settings):
        raise InvalidInput(f"--before {before} is after today; a day is sealed when it has ended")
    with database.session() as connection:
        return list(connection.scalars(query("seal/days_to_seal"), {"before": before}))


def seal(
    database: Database, days: Sequence[date], by: str, on_failed_day: OnFailedDay | None = None
) -> Iterator[SealedDay]:
    """Verify days that have ended, oldest first, and seal those that are verified; yields each when it is committed.

    Verification and seal of a day are one transaction. The data quality of the day is computed before, if it is due,
    because it will not be computed again.

    Parameters: ``by`` is recorded as the operator who sealed the days; ``on_failed_day``: see ``for_each_day``.

    Raises:
        DayBusy, Failed, Refused: see ``for_each_day``.
    """
    work = partial(_seal_locked_day, by=by, percent=database.settings.max_deleted_share)
    with alerting_results(database) as alert:
        for day in days:
            # Quality and seal day by day: an interruption then leaves finished days.
            list(compute_quality(database, [day], only_due=True, on_failed_day=on_failed_day))
            for _, sealed, _ in for_each_day(database, [day], work, on_failed_day):
                alert(sealed.verified)
                yield sealed


@dataclass(frozen=True)
class UnsealingPreview:
    """The numbers of a sealed day, and the ``visits`` and ``conversions`` that its facts give now."""

    seal: Seal
    visits: int
    conversions: int

    @property
    def loses_numbers(self) -> bool:
        return self.visits < self.seal.visits or self.conversions < self.seal.conversions

    def __str__(self) -> str:
        before, after = (
            f"{format_count(visits, 'visit')} and {format_count(conversions, 'conversion')}"
            for visits, conversions in (
                (self.seal.visits, self.seal.conversions),
                (self.visits, self.conversions),
            )
        )
        return f"{self.seal.day}: sealed with {before}; its facts give {after} now"


def preview_unsealing(database: Database, days: Sequence[date]) -> Iterator[UnsealingPreview]:
    """For each sealed day of ``days``, oldest first: its numbers before and after unsealing. Changes nothing.

    Raises:
        DayBusy, Failed, Refused: see ``for_each_day``.
    """
    if not days:
        return
    wanted = set(days)
    seals = {found.day: found for found in sealed_days(database, min(days), max(days)) if found.day in wanted}

    def work(connection: Connection, day: date) -> MeasuredTotals:
        return measure_day(connection, day, None)

    for day, totals, _ in for_each_day(database, list(seals), work, None):
        yield UnsealingPreview(seals[day], totals.visits, totals.conversions)


def _seal_locked_day(connection: Connection, day: date, by: str, percent: float) -> SealedDay:
    verified = verify_day(connection, day, None, percent)
    if verified.result != "verified":
        return SealedDay(verified, read_day_state(connection, day).seal)
    return SealedDay(verified, set_seal(connection, day, by))
