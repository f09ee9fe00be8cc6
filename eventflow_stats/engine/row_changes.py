"""PostgreSQL's row counters: whether rows of the product changed, how many, and what is said of those not found yet."""

from datetime import datetime

from sqlalchemy import Connection

from eventflow_stats.engine.sql import query
from eventflow_stats.engine.sweep_pace import found_within
from eventflow_stats.engine.upkeep import Upkeep, today
from eventflow_stats.settings import Settings
from eventflow_stats.words import counted, lasting


def note_row_changes(connection: Connection, settings: Settings) -> None:
    """Look at the row counters; if they moved, write down how many rows changed and by when the sweeps find them.

    The first look ever has nothing to compare with: it makes every day due, and no number of rows is known. Must run as
    the only one that writes upkeep's row.
    """
    moved = connection.execute(query("note_row_changes")).one_or_none()
    if moved is None or not moved.known:
        return
    first_day, last_day = settings.start_date, today(settings)
    seconds = connection.scalar(query("sweep_seconds"), {"first_day": first_day, "last_day": last_day})
    connection.execute(
        query("record_unswept_changes"),
        {
            "first_day": first_day,
            "today": last_day,
            "seen_at": moved.seen_at,
            "since": moved.since,
            "changed_rows": moved.changed_rows,
            "found_within": found_within(seconds, settings),
        },
    )


def changes_message(stands: Upkeep) -> str | None:
    """What is said of rows that changed and that not every day was swept after; None without any."""
    if stands.changed_since is None or stands.changes_found_by is None:
        return None
    rows = "an unknown number of rows" if stands.changed_rows is None else counted(stands.changed_rows, "row")
    changed = f"{rows} of the product changed in the last {lasting(stands.at - stands.changed_since)}"
    if stands.changes_overdue:
        return f"{changed}; the sweeps should have looked at every day by {_clock(stands.changes_found_by)}"
    return f"{changed}; the sweeps find what that did to facts by {_clock(stands.changes_found_by)} at the latest"


def _clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
