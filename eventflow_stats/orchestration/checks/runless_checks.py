"""Check results without a run: a tick that finds nothing to refresh evaluates the checks itself and reports them.

These five checks do not depend on the days of a run. A run of the schedule evaluates them too.
"""

import time
from collections.abc import Mapping
from typing import Any

import dagster as dg

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.status.freshness import read_freshness
from eventflow_stats.errors import Unverifiable
from eventflow_stats.orchestration.assets.marketing_stats_daily import marketing_stats_daily
from eventflow_stats.orchestration.checks.adjustments import adjustments_result
from eventflow_stats.orchestration.checks.api_answers import raw_share_result
from eventflow_stats.orchestration.checks.check_metadata import unverifiable_result
from eventflow_stats.orchestration.checks.freshness import freshness_result, history_result
from eventflow_stats.orchestration.checks.sample import sample_result
from eventflow_stats.orchestration.partitions import current_day

REPORT_AGAIN_SECONDS = 900
REPORT_WHEN_TEXT_CHANGES = {"adjustments_are_valid"}
"""A person who made an adjustment looks for it here. The texts of the other checks change at every tick."""


def evaluate_checks(database: Database, seed: int) -> Mapping[str, dg.AssetCheckResult]:
    """The results of the five checks, by name."""
    sample = sample_result(database, seed)
    freshness = read_freshness(database, current_day())
    return {
        "sample_verified": sample,
        "rollup_is_fresh": freshness_result(freshness),
        "history_verified": history_result(freshness, database.settings.max_drift_age),
        "api_answers_from_rollup": raw_share_result(database),
        "adjustments_are_valid": adjustments_result(database),
    }


def unverifiable_results(error: Unverifiable) -> Mapping[str, dg.AssetCheckResult]:
    """Failed results of the checks that compare with facts, for a time when facts may be hidden; by name."""
    return dict.fromkeys(("sample_verified", "rollup_is_fresh", "history_verified"), unverifiable_result(error))


def report_without_run(
    instance: dg.DagsterInstance,
    results: Mapping[str, dg.AssetCheckResult],
    asset_key: dg.AssetKey = marketing_stats_daily.key,
) -> None:
    """Show results in the UI without a run.

    Each costs a row of Dagster's event log, so a result is reported when it changed between passed and failed, when a
    newer materialization hid it, when the adjustments changed, and otherwise every 15 minutes.
    """
    keys = {name: dg.AssetCheckKey(asset_key, name) for name in results}
    shown = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(keys.values()))
    materialized = instance.get_latest_materialization_event(asset_key)
    hidden_before = materialized.timestamp if materialized else 0.0
    for name, result in results.items():
        last = shown.get(keys[name])
        shown_text = last.evaluation.description if last and last.evaluation else None
        if (
            last is None
            or last.status.name != ("SUCCEEDED" if result.passed else "FAILED")
            or (name in REPORT_WHEN_TEXT_CHANGES and shown_text != result.description)
            or last.create_timestamp < max(hidden_before, time.time() - REPORT_AGAIN_SECONDS)
        ):
            metadata: Any = result.metadata
            instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(
                    asset_key=asset_key,
                    check_name=name,
                    passed=bool(result.passed),
                    severity=result.severity,
                    description=result.description,
                    metadata=metadata,
                )
            )
