"""Find the client-days whose facts changed on since they were computed, for any day (engine.md, Detection).

A watermark of the newest ingest time loses facts: a transaction that started earlier may commit later.
Here every fact ingested since the last detection, less an overlap, is held against the snapshot that its
client-day was computed in. What commits later than the overlap, and what is updated or deleted after it, is the
sweep's to find.
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
from eventflow_stats.engine.assumptions.clock import clock_message, distrust_future_instants
from eventflow_stats.engine.postgres.damaged_pages import read_around_damage
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.row_security import reading_facts
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.engine.rollup.day_locks import writing_day
from eventflow_stats.engine.rollup.day_seals import count_late_facts
from eventflow_stats.engine.rollup.held_and_sealed_days import read_day_state
from eventflow_stats.engine.rollup.row_changes import note_row_changes
from eventflow_stats.errors import DayBusy, Failed
from eventflow_stats.formatting import counted
from eventflow_stats.settings import Settings

NEW_FACTS = "new facts"
LOCK_WAIT_SECONDS = 0.5
"""How long marking waits for a day: who holds it may be long at work, and the next detection finds the same."""


@dataclass(frozen=True)
class Detection:
    """What a detection found: ``new_facts`` not yet in the rollup, of the client-days now stale, by day how many.

    ``since`` and ``detected_at`` are UTC: facts ingested from then on were looked at, then. ``busy_days`` were being
    written and could not be marked; they are looked at again by the next detection, which starts from the same
    instant. ``miscounted_days``, of those asked about, hold another number of facts than the ledger knows of, what was
    found included: a sweep has to look at them.
    """

    since: datetime
    detected_at: datetime
    new_facts: int
    stale_client_days: dict[date, int]
    busy_days: tuple[date, ...]
    miscounted_days: tuple[date, ...] = ()

    @property
    def busy_message(self) -> str | None:
        """What is said of days that could not be marked; None without any."""
        if not self.busy_days:
            return None
        are = "is" if len(self.busy_days) == 1 else "are"
        return (
            f"{counted(len(self.busy_days), 'day')} with new facts {are} being written by another run: "
            "looked at again by the next tick"
        )


def detect(database: Database, last_days: Sequence[date] = ()) -> Detection:
    """Mark every client-day stale that has facts it was not computed from; cost grows with new facts alone. Facts that
    arrive for a sealed day are counted in the ledger and mark nothing.

    Also looks at the tripwire that tells a sweep whether rows of the product were changed or deleted. Marking takes
    each day's lock for a moment, so that no rebuild in progress can mark the client-day clean over it.

    A fact with an ingest time older than the overlap (replication, a bulk load) is not looked at. So the facts of
    ``last_days`` (yesterday and today, by whoever asks at all) are counted in the same snapshot, if any fact was
    inserted since that count was last right. Facts of no day are counted then, too.

    Raises:
        Unverifiable: an assumption does not hold; recorded, so that every reader can say so.
        Failed: another detection took longer than the lock timeout.
        Refused: no connection, not migrated or permission denied.
    """
    settings = database.settings
    overlap = timedelta(seconds=settings.detection_overlap)
    with database.session() as connection:
        connection.execute(query("detect/lock_progress"))
        connection.commit()
        clock = distrust_future_instants(connection)
        if clock:
            raise_alert(database, "clock", clock_message(clock))
        check_and_record(connection, settings)
        _mark_days_with_other_window(database, connection)
        note_row_changes(connection, settings)
        # Before the snapshot of the count: a fact that it does not see is counted as inserted later.
        inserted = connection.scalar(query("detect/inserts_to_count")) if last_days else None
        connection.commit()
        find = partial(_find, connection, settings, overlap, last_days if inserted is not None else ())
        since, found, miscounted = read_around_damage(connection, find, "rebuild/plan_by_page_ranges")
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
                    # Counted again by the next tick until the numbers agree.
                    "inserted_facts": None if miscounted else inserted,
                },
            )
            connection.commit()
        if last_days:
            with reading_facts(connection):
                connection.execute(query("detect/count_facts_of_no_day"))
            connection.commit()
    # Those of a verification that was killed before it raised them.
    raise_owed_alerts(database)
    return Detection(since.since, since.detected_at, new_facts, marked, tuple(busy), tuple(miscounted))


def _miscounted(connection: Connection, days: Sequence[date], found: Sequence[Row[Any]]) -> list[date]:
    new_facts: Counter[date] = Counter()
    for row in found:
        new_facts[row.bucket_date] += row.facts
    given = {"days": list(days), "found_days": list(new_facts), "found_facts": list(new_facts.values())}
    return list(connection.scalars(query("detect/miscounted_days"), given))


def _mark(connection: Connection, day: date, clients: Sequence[UUID], settings: Settings) -> bool:
    """Whether the clients' parts of the day are stale now; late facts of a sealed day are counted instead."""
    if read_day_state(connection, day).seal is None:
        of_day = {"bucket_date": day, "clients": list(clients), "reason": NEW_FACTS}
        connection.execute(query("detect/mark_stale_client_days"), of_day)
        return True
    count_late_facts(connection, day, settings.detection == "snapshot", timedelta(seconds=settings.detection_overlap))
    return False


def _mark_days_with_other_window(database: Database, connection: Connection) -> None:
    """A new zone database moves facts from one day to the next without touching them."""
    days = connection.scalars(query("detect/days_with_other_window"), {"zone": database.settings.bucket_timezone}).all()
    connection.commit()
    for day in days:
        with suppress(DayBusy, Failed), writing_day(database, connection, day, LOCK_WAIT_SECONDS):
            connection.execute(query("detect/record_other_window"), {"bucket_date": day})


Found = tuple[Row[Any], Sequence[Row[Any]], list[date]]


def _find(connection: Connection, settings: Settings, overlap: timedelta, last_days: Sequence[date]) -> Found:
    """From when on facts are looked at, the client-days with facts that they were not computed from, and which of the last
    days hold another number of facts than is known; all in one snapshot."""
    lock_facts(connection)
    check_assumptions(connection)
    connection.execute(query("detect/plan_by_ingest_time"))
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
