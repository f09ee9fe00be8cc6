"""Rebuild a range of days as Dagster runs in this process: ``python -m eventflow_stats.orchestration.run_backfill``.

`eventflow-stats backfill` starts it. The runs are in Dagster's storage like all others, so the UI shows them and their
partitions. Each run that ends prints one JSON line: ``first_day``, ``last_day``, ``run_id``, ``success``, ``error``,
``verified`` (whether the check passed; null when it could not run) and ``check`` (its message). An interrupted run is
the last one and prints nothing; its exit code says that it was interrupted.
"""

import json
import sys
from datetime import date

import click
import dagster as dg

from eventflow_stats.engine.alerts.delivery import alerts_on_stderr
from eventflow_stats.errors import FAILED, INTERRUPTED, EventflowError
from eventflow_stats.orchestration.assets.external_assets import product_tables
from eventflow_stats.orchestration.assets.marketing_stats_daily import marketing_stats_daily
from eventflow_stats.orchestration.checks.verified_against_facts import verified_against_facts
from eventflow_stats.orchestration.dagster_internals import MAX_RETRIES_TAG, RunFailureReason
from eventflow_stats.orchestration.jobs import rebuild_days
from eventflow_stats.orchestration.partitions import days_between, range_tags
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.orchestration.runs.orphaned_runs import this_process
from eventflow_stats.orchestration.runs.run_tags import DAYS, REASON, span
from eventflow_stats.settings import load_settings


@click.command()
@click.argument("first_day", type=date.fromisoformat)
@click.argument("last_day", type=date.fromisoformat)
@click.option("--client", "clients", multiple=True)
@click.option("--reason", default="requested on the command line")
@click.option("--unseal", is_flag=True)
@click.option("--accept-deletion", is_flag=True)
@click.option("--decided-by", default="")
def main(
    first_day: date,
    last_day: date,
    clients: tuple[str, ...],
    reason: str,
    unseal: bool,
    accept_deletion: bool,
    decided_by: str,
) -> None:
    """Rebuild FIRST_DAY to LAST_DAY in runs of at most EVENTFLOW_MAX_PARTITIONS_PER_RUN days."""
    range_tags(first_day, last_day)
    days = days_between(first_day, last_day)
    most = load_settings().max_partitions_per_run
    # The job resolves against what it selects; the whole Definitions object is for Dagster's processes.
    job = dg.Definitions(
        assets=[*product_tables, marketing_stats_daily],
        asset_checks=[verified_against_facts],
        jobs=[rebuild_days],
        resources={"database": RollupDatabase()},
        loggers={"console": dg.json_console_logger},
    ).resolve_job_def(rebuild_days.name)
    config = {
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        "ops": {
            "marketing_stats_daily": {
                "config": {
                    "clients": list(clients),
                    "unseal": unseal,
                    "accept_deletion": accept_deletion,
                    "decided_by": decided_by,
                }
            }
        },
    }
    failed = False
    with dg.DagsterInstance.get() as instance:
        for start in range(0, len(days), most):
            first, last = days[start], days[min(start + most, len(days)) - 1]
            tags = {
                **range_tags(first, last),
                DAYS: span(first, last),
                REASON: reason,
                **this_process(),
                # The caller of this command sees the failure, and the daemon could not restart the run.
                MAX_RETRIES_TAG: "0",
            }
            result = job.execute_in_process(run_config=config, instance=instance, tags=tags, raise_on_error=False)
            if _is_interrupted(result):
                sys.exit(INTERRUPTED)
            check = next(iter(result.get_asset_check_evaluations()), None)
            failed |= not result.success or check is None or not check.passed
            message = {
                "first_day": first.isoformat(),
                "last_day": last.isoformat(),
                "run_id": result.run_id,
                "success": result.success,
                "error": None if result.success else _error(result),
                "verified": check.passed if check else None,
                "check": check.description if check else None,
            }
            print(json.dumps(message), flush=True)
    sys.exit(FAILED if failed else 0)


def _is_interrupted(result: dg.ExecuteInProcessResult) -> bool:
    failures = (event.job_failure_data for event in result.all_events if event.is_job_failure)
    return any(failure.failure_reason == RunFailureReason.UNEXPECTED_TERMINATION for failure in failures)


def _error(result: dg.ExecuteInProcessResult) -> str:
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            described = data.user_failure_data.description if data.user_failure_data else None
            return described or (data.error.message.strip() if data.error else "the step failed")
    return "the run failed"


if __name__ == "__main__":
    try:
        with alerts_on_stderr():
            main()
    except EventflowError as error:
        click.echo(f"eventflow-stats: {error}", err=True)
        sys.exit(error.exit_code)
