"""The one Definitions object: everything Dagster knows of this project, listed."""

import dagster as dg
from dagster._loggers import json_console_logger

from eventflow_stats.orchestration.alerting import failed_runs
from eventflow_stats.orchestration.assets import marketing_stats_daily
from eventflow_stats.orchestration.checks import reconciles_with_facts
from eventflow_stats.orchestration.corrections import adjustments_in_force
from eventflow_stats.orchestration.data_quality import marketing_data_quality_daily
from eventflow_stats.orchestration.facts import product_tables
from eventflow_stats.orchestration.jobs import (
    compute_data_quality,
    prove_history,
    rebuild_days,
    refresh_late_days,
    refresh_recent_days,
    repair_days,
    verify_days,
)
from eventflow_stats.orchestration.pruning import prune_old_runs
from eventflow_stats.orchestration.quality_checks import data_quality_checks
from eventflow_stats.orchestration.raw_share import answers_come_from_the_rollup
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.orchestration.schedules import data_quality, every_five_minutes, rolling_proof
from eventflow_stats.orchestration.sensors import late_facts, repair
from eventflow_stats.orchestration.stale_rollup import stale_rollup
from eventflow_stats.orchestration.standing_checks import (
    history_proved_within_max_drift_age,
    is_fresh,
    sample_reconciles,
)

defs = dg.Definitions(
    assets=[*product_tables, marketing_stats_daily, marketing_data_quality_daily],
    asset_checks=[
        reconciles_with_facts,
        sample_reconciles,
        is_fresh,
        history_proved_within_max_drift_age,
        answers_come_from_the_rollup,
        adjustments_in_force,
        data_quality_checks,
    ],
    jobs=[
        *(refresh_recent_days, refresh_late_days, repair_days, rebuild_days, prove_history, verify_days),
        compute_data_quality,
    ],
    schedules=[every_five_minutes, rolling_proof, data_quality],
    sensors=[late_facts, repair, failed_runs, stale_rollup, prune_old_runs],
    resources={"database": RollupDatabase()},
    # A run is one rebuild and one check: processes of their own would cost more than the work.
    executor=dg.in_process_executor,
    # One JSON object a line, from INFO on.
    loggers={"console": json_console_logger},
)
