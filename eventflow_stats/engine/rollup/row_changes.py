"""PostgreSQL's row counters: whether rows of the product's tables changed, and how many."""

from sqlalchemy import Connection

from eventflow_stats.engine.assumptions.day_windows import today
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.engine.rollup.sweep_timing import time_to_find_changes
from eventflow_stats.settings import Settings


def record_row_changes(connection: Connection, settings: Settings) -> None:
    """Compare the row counters with their last values; record how many rows changed and by when sweeps find them.

    The first call has no last values: every day becomes due for a sweep, and the number of rows is unknown. The caller
    must hold the lock of the table ``progress``.
    """
    changes = connection.execute(query("detect/record_row_changes")).one_or_none()
    if changes is None or not changes.known:
        return
    first_day, last_day = settings.start_date, today(settings)
    seconds = connection.scalar(query("detect/sweep_seconds"), {"first_day": first_day, "last_day": last_day})
    connection.execute(
        query("detect/record_unswept_changes"),
        {
            "first_day": first_day,
            "today": last_day,
            "seen_at": changes.seen_at,
            "since": changes.since,
            "changed_rows": changes.changed_rows,
            "found_within": time_to_find_changes(seconds, settings),
        },
    )
