"""Alerts from schedules, sensors and checks."""

import re
from collections.abc import Callable, Sequence
from datetime import date
from functools import wraps
from typing import Any

import dagster as dg

from eventflow_stats.engine.alerts.delivery import raise_alert
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.detect import Detection, detect
from eventflow_stats.errors import Failed, FailedDays, Unverifiable
from eventflow_stats.formatting import format_count
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.orchestration.runs.retries import first_reason

# Ids, days, times and ports differ between two failures of one cause.
_VARYING = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\d+", re.IGNORECASE)

Evaluate = Callable[[Any, RollupDatabase], Any]


def send_alert(database: RollupDatabase, key: str, text: str, **details: Any) -> bool:
    """Raise an alert, also when the database cannot be opened: that may be the reason for the alert."""
    try:
        with database.opened() as opened:
            return raise_alert(opened, key, text, **details)
    except dg.Failure:
        return raise_alert(None, key, text, **details)


def alert_on_error(name: str) -> Callable[[Evaluate], Evaluate]:
    """Make the evaluation of a schedule or sensor raise an alert when it fails; Dagster's tick fails too.

    No run fails with a tick, so ``failed_runs`` does not report it.
    """

    def decorate(evaluate: Evaluate) -> Evaluate:
        @wraps(evaluate)
        def evaluated(context: Any, database: RollupDatabase) -> Any:
            try:
                return evaluate(context, database)
            except Exception as error:
                if isinstance(error.__cause__, Unverifiable):
                    # One alert for all schedules and sensors: they all fail for the same reason.
                    send_alert(database, f"unverifiable: {', '.join(error.__cause__.broken)}", str(error.__cause__))
                    raise
                cause = first_line((error.description if isinstance(error, dg.Failure) else None) or str(error))
                send_alert(database, f"tick failed: {name}: {without_ids(cause)}", f"{name} failed: {cause}")
                raise

        return evaluated

    return decorate


def alert_failed_days(database: Database, done: str, failed: FailedDays) -> str | None:
    """Raise an alert about days that could not be ``done`` ("swept", "compared"); returns its text, None without any.

    For work that goes on without these days: neither the tick nor a run fails with them."""
    if not failed:
        return None
    message = f"{format_count(len(failed), 'day')} could not be {done}: {first_reason(failed)}"
    raise_alert(database, f"not {done}: {without_ids(message)}", message, days=[str(day) for day in failed])
    return message


def detect_or_alert(database: Database, last_days: Sequence[date] = ()) -> Detection | str:
    """Detect new facts; where facts that it reads are damaged, raise an alert and return its text.

    The tick goes on then, because sweeps find the new facts of the days that can be read."""
    try:
        return detect(database, last_days)
    except Failed as error:
        if not error.unreadable:
            raise
        message = f"new facts could not be detected: {error}"
        raise_alert(database, f"detection failed: {without_ids(str(error))}", message)
        return message


def without_ids(message: str) -> str:
    """The message without ids and numbers: the key by which two failures of one cause are one alert."""
    return _VARYING.sub("#", message)


def first_line(message: str) -> str:
    """The first line of an error message, at most 300 characters."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[0].rstrip(".")[:300] if lines else "no reason given"
