"""One job per purpose; every run in one process, because a step of its own costs seconds to start."""

import dagster as dg

from eventflow_stats.orchestration.assets import marketing_stats_daily
from eventflow_stats.orchestration.checks import reconciles_with_facts

refresh_recent_days = dg.define_asset_job(
    "refresh_recent_days",
    selection=dg.AssetSelection.assets(marketing_stats_daily),
    executor_def=dg.in_process_executor,
    # A refresh that takes this long (seconds) has lost its process; the next tick needs its place.
    # After a crash (run_retries in dagster.yaml) the next tick makes it good: a retry would only be in its way.
    tags={"eventflow/mode": "refresh", "dagster/max_runtime": "900", "dagster/max_retries": "0"},
    description="Yesterday and today, recomputed and proved. Started by the 5-minute schedule.",
)

refresh_late_days = dg.define_asset_job(
    "refresh_late_days",
    selection=dg.AssetSelection.assets(marketing_stats_daily),
    executor_def=dg.in_process_executor,
    # The sensor asks again for what a crashed run left.
    tags={"eventflow/mode": "late", "dagster/max_retries": "0"},
    description="Older days with late facts: their dirty scopes recomputed, the days proved. Started by the sensor.",
)

rebuild_days = dg.define_asset_job(
    "rebuild_days",
    selection=dg.AssetSelection.assets(marketing_stats_daily),
    executor_def=dg.in_process_executor,
    tags={"eventflow/mode": "rebuild"},
    description="Any days, recomputed from the facts and proved; for all clients or those named in the config.",
)

verify_days = dg.define_asset_job(
    "verify_days",
    selection=dg.AssetSelection.checks(reconciles_with_facts),
    executor_def=dg.in_process_executor,
    tags={"eventflow/mode": "verify"},
    description="Days compared with the facts, nothing recomputed. The days stand in the check's config.",
)
