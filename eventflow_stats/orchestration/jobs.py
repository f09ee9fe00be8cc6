"""The jobs, one per purpose."""

import dagster as dg

from eventflow_stats.orchestration.assets.marketing_data_quality_daily import marketing_data_quality_daily
from eventflow_stats.orchestration.assets.marketing_stats_daily import marketing_stats_daily
from eventflow_stats.orchestration.checks.verified_against_facts import verified_against_facts

_asset = dg.AssetSelection.assets(marketing_stats_daily)
_verification = dg.AssetSelection.checks(verified_against_facts)
_asset_and_verification = _asset.without_checks() | _verification

# Work that is not urgent shares a limited number of places, so that one is always free for the refresh (dagster.yaml).
BACKGROUND = {"eventflow/place": "background"}
# No retry after a crash (run_retries in dagster.yaml): the next tick requests the work again.
NO_RETRY = {"dagster/max_retries": "0"}

refresh_recent_days = dg.define_asset_job(
    "refresh_recent_days",
    selection=_asset,
    # A refresh that takes this long (seconds) has lost its process, and the next tick needs its place.
    tags={**NO_RETRY, "eventflow/mode": "refresh", "dagster/max_runtime": "900"},
    description="Recomputes and verifies what is stale of yesterday and today: only clients whose facts arrived, "
    "changed or were deleted. Started by the schedule every_five_minutes.",
)

refresh_late_days = dg.define_asset_job(
    "refresh_late_days",
    selection=_asset_and_verification,
    tags={**BACKGROUND, **NO_RETRY, "eventflow/mode": "late"},
    description="Recomputes and verifies what is stale of older days: only clients whose facts arrived late, changed "
    "or were deleted. Started by the sensor late_facts.",
)

repair_days = dg.define_asset_job(
    "repair_days",
    selection=_asset_and_verification,
    tags={**BACKGROUND, **NO_RETRY, "eventflow/mode": "repair"},
    description="Recomputes and verifies the clients of a day in which a verification found wrong groups. Started by "
    "the sensor repair.",
)

rebuild_days = dg.define_asset_job(
    "rebuild_days",
    selection=_asset_and_verification,
    tags={**BACKGROUND, "eventflow/mode": "rebuild"},
    description="Recomputes whole days from the facts and verifies them, for all clients or for those named in the "
    "config. Started by a person.",
)

verify_history = dg.define_asset_job(
    "verify_history",
    selection=_verification,
    tags={**BACKGROUND, **NO_RETRY, "eventflow/mode": "verify"},
    description="Verifies whole days: those whose last verification is oldest. Changes no number. Started by the "
    "schedule rolling_verification.",
)

verify_days = dg.define_asset_job(
    "verify_days",
    selection=_verification,
    tags={**BACKGROUND, "eventflow/mode": "verify"},
    description="Verifies the days named in the config of the check. Changes no number. Started by a person.",
)

compute_data_quality = dg.define_asset_job(
    "compute_data_quality",
    selection=dg.AssetSelection.assets(marketing_data_quality_daily),
    tags={**BACKGROUND, **NO_RETRY, "eventflow/mode": "quality"},
    description="Computes the data quality of what was recomputed or verified since, and evaluates all its checks. "
    "Started by the schedule data_quality.",
)
