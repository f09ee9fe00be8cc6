"""Tags of the runs in the UI's run list: their days, their mode and their reason."""

from collections.abc import Mapping, Sequence
from datetime import date

import dagster as dg

from eventflow_stats.orchestration.dagster_internals import BACKFILL_ID_TAG, SCHEDULE_NAME_TAG, SENSOR_NAME_TAG

DAYS = "eventflow/days"
MODE = "eventflow/mode"
REASON = "eventflow/reason"
_FROM_UI = "dagster/from_ui"


def span(first: date, last: date) -> str:
    """Such as ``2026-01-01 to 2026-03-31``, both included; one day is written alone."""
    return str(first) if first == last else f"{first} to {last}"


def repaired_by(run_id: str) -> str:
    """The name under which the ledger records what a run repaired."""
    return f"Dagster run {run_id}"


def add_run_tags(instance: dg.DagsterInstance, run_id: str, days: Sequence[date], mode: str) -> None:
    """Add the tags that the run lacks: its days, its mode, and who started it.

    Runs of schedules and sensors already have them; runs that an operator launched have none.
    """
    # Read from storage, because an earlier step may have added tags that the context's copy of the run lacks.
    run = instance.get_run_by_id(run_id)
    if run is None:
        return
    tags = {DAYS: span(min(days), max(days)), MODE: mode, REASON: _reason(run.tags)}
    missing = {name: value for name, value in tags.items() if name not in run.tags}
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
