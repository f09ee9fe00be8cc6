"""How fresh the rollup is, and for how long a change may be undetected.

Every function raises Refused if there is no connection or the database is not migrated.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.engine.rollup.sweep_timing import time_to_find_changes
from eventflow_stats.formatting import format_count, format_duration

FRESH = timedelta(minutes=10)
TOO_OLD = timedelta(minutes=30)
"""The age of the rollup is a warning from ``FRESH`` on, and an alarm from ``TOO_OLD`` on, in the asset check, the
command line and the read API."""


@dataclass(frozen=True)
class RollupFreshness:
    """The freshness of the rollup at ``at``; instants are UTC, None where there is none.

    ``fresh_through``: every fact committed before (with a commit that was not later than the detection overlap) is in
    the rollup; updates and deletions are covered by ``drift_since``.
    ``drift_since``: the oldest time at which a computed day, ``drift_day``, was last compared whole with its facts (or
    first computed). No change before that time is undetected. ``ticked_at``: when the last tick of the schedule
    every_five_minutes was due.
    ``changed_since``: since when rows of the product changed, by PostgreSQL's row counters, without a sweep of every
    day afterwards; None: no row did. ``changed_rows``: how many, None: an unknown number. ``changes_found_by``: the
    latest time at which every day will have been swept.
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
        """Visits and entries without a time, or with one of no calendar day; in no number. 0 if never counted."""
        return (self.visits_of_no_day or 0) + (self.entries_of_no_day or 0)

    @property
    def changes_overdue(self) -> bool:
        """Whether rows changed and the sweeps should have found the changes by now."""
        return self.changes_found_by is not None and self.at >= self.changes_found_by

    @property
    def changes_message(self) -> str | None:
        """A sentence about rows that changed without a sweep of every day afterwards; None without any."""
        if self.changed_since is None or self.changes_found_by is None:
            return None
        rows = "an unknown number of rows" if self.changed_rows is None else format_count(self.changed_rows, "row")
        changed = f"{rows} of the product changed in the last {format_duration(self.at - self.changed_since)}"
        found_by = f"{self.changes_found_by:%Y-%m-%d %H:%M} UTC"
        if self.changes_overdue:
            return f"{changed}; every day should have been swept by {found_by}"
        return f"{changed}; the sweeps find changed facts by {found_by} at the latest"

    @property
    def age(self) -> timedelta | None:
        """How long ago every committed fact was in the rollup; None: detection never ran."""
        return None if self.fresh_through is None else self.at - self.fresh_through

    @property
    def drift_age(self) -> timedelta | None:
        """For how long a change may have been undetected; None without a computed day."""
        return None if self.drift_since is None else self.at - self.drift_since


def read_freshness(database: Database, today: date) -> RollupFreshness:
    """The freshness of the rollup. Stale days after ``today`` (in the bucket time zone) and before the start date are
    left out, because they have no partition."""
    reach = {"first_day": database.settings.start_date, "today": today}
    with database.session() as connection:
        row = dict(connection.execute(query("status/freshness"), reach).mappings().one())
    found_by, within = row.pop("found_by"), time_to_find_changes(row.pop("sweep_seconds"), database.settings)
    if row["changed_since"] is None:
        return RollupFreshness(**row | {"changed_rows": None})
    # The counters may have changed since the last detection. The next one records that, and must not give a later time.
    next_detection = row["at"] + timedelta(seconds=database.settings.sensor_seconds)
    return RollupFreshness(**row, changes_found_by=found_by or next_detection + within)


def record_tick(database: Database, ticked_at: datetime, outcome: str) -> None:
    """Record the outcome of the last tick of the schedule every_five_minutes; ``ticked_at`` is when it was due."""
    with database.session() as connection:
        connection.execute(query("detect/lock_progress"))
        connection.commit()
        connection.execute(query("detect/record_tick"), {"ticked_at": ticked_at, "outcome": outcome})
        connection.commit()
