"""Find the scopes whose facts moved on since they were computed, for any day (engine.md, Detection).

A watermark of the newest ingest time loses facts: a transaction that started earlier may commit later.
Here every fact ingested since the last detection, less an overlap, is held against the snapshot that its
scope was computed in. What commits later than the overlap, and what is updated or deleted after it, is the
sweep's to find.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any

from sqlalchemy import Connection

from eventflow_stats.engine.assumptions import check_and_record, check_assumptions, lock_facts
from eventflow_stats.engine.damage import read_around_damage
from eventflow_stats.engine.database import Database
from eventflow_stats.engine.facts import reading_facts
from eventflow_stats.engine.sql import query
from eventflow_stats.errors import DayBusy, Failed
from eventflow_stats.settings import Settings
from eventflow_stats.words import counted

NEW_FACTS = "new facts"
PATIENCE_SECONDS = 0.5
"""How long marking waits for a day: who holds it may be long at work, and the next detection finds the same."""


@dataclass(frozen=True)
class Detected:
    """What a detection found: ``new_facts`` not yet in the rollup, of the scopes now dirty, by day how many.

    ``since`` and ``detected_at`` are UTC: facts ingested from then on were looked at, then. ``busy_days`` were being
    written and could not be marked; they are looked at again by the next detection, which starts from the same
    instant.
    """

    since: datetime
    detected_at: datetime
    new_facts: int
    dirty_scopes: dict[date, int]
    busy_days: tuple[date, ...]

    @property
    def told_busy(self) -> str | None:
        """What is said of days that could not be marked; None without any."""
        if not self.busy_days:
            return None
        are = "is" if len(self.busy_days) == 1 else "are"
        return (
            f"{counted(len(self.busy_days), 'day')} with new facts {are} being written by another run: "
            "looked at again by the next tick"
        )


def detect(database: Database) -> Detected:
    """Mark every scope dirty that has facts it was not computed from; cost grows with new facts alone.

    Also looks at the tripwire that tells a sweep whether rows of the product were changed or deleted. Marking takes
    each day's lock for a moment, so that no rebuild in progress can mark the scope clean over it.

    Raises:
        Unverifiable: an assumption does not hold; recorded, so that every reader can say so.
        Failed: another detection took longer than the lock timeout.
        Refused: no connection, not migrated or permission denied.
    """
    settings = database.settings
    overlap = timedelta(seconds=settings.detection_overlap)
    with database.session() as connection:
        connection.execute(query("lock_upkeep"))
        connection.commit()
        check_and_record(connection)
        connection.execute(query("note_row_changes"))
        connection.commit()
        find = partial(_find, connection, settings, overlap)
        since, found = read_around_damage(connection, find, "plan_by_page_ranges")
        connection.commit()
        marked: dict[date, int] = {}
        busy: list[date] = []
        for day, rows in groupby(found, key=lambda row: row.bucket_date):
            clients = [row.client_id for row in rows]
            try:
                with database.writing_day(connection, day, PATIENCE_SECONDS):
                    of_day = {"bucket_date": day, "clients": clients, "reason": NEW_FACTS}
                    connection.execute(query("mark_dirty_scopes"), of_day)
                marked[day] = len(clients)
            except (DayBusy, Failed):
                # Whatever failed the day: the next detection starts from the same instant, and finds it again.
                busy.append(day)
        new_facts = sum(row.facts for row in found)
        if not busy:
            connection.execute(query("record_detection"), {"detected_at": since.detected_at, "new_facts": new_facts})
            connection.commit()
    return Detected(since.since, since.detected_at, new_facts, marked, tuple(busy))


def _find(connection: Connection, settings: Settings, overlap: timedelta) -> tuple[Any, Sequence[Any]]:
    """From when on facts are looked at, and the scopes with facts that they were not computed from."""
    lock_facts(connection)
    check_assumptions(connection)
    connection.execute(query("plan_by_ingest_time"))
    since = connection.execute(query("detection_since"), {"overlap": overlap}).one()
    with reading_facts(connection):
        found = connection.execute(
            query("find_dirty_scopes"),
            {
                "since": since.since,
                "zone": settings.bucket_timezone,
                "by_snapshot": settings.detection == "snapshot",
                "overlap": overlap,
            },
        ).all()
    return since, found
