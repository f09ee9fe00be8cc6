"""The sensors: facts of older days, brought in as they arrive; groups found wrong, repaired.

Yesterday and today belong to the 5-minute schedule. Every other day with facts that it was not computed from
is refreshed by ``late_facts``; ``repair`` recomputes what a verification found wrong, on whatever day.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Literal, TypeVar
from zoneinfo import ZoneInfo

import dagster as dg

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.day_state import held_days
from eventflow_stats.engine.rollup.sweep import sweep_what_is_due
from eventflow_stats.engine.rollup.sweep_pace import SECONDS_A_LOOK
from eventflow_stats.engine.status.answer_counts import DAYS_BY_DEFAULT
from eventflow_stats.engine.status.progress import (
    FRESH,
    StaleDay,
    WrongClientDay,
    missing_days_to_compute,
    stale_days,
    stale_outside_partitions,
    wrong_client_days,
)
from eventflow_stats.errors import FailedDays
from eventflow_stats.formatting import counted, listed
from eventflow_stats.orchestration.alerting import alert_failed_days, alert_on_error, detect_or_alert, raise_with
from eventflow_stats.orchestration.jobs import refresh_late_days, repair_days
from eventflow_stats.orchestration.partitions import range_tags
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.orchestration.runs.run_history import BATCH, EndedRun, ended_runs, run_key, run_under_way, tries
from eventflow_stats.orchestration.runs.run_tags import DAYS, REASON, repaired_by, span
from eventflow_stats.settings import load_settings

_settings = load_settings()
QUICK_ATTEMPTS = 3
NEVER = datetime(1, 1, 1, tzinfo=UTC)
REPAIRS_WITHIN = timedelta(days=1)
WIDEST_GAP = 30
"""Days with nothing to do between two of a batch. Each is 4 kB of Dagster's event log and next to no time; a run of its
own is 23 kB and the seconds in which its process starts."""
TURN = "eventflow/turn"
Turn = Literal["newest", "longest waiting"]


@dg.sensor(
    job=refresh_late_days,
    minimum_interval_seconds=_settings.sensor_seconds,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Looks for facts of any day that came late, changed or disappeared, and refreshes the days before "
    "yesterday that have some: one run per batch of days, one at a time, in turn the newest and those that waited "
    "longest. Days never computed are such days too, from the first with facts or ever computed on, and of the last "
    "30: a history fills itself, and so does a pause of the daemon. A batch that failed three times is tried again "
    "hourly.",
)
@alert_on_error("late_facts")
def late_facts(context: dg.SensorEvaluationContext, database: RollupDatabase) -> dg.RunRequest | dg.SkipReason:
    today = datetime.now(ZoneInfo(_settings.bucket_timezone)).date()
    failed: FailedDays = {}
    with database.opened() as opened:
        found = detect_or_alert(opened)
        # Yesterday and today, due far more often, are the schedule's: they would take all the time there is.
        last = today - timedelta(days=2)
        sweep_what_is_due(
            opened,
            _settings.start_date,
            last,
            at_once=False,
            seconds=SECONDS_A_LOOK,
            on_failed_day=failed.__setitem__,
        )
        unswept = alert_failed_days(opened, "swept", failed)
        late = _to_do(opened, last, today)
        before, after = stale_outside_partitions(opened, today)
        held = held_days(opened)
    under_way = run_under_way(context.instance, refresh_late_days.name)
    if late and under_way:
        return dg.SkipReason(f"{_late(late)}; run {under_way} is under way, then the rest.")
    turn = _turn(context.instance)
    for batch in _in_turn(late, turn):
        request = _refresh_of(context.instance, batch, turn)
        if request:
            return request
    if late:
        message = f"{_late(late)}: could not be refreshed, tried again within the hour"
    elif isinstance(found, str):
        message = found
    else:
        nothing = found.busy_message or "No day before yesterday has facts that are not in the rollup"
        message = f"{nothing}; {counted(found.new_facts, 'new fact')} in all"
    if unswept:
        message += f"; {unswept}"
    if held:
        message += f"; {counted(len(held), 'day')} held, for too many facts disappeared"
    if before:
        message += f"; {counted(before, 'day')} with facts before the start date {_settings.start_date}"
    if after:
        message += f"; {counted(after, 'day')} with facts of the future, which wait for their day"
    return dg.SkipReason(message + ".")


def _to_do(database: Database, last: date, today: date) -> list[StaleDay]:
    """Days with stale client-days and, as days with none, those that nobody was at work to compute; newest first.

    These wait behind what has waited for long, since a gap of years may be among them, and before what just came."""
    waiting_since = datetime.now(UTC) - FRESH
    found = {day.bucket_date: day for day in stale_days(database, _settings.start_date, last)}
    # Even before the first fact: an answer for which no days are given would be measured.
    read_since = today - timedelta(days=DAYS_BY_DEFAULT - 1)
    for missed in missing_days_to_compute(database, _settings.start_date, last, read_since):
        found.setdefault(missed, StaleDay(missed, NEVER, waiting_since, 0))
    return sorted(found.values(), key=lambda day: day.bucket_date, reverse=True)


def _turn(instance: dg.DagsterInstance) -> Turn:
    """The other than the last run's: late facts that keep coming must not keep older ones waiting for ever."""
    last = instance.get_runs(dg.RunsFilter(job_name=refresh_late_days.name), limit=1)
    return "longest waiting" if last and last[0].tags.get(TURN) == "newest" else "newest"


