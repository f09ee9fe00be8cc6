"""The 5-minute schedule."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import dagster as dg
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES

from eventflow_stats.orchestration.jobs import refresh_recent_days
from eventflow_stats.orchestration.partitions import range_tags
from eventflow_stats.settings import load_settings

_settings = load_settings()
QUEUED = (dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED)


@dg.schedule(
    job=refresh_recent_days,
    cron_schedule="*/5 * * * *",
    execution_timezone=_settings.bucket_timezone,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every five minutes: yesterday and today; skipped while the run of an earlier tick is under way.",
)
def every_five_minutes(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    # The tick's own time, not now: a tick made good after midnight still means the day it was due on.
    today = context.scheduled_execution_time.astimezone(ZoneInfo(_settings.bucket_timezone)).date()
    if today < _settings.start_date:
        return dg.SkipReason(f"The first partition, {_settings.start_date}, is still to come.")
    under_way = context.instance.get_run_ids(
        dg.RunsFilter(job_name=refresh_recent_days.name, statuses=[*IN_PROGRESS_RUN_STATUSES, *QUEUED])
    )
    if under_way:
        return dg.SkipReason(f"Run {under_way[0]} of an earlier tick is still under way; the next tick makes it good.")
    first = max(today - timedelta(days=1), _settings.start_date)
    return dg.RunRequest(tags={**range_tags(first, today), "eventflow/days": f"{first} to {today}"})
