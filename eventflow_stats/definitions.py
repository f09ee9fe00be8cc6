"""The one Definitions object: everything Dagster knows of this project, listed."""

import dagster as dg
from dagster._loggers import json_console_logger

from eventflow_stats.orchestration.alerting import failed_runs
from eventflow_stats.orchestration.assets.external_assets import product_tables
from eventflow_stats.orchestration.assets.marketing_data_quality_daily import marketing_data_quality_daily
from eventflow_stats.orchestration.assets.marketing_stats_daily import marketing_stats_daily
from eventflow_stats.orchestration.checks.adjustments import adjustments_in_force
from eventflow_stats.orchestration.checks.data_quality import data_quality_checks
from eventflow_stats.orchestration.checks.raw_share import answers_come_from_the_rollup
from eventflow_stats.orchestration.checks.standing_checks import (
    history_verified_within_max_age,
    is_fresh,
    sample_verified,
)
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
from eventflow_stats.orchestration.runs.pruning import prune_old_runs
from eventflow_stats.orchestration.schedules import data_quality, every_five_minutes, rolling_verification
from eventflow_stats.orchestration.sensors import late_facts, repair
from eventflow_stats.orchestration.stale_rollup import stale_rollup

defs = dg.Definitions(
    assets=[*product_tables, marketing_stats_daily, marketing_data_quality_daily],
    asset_checks=[
        verified_against_facts,
        sample_verified,
        is_fresh,
        history_verified_within_max_age,
        answers_come_from_the_rollup,
        adjustments_in_force,
        data_quality_checks,
    ],
    jobs=[
        *(refresh_recent_days, refresh_late_days, repair_days, rebuild_days, verify_history, verify_days),
        compute_data_quality,
    ],
    schedules=[every_five_minutes, rolling_verification, data_quality],
    sensors=[late_facts, repair, failed_runs, stale_rollup, prune_old_runs],
    resources={"database": RollupDatabase()},
    # A run is one rebuild and one check: processes of their own would cost more than the work.
    executor=dg.in_process_executor,
    # One JSON object a line, from INFO on.
    loggers={"console": json_console_logger},
)
