"""Find the scopes whose facts moved on since they were computed, for any day (engine.md, Detection).

A watermark of the newest ingest time loses facts: a transaction that started earlier may commit later.
Here every fact ingested since the last detection, less an overlap, is held against the snapshot that its
scope was computed in. What commits later than the overlap is the sweep's to find.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

from eventflow_stats.engine.database import Database
from eventflow_stats.engine.sql import query
from eventflow_stats.errors import DayBusy

NEW_FACTS = "new facts"


@dataclass(frozen=True)
class Detected:
    """What a detection found: facts not yet in the rollup, by day with the number of scopes now dirty.

    ``busy_days`` were being written and could not be marked; they are looked at again by the next
    detection, which starts from the same instant.
    """

    detected_at: datetime
    new_facts: int
    dirty_scopes: dict[date, int]
    busy_days: tuple[date, ...]


def detect(database: Database) -> Detected:
    """Mark every scope dirty that has facts it was not computed from; cost grows with new facts alone.

    Marking takes each day's lock for a moment, so that no rebuild in progress can mark the scope clean over it.

    Raises:
        Refused: no connection, not migrated or permission denied.
    """
    overlap = timedelta(seconds=database.settings.detection_overlap)
    with database.session() as connection:
        since = connection.execute(query("detection_since"), {"overlap": overlap}).mappings().one()
        found = connection.execute(
            query("find_dirty_scopes"),
            {"since": since["since"], "by_snapshot": database.settings.detection == "snapshot", "overlap": overlap},
        ).all()
        connection.commit()
        marked: dict[date, int] = {}
        busy: list[date] = []
        for day, rows in groupby(found, key=lambda row: row.bucket_date):
            clients = [row.client_id for row in rows]
            try:
                with database.writing_day(connection, day):
                    of_day = {"bucket_date": day, "clients": clients, "reason": NEW_FACTS}
                    connection.execute(query("mark_dirty_scopes"), of_day)
                marked[day] = len(clients)
            except DayBusy:
                busy.append(day)
        new_facts = sum(row.facts for row in found)
        if not busy:
            connection.execute(
                query("record_detection"), {"detected_at": since["detected_at"], "candidates": new_facts}
            )
            connection.commit()
    return Detected(since["detected_at"], new_facts, marked, tuple(busy))
