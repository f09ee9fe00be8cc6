"""The second count: a day's facts, counted in the product's own tables, beside what the views of facts give.

Computation and verification read the same views. A view that loses or doubles facts would deceive both alike. The
second count shares only the tables with them, so no number of a day rests on the views alone.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import Connection

from eventflow_stats.engine.postgres.row_security import reading_facts
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.errors import UnverifiableDay

SECOND_COUNT = "second count"
"""Its name among the assumptions that a verification records."""
_REMEDY = (
    "a view or a dimension without its unique key loses or doubles facts: see `eventflow-stats doctor`, then run "
    "`eventflow-stats migrate` and verify the day again"
)


@dataclass(frozen=True)
class SecondCount:
    """Visits and entries of a day in the product's tables; the views give as many."""

    counted_visits: int
    counted_entries: int


def check_second_count(connection: Connection, day: date, clients: Sequence[UUID] | None) -> SecondCount | None:
    """Hold the facts just measured against the second count, before anything of the day is written.

    Must run in the transaction that measured, right after ``measure_day``. A part of a day cannot be counted in this
    way: for ``clients`` the day must not be known to be unverifiable, and None is returned.

    Raises:
        UnverifiableDay: the two differ, or did so when the whole day was last counted.
        Unverifiable: facts would be hidden.
    """
    of_day = {"bucket_date": day}
    if clients is not None:
        known = connection.scalar(query("verify/unverifiable_reason"), of_day)
        if known is not None:
            raise UnverifiableDay(day, known)
        return None
    with reading_facts(connection):
        found = connection.execute(query("verify/second_count"), of_day).one()
    different = [
        f"the views give {measured:,} {one if measured == 1 else many}, the table has {in_table:,}"
        for measured, in_table, one, many in (
            (found.measured_visits, found.counted_visits, "visit", "visits"),
            (found.measured_entries, found.counted_entries, "entry", "entries"),
        )
        if measured != in_table
    ]
    if different:
        raise UnverifiableDay(day, f"{'; '.join(different)} ({_REMEDY})")
    return SecondCount(found.counted_visits, found.counted_entries)


def record_second_count(connection: Connection, day: date, count: SecondCount) -> None:
    """Write down that the views gave every fact of the day once, with what is computed or verified from them."""
    connection.execute(query("verify/record_second_count"), {"bucket_date": day, **asdict(count)})


def record_unverifiable_day(connection: Connection, error: UnverifiableDay) -> None:
    """Write down that the day cannot be verified, in the transaction that found it."""
    connection.execute(query("verify/record_unverifiable_day"), {"bucket_date": error.day, "reason": error.found})
