"""Data quality per client and day, computed from the facts: how well visits and entries are tracked.

A day is due when one of its client-days was computed since, or when it was verified whole since: a new visit of another
day may name an entry of this day, which changes the day's linkage and none of its facts. So every row is exact within
EVENTFLOW_MAX_DRIFT_AGE, and those of yesterday and today one tick after the rollup.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Any

from sqlalchemy import Connection

from eventflow_stats.engine.assumptions.day_windows import day_window
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.row_security import reading_facts
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.engine.quality.goals import goals_of
from eventflow_stats.engine.rollup.day_locks import reading_day
from eventflow_stats.engine.rollup.day_loop import for_each_day
from eventflow_stats.engine.rollup.held_and_sealed_days import read_day_state
from eventflow_stats.engine.rollup.refresh import WHOLE_DAY_SHARE
from eventflow_stats.errors import OnFailedDay


@dataclass(frozen=True)
class DayQuality:
    """One day's stored counts over all its clients; ``unresolved_facts`` belong to none."""

    clients: int
    visit_facts: int
    visits: int
    sessionless_visits: int
    entries: int
    linked_entries: int
    visit_facts_with_utm: int
    entries_with_utm: int
    visit_facts_with_link: int
    entries_with_link: int
    tracked_entries: int
    unknown_facts: int
    unresolved_facts: int

    @property
    def rates(self) -> dict[str, float]:
        """The rates of the whole day in percent, by name; a rate that would divide by zero is left out."""
        facts = self.visit_facts + self.entries
        parts = {
            "linkage_rate": (self.linked_entries, self.entries),
            "utm_fill_rate": (self.visit_facts_with_utm + self.entries_with_utm, facts),
            "attribution_rate": (self.visit_facts_with_link + self.entries_with_link, facts),
            "unknown_rate": (self.unknown_facts, facts),
            "tracking_success_rate": (self.tracked_entries, self.entries),
        }
        return {name: round(100 * part / whole, 2) for name, (part, whole) in parts.items() if whole}


@dataclass(frozen=True)
class ComputedQuality:
    """The data quality of one day after it was committed.

    ``stored`` is the whole day. ``missed`` is, by goal, how many clients miss it, and how many have enough facts to be
    checked. ``written`` rows were inserted or updated, ``deleted`` rows had no facts any more; rows that were right
    already are in neither. ``computed`` is false if nothing of the day was due.
    """

    day: date
    stored: DayQuality
    written: int
    deleted: int
    computed: bool
    missed: Mapping[str, tuple[int, int]]
    seconds: float = 0.0


@dataclass(frozen=True)
class DueDay:
    """A day whose data quality is due, and of how many clients; None: of all."""

    bucket_date: date
    clients: int | None


def due_days(database: Database, first: date, last: date, most: int) -> list[DueDay]:
    """The days from first to last, both included, whose data quality is due, newest first, at most ``most``.

    Raises:
        Refused: no connection or not migrated.
    """
    span = {"first_day": first, "last_day": last, "most": most}
    with database.session() as connection:
        return [DueDay(**row) for row in connection.execute(query("quality/due_days"), span).mappings()]


def compute_quality(
    database: Database, days: Iterable[date], only_due: bool = False, on_failed_day: OnFailedDay | None = None
) -> Iterator[ComputedQuality]:
    """Compute the data quality of days from the facts, oldest first, each in one transaction; yields each when it is
    committed.

    Rows of clients without facts are deleted, unchanged rows are not rewritten. Repeating it, or running it twice at
    once, gives the same rows. A refresh of the day need not wait for it. A sealed day keeps its rows.

    Parameters: ``days`` in the bucket time zone; ``only_due`` computes only the clients that are due, and reads no fact
    of a day without any; ``on_failed_day``: see ``for_each_day``.

    Raises:
        DayBusy, Failed, Refused: see ``for_each_day``.
    """
    work = partial(_compute_day, goals=goals_of(database.settings), only_due=only_due)
    for _, computed, seconds in for_each_day(database, days, work, on_failed_day, _prepare, reading_day):
        yield replace(computed, seconds=seconds)


def _prepare(connection: Connection) -> None:
    connection.execute(query("quality/create_measured_quality"))
    connection.commit()


def _compute_day(connection: Connection, day: date, goals: Mapping[str, Any], only_due: bool) -> ComputedQuality:
    of_day: dict[str, Any] = {"bucket_date": day, "clients": None}
    written = deleted = 0
    due = connection.execute(query("quality/due_clients"), of_day).one()
    sealed = read_day_state(connection, day).seal is not None
    is_due = not sealed and (due.whole or bool(due.clients) or not only_due)
    if is_due:
        if only_due and not due.whole and due.facts_to_read <= WHOLE_DAY_SHARE * due.facts:
            of_day["clients"] = list(due.clients)
        window = day_window(connection, day)
        with reading_facts(connection):
            connection.execute(query("quality/measure_quality"), {**of_day, **window})
        deleted = connection.execute(query("quality/delete_disappeared_quality"), of_day).rowcount
        written = connection.execute(query("quality/upsert_quality"), of_day).rowcount
        connection.execute(query("quality/record_quality_day"), of_day)
    stored = DayQuality(**connection.execute(query("quality/quality_of_day"), of_day).mappings().one())
    checked = connection.execute(query("quality/goal_results"), {**goals, "days": [day], "most": 1})
    missed = {row.goal: (row.missed_client_days, row.checked) for row in checked}
    return ComputedQuality(day, stored, written, deleted, is_due, missed)
