"""PostgreSQL's row counters: whether rows of the product's tables changed, and how many."""

from sqlalchemy import Connection

from eventflow_stats.engine.assumptions.day_windows import today
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.engine.rollup.sweep_timing import time_to_find_changes
from eventflow_stats.settings import Settings


def note_row_changes(connection: Connection, settings: Settings) -> None:
    """Look at the row counters; if they moved, write down how many rows changed and by when the sweeps find them.

    The first look ever has nothing to compare with: it makes every day due, and no number of rows is known. Must run as
    the only one that writes upkeep's row.
    """
    moved = connection.execute(query("detect/note_row_changes")).one_or_none()
    if moved is None or not moved.known:
        return
    first_day, last_day = settings.start_date, today(settings)
    seconds = connection.scalar(query("detect/sweep_seconds"), {"first_day": first_day, "last_day": last_day})
    connection.execute(
        query("detect/record_unswept_changes"),
        {
            "first_day": first_day,
            "today": last_day,
            "seen_at": moved.seen_at,
            "since": moved.since,
            "changed_rows": moved.changed_rows,
            "found_within": time_to_find_changes(seconds, settings),
        },
    )
