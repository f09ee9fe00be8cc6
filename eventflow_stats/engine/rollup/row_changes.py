"""PostgreSQL's row counters: whether rows of the product changed, how many, and what is said of those not found yet."""

from datetime import datetime

from sqlalchemy import Connection

from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.engine.rollup.sweep_pace import found_within
from eventflow_stats.engine.status.progress import Progress, today
from eventflow_stats.formatting import counted, lasting
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
            "found_within": found_within(seconds, settings),
        },
    )


def changes_message(progress: Progress) -> str | None:
    """What is said of rows that changed and that not every day was swept after; None without any."""
    if progress.changed_since is None or progress.changes_found_by is None:
        return None
    rows = "an unknown number of rows" if progress.changed_rows is None else counted(progress.changed_rows, "row")
    changed = f"{rows} of the product changed in the last {lasting(progress.at - progress.changed_since)}"
    if progress.changes_overdue:
        return f"{changed}; the sweeps should have looked at every day by {_clock(progress.changes_found_by)}"
    return f"{changed}; the sweeps find what that did to facts by {_clock(progress.changes_found_by)} at the latest"


def _clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