def _in_turn(late: Sequence[StaleDay], turn: Turn) -> list[list[StaleDay]]:
    """The batches, the one whose turn it is first; days known to have facts before those never computed."""
    newest = [*_batches(day for day in late if day.client_days), *_batches(day for day in late if not day.client_days)]
    if turn == "newest":
        return newest
    # To minutes, because a history is found stale within moments: of that, too, the newest is asked for most.
    return sorted(newest, key=lambda batch: min(day.waiting_since for day in batch).timestamp() // FRESH.seconds)


def _late(batch: Sequence[StaleDay]) -> str:
    stale = [day for day in batch if day.client_days]
    message = []
    if stale:
        client_days = sum(day.client_days for day in stale)
        message.append(f"late facts in {counted(client_days, 'client-day')} on {counted(len(stale), 'day')}")
    if len(stale) < len(batch):
        message.append(f"{counted(len(batch) - len(stale), 'day')} never computed")
    return ", ".join(message)


def _refresh_of(instance: dg.DagsterInstance, batch: Sequence[StaleDay], turn: Turn) -> dg.RunRequest | None:
    """A run for these days. More late facts make another batch, and a failed run is asked for again: twice at once,
    then hourly."""
    message = ",".join(f"{day.bucket_date}:{day.stale_since.isoformat()}" for day in batch)
    name = _digest(message)
    attempt = 1 + tries(instance, name).count
    if attempt > QUICK_ATTEMPTS and tries(instance, name, datetime.now(UTC) - timedelta(hours=1)).count:
        return None
    first, last = batch[-1].bucket_date, batch[0].bucket_date
    return dg.RunRequest(
        run_key=run_key(instance, name),
        run_config={"ops": {"marketing_stats_daily": {"config": {"client_days": "stale"}}}},
        tags={
            **range_tags(first, last),
            BATCH: name,
            DAYS: span(first, last),
            REASON: f"{_late(batch)}, attempt {attempt}",
            TURN: turn,
        },
    )


@dg.sensor(
    job=repair_days,
    minimum_interval_seconds=_settings.sensor_seconds,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Recomputes the clients' days with groups that a verification found wrong, and verifies them again. After three "
    "attempts it raises an alert and waits for a day: its runs fail, or something else writes the rollup.",
)
@alert_on_error("repair")
def repair(context: dg.SensorEvaluationContext, database: RollupDatabase) -> dg.RunRequest | dg.SkipReason:
    runs = ended_runs(context.instance, repair_days.name, datetime.now(UTC) - REPAIRS_WITHIN)
    with database.opened() as opened:
        known = wrong_client_days(opened, [repaired_by(run.run_id) for run in runs])
    # A day before the start date has no partition any more: no run can be asked for.
    wrong = [client_day for client_day in known if client_day.bucket_date >= _settings.start_date]
    if not wrong:
        message = "No group is known to be wrong"
        if known:
            message = f"{_wrong(known)}, before the start date {_settings.start_date}: no run can repair them"
        return dg.SkipReason(message + ".")
    under_way = run_under_way(context.instance, repair_days.name)
    if under_way:
        return dg.SkipReason(f"{_wrong(wrong)}; run {under_way} is repairing.")
    # By client-day, since what is wrong together with it may be another each time.
    failed = {client_day: _failures(client_day, runs) for client_day in wrong}
    attempts = {client_day: client_day.repairs + failed[client_day] for client_day in wrong}
    given_up = [client_day for client_day in wrong if attempts[client_day] >= QUICK_ATTEMPTS]
    message = ""
    if given_up:
        failures = max(failed[client_day] for client_day in given_up)
        why = f"{counted(failures, 'run')} failed, see why" if failures else "something else writes the rollup"
        message = f"{_wrong(given_up)}, still after {QUICK_ATTEMPTS} repairs: {why}."
        days = sorted({str(client_day.bucket_date) for client_day in given_up})
        clients = sorted({str(client_day.client_id) for client_day in given_up})
        raise_with(database, f"repair gave up: {listed(days)}", message, days=days, clients=clients)
    batches = _batches(client_day for client_day in wrong if attempts[client_day] < QUICK_ATTEMPTS)
    if not batches:
        return dg.SkipReason(message)
    batch = batches[0]
    name = _digest(",".join(sorted({f"{client_day.bucket_date}:{client_day.client_id}" for client_day in batch})))
    first, last = batch[-1].bucket_date, batch[0].bucket_date
    return dg.RunRequest(
        run_key=run_key(context.instance, name),
        run_config={"ops": {"marketing_stats_daily": {"config": {"client_days": "wrong"}}}},
        tags={
            **range_tags(first, last),
            BATCH: name,
            DAYS: span(first, last),
            REASON: f"{_wrong(batch)}, attempt {1 + max(attempts[client_day] for client_day in batch)} of {QUICK_ATTEMPTS}",
        },
    )


def _failures(client_day: WrongClientDay, runs: Sequence[EndedRun]) -> int:
    """How many repairs failed on the client-day; what one of them did recompute has been found wrong since."""
    return sum(
        run.failed and run.covers(client_day.bucket_date) and run.created_at > client_day.found_at for run in runs
    )


def _wrong(client_days: Sequence[WrongClientDay]) -> str:
    days = sorted({str(client_day.bucket_date) for client_day in client_days})
    return f"{counted(sum(client_day.groups for client_day in client_days), 'wrong group')} on {listed(days)}"


Dated = TypeVar("Dated", StaleDay, WrongClientDay)


def _batches(newest_first: Iterable[Dated]) -> list[list[Dated]]:
    """Days near enough to each other for one run, which materializes those between them too."""
    found: list[list[Dated]] = []
    for item in newest_first:
        if found:
            span, gap = ((near.bucket_date - item.bucket_date).days for near in (found[-1][0], found[-1][-1]))
            if span < _settings.max_partitions_per_run and gap <= WIDEST_GAP:
                found[-1].append(item)
                continue
        found.append([item])
    return found


def _digest(message: str) -> str:
    return hashlib.sha256(message.encode()).hexdigest()[:16]
