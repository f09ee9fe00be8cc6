"""How upkeep stands: what is stale, wrong or due, how fresh the rollup is, how old its oldest verification."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.engine.rollup.sweep_timing import time_to_find_changes
from eventflow_stats.formatting import counted, lasting

MOST_DAYS = 10_000
FRESH = timedelta(minutes=10)
TOO_OLD = timedelta(minutes=30)
"""How old the newest state that the rollup is known to show may be: a warning from the first on, an alarm from the
second. The asset check, the command line and the read API judge by the same."""


@dataclass(frozen=True)
class RollupFreshness:
    """How upkeep stands at ``at``; instants are UTC, None where there is none.

    ``fresh_through``: every fact committed before (and not later than the detection overlap) is in the rollup; what a
    later update or deletion did to facts is the drift's to tell.
    ``drift_since``: the oldest time at which a covered day, ``drift_day``, was last compared whole with its facts
    (or first computed): drift older than that cannot be undetected. ``ticked_at``: when the last tick of the
    5-minute schedule was due.
    ``changed_since``: since when rows of the product changed, by its row counters, that not every day was swept after;
    None: none did. ``changed_rows``: how many, None: an unknown number. ``changes_found_by``: when the sweeps will have
    looked at every day, at the latest.
    """

    at: datetime
    detected_at: datetime | None
    ticked_at: datetime | None
    tick_outcome: str | None
    fresh_through: datetime | None
    stale_client_days: int
    drift_since: datetime | None
    drift_day: date | None
    computed_days: int
    visits_of_no_day: int | None = None
    entries_of_no_day: int | None = None
    changed_since: datetime | None = None
    changed_rows: int | None = None
    changes_found_by: datetime | None = None

    @property
    def facts_of_no_day(self) -> int:
        """Visits and entries without a time, or of one that no calendar has: in no number. Never counted: 0."""
        return (self.visits_of_no_day or 0) + (self.entries_of_no_day or 0)

    @property
    def changes_overdue(self) -> bool:
        """Whether rows changed that the sweeps should have found by now."""
        return self.changes_found_by is not None and self.at >= self.changes_found_by

    @property
    def age(self) -> timedelta | None:
        """How old the newest state is that the rollup is known to show; None: facts were never looked for."""
        return None if self.fresh_through is None else self.at - self.fresh_through

    @property
    def drift_age(self) -> timedelta | None:
        """For how long drift may have gone undetected; None without a covered day."""
        return None if self.drift_since is None else self.at - self.drift_since


def read_freshness(database: Database, today: date) -> RollupFreshness:
    """How upkeep stands. Days after ``today`` (in the bucket time zone) and before the start date have no partition:
    what is stale there makes nothing old.

    Raises:
        Refused: no connection or not migrated.
    """
    reach = {"first_day": database.settings.start_date, "today": today}
    with database.session() as connection:
        row = dict(connection.execute(query("status/freshness"), reach).mappings().one())
    found_by, within = row.pop("found_by"), time_to_find_changes(row.pop("sweep_seconds"), database.settings)
    if row["changed_since"] is None:
        return RollupFreshness(**row | {"changed_rows": None})
    # What the counters say beyond the last look at them will be seen by the next one: what is said now must hold then.
    next_look = row["at"] + timedelta(seconds=database.settings.sensor_seconds)
    return RollupFreshness(**row, changes_found_by=found_by or next_look + within)


def record_tick(database: Database, ticked_at: datetime, outcome: str) -> None:
    """Write down what the last tick of the 5-minute schedule came to; ``ticked_at`` is when it was due.

    Raises:
        Refused: no connection or not migrated.
    """
    with database.session() as connection:
        connection.execute(query("detect/lock_progress"))
        connection.commit()
        connection.execute(query("detect/record_tick"), {"ticked_at": ticked_at, "outcome": outcome})
        connection.commit()


def changes_message(progress: RollupFreshness) -> str | None:
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
