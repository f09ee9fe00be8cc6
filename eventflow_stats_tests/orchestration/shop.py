"""A client with visits on days long past, all in the rollup: the start of the tests of schedules and sensors."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import psycopg
import pytest
from psycopg import sql

from eventflow_stats.definitions import defs
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats_tests.facts import Product, Visit, connect
from eventflow_stats_tests.oracle import expected_groups
from eventflow_stats_tests.rollup import stored_groups

ASSET = dg.AssetKey("marketing_stats_daily")
DAYS = [date(2024, 7, 1), date(2024, 7, 2), date(2024, 9, 9)]


class Shop:
    """Two days in a row and one of another month; ``campaign`` is its only one."""

    def __init__(self, database: Database, product: Product) -> None:
        self.database = database
        self.product = product
        self.client = product.client()
        self.campaign = product.campaign(self.client)
        product.add(*(self.visit(day, "first", on_time=True) for day in DAYS))
        # Otherwise the row counters would count the campaign later, as a change.
        product.connection.execute("SELECT pg_stat_force_next_flush()")
        detect(database)
        list(rebuild(database, DAYS))

    def visit(self, day: date, session: str, on_time: bool = False) -> Visit:
        at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        return Visit(
            at=at, ingested_at=at if on_time else datetime.now(UTC), campaign_id=self.campaign, session_id=session
        )

    def is_right(self) -> bool:
        return stored_groups(self.product.connection) == expected_groups(self.product.world, "UTC")

    def plant_wrong_rows(self, day: date) -> None:
        self.product.connection.execute(
            "UPDATE marketing_stats_daily SET visits = visits + 1 WHERE bucket_date = %s", [day]
        )

    def plant_row_of_another_client(self, day: date) -> None:
        """A new client, who has no facts."""
        other = self.product.client()
        self.product.connection.execute(
            "INSERT INTO marketing_stats_daily (id, client_id, bucket_date, visits) "
            "VALUES (eventflow_stats.group_id(%s, %s, NULL, NULL, NULL, NULL, NULL), %s, %s, 7)",
            [other, day, other, day],
        )


@contextmanager
def giving_up_on(database: Database, day: date, state: str = "53100", times: int = 1000) -> Iterator[None]:
    """In this context the database fails on that day, so many times, with a full disk or another SQLSTATE."""
    with connect(database) as connection:
        connection.execute("CREATE SEQUENCE public.given_up")
        connection.execute("GRANT USAGE ON SEQUENCE public.given_up TO PUBLIC")
        connection.execute(
            sql.SQL(
                "CREATE FUNCTION public.give_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                "IF NEW.bucket_date = {day} AND nextval('public.given_up') <= {times} THEN "
                "RAISE EXCEPTION 'cannot go on' USING ERRCODE = {state}; END IF; RETURN NEW; END $$"
            ).format(day=str(day), times=times, state=state)
        )
        connection.execute(
            "CREATE TRIGGER give_up BEFORE INSERT OR UPDATE ON eventflow_stats.days "
            "FOR EACH ROW EXECUTE FUNCTION public.give_up()"
        )
        try:
            yield
        finally:
            connection.execute("DROP FUNCTION public.give_up CASCADE")
            connection.execute("DROP SEQUENCE public.given_up")


def failure(result: dg.ExecuteInProcessResult) -> str:
    """The message of the step that failed."""
    (line,) = [
        event.step_failure_data.user_failure_data.description
        for event in result.all_events
        if event.is_step_failure and event.step_failure_data.user_failure_data
    ]
    assert line is not None
    return line


def today() -> date:
    return datetime.now(UTC).date()


def yesterday() -> date:
    return today() - timedelta(days=1)


def sensor_tick(instance: dg.DagsterInstance, sensor: dg.SensorDefinition) -> tuple[list[dg.RunRequest], str | None]:
    """The run requests of one tick of a sensor, and its message if there are none."""
    with dg.build_sensor_context(instance=instance, resources={"database": RollupDatabase()}) as context:
        data = sensor.evaluate_tick(context)
    return list(data.run_requests or []), data.skip_message


def schedule_tick(
    instance: dg.DagsterInstance, schedule: dg.ScheduleDefinition, at: datetime | None = None
) -> tuple[list[dg.RunRequest], str | None]:
    """The run requests of one tick of a schedule, due at a time (now), and its message if there are none."""
    with dg.build_schedule_context(
        instance=instance, scheduled_execution_time=at or datetime.now(UTC), resources={"database": RollupDatabase()}
    ) as context:
        data = schedule.evaluate_tick(context)
    return list(data.run_requests or []), data.skip_message


def carry_out(instance: dg.DagsterInstance, request: dg.RunRequest, job: str) -> dg.ExecuteInProcessResult:
    """Execute the run that a tick requested, in this process."""
    return defs.resolve_job_def(job).execute_in_process(
        instance=instance, run_config=request.run_config, tags=request.tags, raise_on_error=False
    )


def make_older(by: timedelta) -> None:
    """Shift the times of all runs and check results of the instance into the past."""
    with psycopg.connect(os.environ["EVENTFLOW_DAGSTER_URL"]) as storage:
        storage.execute("UPDATE runs SET create_timestamp = create_timestamp - %s", [by])
        storage.execute(
            "UPDATE asset_check_executions SET evaluation_event_timestamp = evaluation_event_timestamp - %s", [by]
        )


def shown_checks(instance: dg.DagsterInstance) -> dict[str, Any]:
    """The newest execution of each check, which the UI shows."""
    names = [
        *("verified_against_facts", "sample_verified", "rollup_is_fresh"),
        *("history_verified", "api_answers_from_rollup", "adjustments_are_valid"),
    ]
    keys = {name: dg.AssetCheckKey(ASSET, name) for name in names}
    found = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(keys.values()))
    return {name: found[key] for name, key in keys.items() if key in found}


def alerts(capfd: pytest.CaptureFixture[str]) -> list[Any]:
    """The alerts printed since the last call."""
    return [json.loads(line) for line in capfd.readouterr().out.splitlines() if line.startswith('{"alert"')]
