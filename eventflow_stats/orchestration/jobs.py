"""One job per purpose; every run in one process, because a step of its own costs seconds to start."""

import dagster as dg

from eventflow_stats.orchestration.assets.marketing_data_quality_daily import marketing_data_quality_daily
from eventflow_stats.orchestration.assets.marketing_stats_daily import marketing_stats_daily
from eventflow_stats.orchestration.checks.verified_against_facts import verified_against_facts

_asset = dg.AssetSelection.assets(marketing_stats_daily)
_asset_and_verification = _asset.without_checks() | dg.AssetSelection.checks(verified_against_facts)

# What is in no hurry shares places, so that one is always left for the refresh (dagster.yaml).
BACKGROUND = {"eventflow/place": "background"}

refresh_recent_days = dg.define_asset_job(
    "refresh_recent_days",
    selection=_asset,
    executor_def=dg.in_process_executor,
    # A refresh that takes this long (seconds) has lost its process; the next tick needs its place.
    # After a crash (run_retries in dagster.yaml) the next tick makes it good: a retry would only be in its way.
    tags={"eventflow/mode": "refresh", "dagster/max_runtime": "900", "dagster/max_retries": "0"},
    description="Yesterday and today: their stale client-days recomputed and verified. Started by the 5-minute schedule.",
)

refresh_late_days = dg.define_asset_job(
    "refresh_late_days",
    selection=_asset_and_verification,
    executor_def=dg.in_process_executor,
    # The sensor asks again for what a crashed run left.
    tags={**BACKGROUND, "eventflow/mode": "late", "dagster/max_retries": "0"},
    description="Older days with late or changed facts: their stale client-days recomputed and verified. Started by the "
    "sensor late_facts.",
)

repair_days = dg.define_asset_job(
    "repair_days",
    selection=_asset_and_verification,
    executor_def=dg.in_process_executor,
    tags={**BACKGROUND, "eventflow/mode": "repair", "dagster/max_retries": "0"},
    description="Days with groups that a verification found wrong: those client-days recomputed and verified again. Started by the "
    "sensor repair.",
)

rebuild_days = dg.define_asset_job(
    "rebuild_days",
    selection=_asset_and_verification,
    executor_def=dg.in_process_executor,
    tags={**BACKGROUND, "eventflow/mode": "rebuild"},
    description="Any days, recomputed from the facts and verified; for all clients or those named in the config.",
)

verify_history = dg.define_asset_job(
    "verify_history",
    selection=dg.AssetSelection.checks(verified_against_facts),
    executor_def=dg.in_process_executor,
    tags={**BACKGROUND, "eventflow/mode": "verify", "dagster/max_retries": "0"},
    description="The days longest not verified compared whole with the facts. Started by the schedule rolling_verification.",
)

verify_days = dg.define_asset_job(
    "verify_days",
    selection=dg.AssetSelection.checks(verified_against_facts),
    executor_def=dg.in_process_executor,
    tags={**BACKGROUND, "eventflow/mode": "verify"},
    description="Days compared with the facts, nothing recomputed. The days stand in the check's config.",
)

compute_data_quality = dg.define_asset_job(
    "compute_data_quality",
    selection=dg.AssetSelection.assets(marketing_data_quality_daily),
    executor_def=dg.in_process_executor,
    # The next tick finds what a crashed run left.
    tags={**BACKGROUND, "eventflow/mode": "quality", "dagster/max_retries": "0"},
    description="Data quality of the clients' days that are due, and all its checks. Started by the schedule "
    "data_quality.",
)
