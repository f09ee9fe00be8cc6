"""Runs of the project's jobs in this process, on the days of the sampled facts."""

from datetime import date
from typing import Any

import dagster as dg
import psycopg

from eventflow_stats.definitions import defs
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.orchestration.partitions import range_tags

FIRST, LAST = date(2026, 3, 1), date(2026, 3, 4)


def run(
    instance: dg.DagsterInstance, first: date = FIRST, last: date = LAST, clients: list[str] | None = None
) -> dg.ExecuteInProcessResult:
    job = defs.resolve_job_def("rebuild_days")
    return job.execute_in_process(
        instance=instance,
        tags=range_tags(first, last),
        run_config={"ops": {"marketing_stats_daily": {"config": {"clients": clients or []}}}},
        raise_on_error=False,
    )


def run_check(
    instance: dg.DagsterInstance, check: str, config: dict[str, object] | None = None
) -> dg.ExecuteInProcessResult:
    """The check as *Execute* in the UI runs it."""
    key = dg.AssetCheckKey(dg.AssetKey("marketing_stats_daily"), check)
    job = defs.resolve_implicit_global_asset_job_def().get_subset(asset_check_selection={key}, asset_selection=set())
    return job.execute_in_process(
        instance=instance,
        run_config={"ops": {f"marketing_stats_daily_{check}": {"config": config}}} if config else None,
        raise_on_error=False,
    )


def rows(database: Database, sql: str) -> list[Any]:
    with psycopg.connect(plain_url(database)) as connection:
        return connection.execute(sql).fetchall()


def plain_url(database: Database) -> str:
    return database.url.set(drivername="postgresql").render_as_string(hide_password=False)


def materialized(instance: dg.DagsterInstance) -> set[str]:
    return instance.get_materialized_partitions(dg.AssetKey("marketing_stats_daily"))


def run_verification(instance: dg.DagsterInstance, first: date, last: date) -> dg.AssetCheckEvaluation:
    config = {"first_day": first.isoformat(), "last_day": last.isoformat()}
    result = defs.resolve_job_def("verify_days").execute_in_process(
        instance=instance,
        run_config={"ops": {"marketing_stats_daily_verified_against_facts": {"config": config}}},
        raise_on_error=False,
    )
    (check,) = result.get_asset_check_evaluations()
    return check
