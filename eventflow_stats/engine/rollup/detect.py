"""Detect facts that arrived: find the client-days, of any day, that have facts that they were not computed from.

A watermark of the newest ingest time loses facts, because a transaction that started earlier may commit later. So
detection compares every fact ingested since the last detection, less an overlap, with the snapshot in which its
client-day was computed. Facts that commit later than the overlap, and facts that are updated or deleted, are found by
the sweep.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from eventflow_stats.engine.alerts.delivery import raise_alert
from eventflow_stats.engine.alerts.wrong_groups import raise_owed_alerts
from eventflow_stats.engine.assumptions.assumptions import check_and_record, check_assumptions, lock_facts
from eventflow_stats.engine.assumptions.clock import clock_message, correct_future_instants
from eventflow_stats.engine.postgres.damaged_pages import read_around_damage
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.row_security import reading_facts
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.engine.rollup.day_locks import writing_day
from eventflow_stats.engine.rollup.day_seals import count_late_facts
from eventflow_stats.engine.rollup.held_and_sealed_days import read_day_state
from eventflow_stats.engine.rollup.row_changes import record_row_changes
from eventflow_stats.errors import DayBusy, Failed
from eventflow_stats.formatting import format_count
from eventflow_stats.settings import Settings

NEW_FACTS = "new facts"
LOCK_WAIT_SECONDS = 0.5
"""How long marking waits for the lock of a day. A rebuild may hold it for long; the next detection finds the same."""


@dataclass(frozen=True)
class Detection:
    """The result of a detection: ``new_facts`` are not in the rollup yet; ``stale_client_days`` counts, by day, the
    client-days that became stale.

    ``since`` and ``detected_at`` are UTC: facts ingested from ``since`` on were checked at ``detected_at``.
    ``busy_days`` were being written and could not be marked; the next detection starts from the same instant and finds
    them again. ``miscounted_days``, of those that the caller asked about, have another number of facts than the ledger
    records, new facts included; they must be swept.
    """

    since: datetime
    detected_at: datetime
    new_facts: int
    stale_client_days: dict[date, int]
    busy_days: tuple[date, ...]
    miscounted_days: tuple[date, ...] = ()

    @property
    def busy_message(self) -> str | None:
        """A sentence about the days that could not be marked; None without any."""
        if not self.busy_days:
            return None
        are = "is" if len(self.busy_days) == 1 else "are"
        return (
            f"{format_count(len(self.busy_days), 'day')} with new facts {are} being written by another run: "
            "the next tick detects them again"
        )


def detect(database: Database, last_days: Sequence[date] = ()) -> Detection:
    """Mark every client-day stale that has facts that it was not computed from. The cost grows with new facts alone.

    Facts that arrive for a sealed day are counted in the ledger and mark nothing. Detection also reads PostgreSQL's row
    counters, which show whether rows of the product were changed or deleted and a sweep is needed. Marking takes each
    day's lock for a moment, so that a rebuild in progress cannot clear the mark.

    A fact with an ingest time older than the overlap (replication, a bulk load) is not detected in this way. So the
    facts of ``last_days`` (yesterday and today) are counted in the same snapshot, if any fact was inserted since that
    count was last right. Facts of no day are counted then, too.

    Raises:
        Unverifiable: an assumption does not hold; this is recorded for every reader.
        Failed: another detection took longer than the lock timeout.
        Refused: no connection, not migrated or permission denied.
    """
    settings = database.settings
    overlap = timedelta(seconds=settings.detection_overlap)
    with database.session() as connection:
        connection.execute(query("detect/lock_progress"))
        connection.commit()
        clock = correct_future_instants(connection)
        if clock:
            raise_alert(database, "clock", clock_message(clock))
        check_and_record(connection, settings)
        _mark_days_with_changed_window(database, connection)
        record_row_changes(connection, settings)
        # Read before the snapshot of the count: a fact that this snapshot does not see counts as inserted later.
        inserted = connection.scalar(query("detect/uncounted_inserts")) if last_days else None
        connection.commit()
        find = partial(_find, connection, settings, overlap, last_days if inserted is not None else ())
        since, found, miscounted = read_around_damage(connection, find, "rebuild/plan_by_index_or_brin")
        connection.commit()
        marked: dict[date, int] = {}
        busy: list[date] = []
        for day, rows in groupby(found, key=lambda row: row.bucket_date):
            clients = [row.client_id for row in rows]
            try:
                with writing_day(database, connection, day, LOCK_WAIT_SECONDS):
                    if _mark(connection, day, clients, settings):
                        marked[day] = len(clients)
            except (DayBusy, Failed):
                # Whatever failed the day: the next detection starts from the same instant, and finds it again.
                busy.append(day)
        new_facts = sum(row.facts for row in found)
        if not busy:
            connection.execute(
                query("detect/record_detection"),
                {
                    "detected_at": since.detected_at,
                    "new_facts": new_facts,
                    # The next tick counts again until the numbers agree.
                    "inserted_facts": None if miscounted else inserted,
                },
            )
            connection.commit()
        if last_days:
            with reading_facts(connection):
                connection.execute(query("detect/count_facts_of_no_day"))
            connection.commit()
    # A verification may have been killed before it raised its alerts.
    raise_owed_alerts(database)
    return Detection(since.since, since.detected_at, new_facts, marked, tuple(busy), tuple(miscounted))


def _miscounted(connection: Connection, days: Sequence[date], found: Sequence[Row[Any]]) -> list[date]:
    new_facts: Counter[date] = Counter()
    for row in found:
        new_facts[row.bucket_date] += row.facts
    given = {"days": list(days), "found_days": list(new_facts), "found_facts": list(new_facts.values())}
    return list(connection.scalars(query("detect/miscounted_days"), given))


def _mark(connection: Connection, day: date, clients: Sequence[UUID], settings: Settings) -> bool:
    """Mark the client-days stale; returns False for a sealed day, whose late facts are counted instead."""
    if read_day_state(connection, day).seal is None:
        of_day = {"bucket_date": day, "clients": list(clients), "reason": NEW_FACTS}
        connection.execute(query("detect/mark_stale_client_days"), of_day)
        return True
    count_late_facts(connection, day, settings.detection == "snapshot", timedelta(seconds=settings.detection_overlap))
    return False


def _mark_days_with_changed_window(database: Database, connection: Connection) -> None:
    """Mark days whose window is another one now: a new zone database assigns unchanged facts to another day."""
    days = connection.scalars(
        query("detect/days_with_changed_window"), {"zone": database.settings.bucket_timezone}
    ).all()
    connection.commit()
    for day in days:
        with suppress(DayBusy, Failed), writing_day(database, connection, day, LOCK_WAIT_SECONDS):
            connection.execute(query("detect/mark_day_missing"), {"bucket_date": day})


Found = tuple[Row[Any], Sequence[Row[Any]], list[date]]


def _find(connection: Connection, settings: Settings, overlap: timedelta, last_days: Sequence[date]) -> Found:
    """The instant from which facts are checked, the client-days with new facts, and the last days that have another
    number of facts than the ledger records; all from one snapshot."""
    lock_facts(connection)
    check_assumptions(connection)
    connection.execute(query("detect/avoid_merge_join"))
    since = connection.execute(query("detect/detection_since"), {"overlap": overlap}).one()
    with reading_facts(connection):
        found = connection.execute(
            query("detect/find_stale_client_days"),
            {
                "since": since.since,
                "zone": settings.bucket_timezone,
                "by_snapshot": settings.detection == "snapshot",
                "overlap": overlap,
            },
        ).all()
    return since, found, _miscounted(connection, last_days, found) if last_days else []
