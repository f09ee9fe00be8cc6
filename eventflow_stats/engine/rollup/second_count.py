"""The second count: a day's facts, counted in the product's own tables and compared with the views of facts.

Rebuild and verification read the same views, so neither can find that a view loses or doubles facts. The second count
reads the tables without the views.
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
"""Its name in the list of assumptions that a verification records."""
_REMEDY = (
    "a view or a dimension without its unique key loses or doubles facts: see `eventflow-stats doctor`, then run "
    "`eventflow-stats migrate` and verify the day again"
)


@dataclass(frozen=True)
class SecondCount:
    """Visits and entries of a day in the product's tables. The views give the same numbers."""

    counted_visits: int
    counted_entries: int


def check_second_count(connection: Connection, day: date, clients: Sequence[UUID] | None) -> SecondCount | None:
    """Compare the facts just measured with the second count, before anything of the day is written.

    Must run in the same transaction, right after ``measure_day``. Only whole days can be counted in this way. With
    ``clients`` the day must not be recorded as unverifiable, and the result is None.

    Raises:
        UnverifiableDay: the two differ, or differed when the whole day was last counted.
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
    """Record that the views gave every fact of the day exactly once."""
    connection.execute(query("verify/record_second_count"), {"bucket_date": day, **asdict(count)})


def record_unverifiable_day(connection: Connection, error: UnverifiableDay) -> None:
    """Record that the day cannot be verified, in the transaction that found it."""
    connection.execute(query("verify/record_unverifiable_day"), {"bucket_date": error.day, "reason": error.found})
