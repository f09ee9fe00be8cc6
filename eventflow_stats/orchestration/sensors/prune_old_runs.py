"""The sensor that deletes old runs of the frequent jobs; ``runs/pruning.py`` does the work."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from eventflow_stats.orchestration.assets.marketing_data_quality_daily import marketing_data_quality_daily
from eventflow_stats.orchestration.assets.marketing_stats_daily import marketing_stats_daily
from eventflow_stats.orchestration.jobs import (
    compute_data_quality,
    refresh_late_days,
    refresh_recent_days,
    verify_history,
)
from eventflow_stats.orchestration.runs.pruning import prune

FREQUENT_JOBS = (refresh_recent_days.name, refresh_late_days.name, verify_history.name, compute_data_quality.name)
"""Jobs that the schedules and late_facts run many times a day; the runs of all other jobs are kept."""
KEPT_DAYS = 7
"""Days after which these runs are deleted; the run of a tick is of no use after a week."""
ASSETS = (marketing_stats_daily.key, marketing_data_quality_daily.key)


@dg.sensor(
    minimum_interval_seconds=3600,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Deletes finished runs of the schedules and of late_facts that are older than "
    f"{KEPT_DAYS} days, with their events. It keeps a run that is the newest of a day or of a check. Starts no "
    "run.",
)
def prune_old_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    repository = context.repository_def
    checks = repository.asset_graph.asset_check_keys if repository else marketing_stats_daily.check_keys
    before = datetime.now(UTC) - timedelta(days=KEPT_DAYS)
    deleted, kept, finished = prune(context.instance, before, FREQUENT_JOBS, ASSETS, list(checks))
    message = f"Deleted {deleted:,} runs older than {KEPT_DAYS} days, with their events"
    if kept:
        message += f"; kept {kept:,} that are the newest of a day or check"
    if not finished:
        message += "; the next evaluation deletes the rest"
    return dg.SkipReason(message + ".")
