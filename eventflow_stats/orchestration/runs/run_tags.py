"""The tags by which the UI's run list explains itself: which days, in which mode, for what reason."""

from collections.abc import Mapping, Sequence
from datetime import date

import dagster as dg
from dagster._core.storage.tags import BACKFILL_ID_TAG, SCHEDULE_NAME_TAG, SENSOR_NAME_TAG

DAYS = "eventflow/days"
MODE = "eventflow/mode"
REASON = "eventflow/reason"
_FROM_UI = "dagster/from_ui"


def span(first: date, last: date) -> str:
    """``2026-01-01 to 2026-03-31``, or the one day; both are included."""
    return str(first) if first == last else f"{first} to {last}"


def repaired_by(run_id: str) -> str:
    """The name under which the ledger notes what a run repaired."""
    return f"Dagster run {run_id}"


def explain_run(instance: dg.DagsterInstance, run_id: str, days: Sequence[date], mode: str) -> None:
    """Add what the run's tags lack: its days, oldest to newest, the mode, and who started it.

    Runs of the schedule and the sensors come with all of it; runs launched by hand come with none.
    """
    # Not the run that a context holds: an earlier step may have added them since.
    run = instance.get_run_by_id(run_id)
    if run is None:
        return
    message = {DAYS: span(min(days), max(days)), MODE: mode, REASON: _reason(run.tags)}
    missing = {name: value for name, value in message.items() if name not in run.tags}
    if missing:
        instance.add_run_tags(run_id, missing)


def _reason(tags: Mapping[str, str]) -> str:
    if BACKFILL_ID_TAG in tags:
        return f"backfill {tags[BACKFILL_ID_TAG]}"
    if SCHEDULE_NAME_TAG in tags:
        return f"schedule {tags[SCHEDULE_NAME_TAG]}"
    if SENSOR_NAME_TAG in tags:
        return f"sensor {tags[SENSOR_NAME_TAG]}"
    return "launched in the UI" if tags.get(_FROM_UI) == "true" else "launched by hand"
