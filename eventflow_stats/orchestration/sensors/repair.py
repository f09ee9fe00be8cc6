"""The sensor that repairs wrong numbers: it recomputes the client-days in which a verification found wrong groups."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from eventflow_stats.engine.status.due_work import WrongClientDay, wrong_client_days
from eventflow_stats.formatting import format_count, format_list
from eventflow_stats.orchestration.alerting import alert_on_error, send_alert
from eventflow_stats.orchestration.jobs import repair_days
from eventflow_stats.orchestration.partitions import range_tags
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.orchestration.runs.run_history import BATCH, EndedRun, ended_runs, run_key, run_under_way
from eventflow_stats.orchestration.runs.run_tags import DAYS, REASON, repaired_by, span
from eventflow_stats.orchestration.sensors.batches import QUICK_ATTEMPTS, batch_id, batches
from eventflow_stats.settings import load_settings

_settings = load_settings()
REPAIRS_WITHIN = timedelta(days=1)
"""Attempts older than this are forgotten, so a client-day that was given up is tried again."""


@dg.sensor(
    job=repair_days,
    minimum_interval_seconds=_settings.sensor_seconds,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Recomputes the client-days (one client's one day) in which a verification found wrong groups, and "
    "verifies them again. After three attempts it raises an alert and waits for a day: either its runs fail, or "
    "something else writes the rollup.",
)
@alert_on_error("repair")
def repair(context: dg.SensorEvaluationContext, database: RollupDatabase) -> dg.RunRequest | dg.SkipReason:
    runs = ended_runs(context.instance, repair_days.name, datetime.now(UTC) - REPAIRS_WITHIN)
    with database.opened() as opened:
        known = wrong_client_days(opened, [repaired_by(run.run_id) for run in runs])
    # A day before the start date has no partition any more: no run can be requested.
    wrong = [client_day for client_day in known if client_day.bucket_date >= _settings.start_date]
    if not wrong:
        message = "No wrong group is known"
        if known:
            message = f"{_wrong_message(known)}, before the start date {_settings.start_date}: no run can repair them"
        return dg.SkipReason(message + ".")
    under_way = run_under_way(context.instance, repair_days.name)
    if under_way:
        return dg.SkipReason(f"{_wrong_message(wrong)}; run {under_way} is repairing.")
    # Attempts are counted by client-day, because its batch may contain other client-days each time.
    failed = {client_day: _failures(client_day, runs) for client_day in wrong}
    attempts = {client_day: client_day.repairs + failed[client_day] for client_day in wrong}
    given_up = [client_day for client_day in wrong if attempts[client_day] >= QUICK_ATTEMPTS]
    message = ""
    if given_up:
        failures = max(failed[client_day] for client_day in given_up)
        why = f"{format_count(failures, 'run')} failed, see why" if failures else "something else writes the rollup"
        message = f"{_wrong_message(given_up)}, still after {QUICK_ATTEMPTS} repairs: {why}."
        days = sorted({str(client_day.bucket_date) for client_day in given_up})
        clients = sorted({str(client_day.client_id) for client_day in given_up})
        send_alert(database, f"repair gave up: {format_list(days)}", message, days=days, clients=clients)
    to_repair = batches(client_day for client_day in wrong if attempts[client_day] < QUICK_ATTEMPTS)
    if not to_repair:
        return dg.SkipReason(message)
    batch = to_repair[0]
    name = batch_id(",".join(sorted({f"{client_day.bucket_date}:{client_day.client_id}" for client_day in batch})))
    first, last = batch[-1].bucket_date, batch[0].bucket_date
    attempt = 1 + max(attempts[client_day] for client_day in batch)
    return dg.RunRequest(
        run_key=run_key(context.instance, name),
        run_config={"ops": {"marketing_stats_daily": {"config": {"client_days": "wrong"}}}},
        tags={
            **range_tags(first, last),
            BATCH: name,
            DAYS: span(first, last),
            REASON: f"{_wrong_message(batch)}, attempt {attempt} of {QUICK_ATTEMPTS}",
        },
    )


def _failures(client_day: WrongClientDay, runs: Sequence[EndedRun]) -> int:
    """How many repair runs failed on the client-day since its wrong group was found."""
    return sum(
        run.failed and run.covers(client_day.bucket_date) and run.created_at > client_day.found_at for run in runs
    )


def _wrong_message(client_days: Sequence[WrongClientDay]) -> str:
    days = sorted({str(client_day.bucket_date) for client_day in client_days})
    return f"{format_count(sum(client_day.groups for client_day in client_days), 'wrong group')} on {format_list(days)}"
