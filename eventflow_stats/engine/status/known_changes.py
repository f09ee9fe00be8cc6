"""Changes of facts that the row counters show and no sweep has found yet, as a sentence."""

from datetime import datetime

from eventflow_stats.engine.status.progress import Progress
from eventflow_stats.formatting import counted, lasting


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
