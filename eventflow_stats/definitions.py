"""The one Definitions object: everything of this project that Dagster loads. Nothing imports this module."""

import dagster as dg

from eventflow_stats.orchestration.assets.external_assets import product_tables
from eventflow_stats.orchestration.assets.marketing_data_quality_daily import marketing_data_quality_daily
from eventflow_stats.orchestration.assets.marketing_stats_daily import marketing_stats_daily
from eventflow_stats.orchestration.checks.adjustments import adjustments_are_valid
from eventflow_stats.orchestration.checks.api_answers import api_answers_from_rollup
from eventflow_stats.orchestration.checks.data_quality import data_quality_checks
from eventflow_stats.orchestration.checks.freshness import history_verified, rollup_is_fresh
from eventflow_stats.orchestration.checks.sample import sample_verified
from eventflow_stats.orchestration.checks.verified_against_facts import verified_against_facts
from eventflow_stats.orchestration.jobs import (
    compute_data_quality,
    rebuild_days,
    refresh_late_days,
    refresh_recent_days,
    repair_days,
    verify_days,
    verify_history,
)
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.orchestration.schedules import data_quality, every_five_minutes, rolling_verification
from eventflow_stats.orchestration.sensors.failed_runs import failed_runs
from eventflow_stats.orchestration.sensors.late_facts import late_facts
from eventflow_stats.orchestration.sensors.prune_old_runs import prune_old_runs
from eventflow_stats.orchestration.sensors.repair import repair
from eventflow_stats.orchestration.sensors.stale_rollup import stale_rollup

defs = dg.Definitions(
    assets=[*product_tables, marketing_stats_daily, marketing_data_quality_daily],
    asset_checks=[
        verified_against_facts,
        sample_verified,
        rollup_is_fresh,
        history_verified,
        api_answers_from_rollup,
        adjustments_are_valid,
        data_quality_checks,
    ],
    jobs=[
        refresh_recent_days,
        refresh_late_days,
        repair_days,
        rebuild_days,
        verify_history,
        verify_days,
        compute_data_quality,
    ],
    schedules=[every_five_minutes, rolling_verification, data_quality],
    sensors=[late_facts, repair, failed_runs, stale_rollup, prune_old_runs],
    resources={"database": RollupDatabase()},
    # Each run is one process: starting a process for each step takes seconds, which is longer than the work.
    executor=dg.in_process_executor,
    # One JSON object per line, from level INFO.
    loggers={"console": dg.json_console_logger},
)
