"""A read-only server is reported as read-only by status, health and doctor, and by one alert an hour."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psycopg
import pytest

from eventflow_stats.api.monitoring_routes import health_of
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.status.health import find_problems, read_status
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import ReadOnly
from eventflow_stats.local.server import embedded_server
from eventflow_stats.settings import Settings
from eventflow_stats_tests.cli.conftest import Call, call
from eventflow_stats_tests.conftest import Cluster, do_not_wait_for_the_disk
from eventflow_stats_tests.engine.postgres.test_read_only import RAISE_ALERTS, run
from eventflow_stats_tests.scratch import scratch_folder

pytestmark = pytest.mark.environment

__all__ = ["call"]
DAY = date(2026, 3, 4)
WHAT = "default_transaction_read_only is on for the whole server"
REMEDY = "ALTER SYSTEM SET default_transaction_read_only = off; SELECT pg_reload_conf()"


@pytest.fixture
def own_server() -> Iterator[Cluster]:
    """Yield a server for this test alone, because the test changes settings of the whole server."""
    with (
        tempfile.TemporaryDirectory(prefix="pg_", dir=scratch_folder()) as folder,
        embedded_server(Path(folder)) as url,
    ):
        do_not_wait_for_the_disk(url)
        yield Cluster(url)


@pytest.fixture
def deployment(own_server: Cluster) -> Iterator[dict[str, str]]:
    """Compute a day, create Dagster's storage, and make the server read-only; yields the settings."""
    url, storage = own_server.migrated("UTC"), own_server.dagster_storage()
    list(rebuild(Database(url, Settings()), [DAY]))
    list(verify(Database(url, Settings()), [DAY]))
    run(own_server.url, "ALTER SYSTEM SET default_transaction_read_only = on; SELECT pg_reload_conf()")
    wait_for_new_sessions(own_server.url, "on")
    yield {"EVENTFLOW_DATABASE_URL": url, "EVENTFLOW_DAGSTER_URL": storage}
    run(own_server.url, "ALTER SYSTEM RESET default_transaction_read_only; SELECT pg_reload_conf()")


def wait_for_new_sessions(url: str, value: str) -> None:
    for _ in range(200):
        with psycopg.connect(url) as connection:
            if connection.execute("SHOW default_transaction_read_only").fetchone() == (value,):
                return
    raise AssertionError(f"new sessions do not have {value}")


def test_status_health_and_doctor_report_read_only_until_the_remedy_is_carried_out(
    deployment: dict[str, str], own_server: Cluster, call: Call
) -> None:
    database = Database(deployment["EVENTFLOW_DATABASE_URL"], Settings())
    with pytest.raises(ReadOnly):
        list(rebuild(database, [DAY]))
    status = read_status(database)
    assert [each.what for each in find_problems(status) if each.kind == "read_only"] == [f"read-only: {WHAT}"]
    assert str(health_of(status).status) == "read_only"
    code, out, _ = call("status", **deployment)
    assert code == 1
    assert f"read-only: {WHAT} ({REMEDY})" in out.splitlines()[-1]

    code, out, _ = call("doctor", "--json", **deployment)
    found = {each["name"]: each for each in json.loads(out)["checks"]}
    assert code == 1
    assert (found["writing"]["state"], found["writing"]["found"]) == ("fail", f"read-only: {WHAT}")
    assert found["writing"]["remedy"] == REMEDY
    assert (found["storage"]["state"], found["storage"]["found"]) == ("fail", "read-only")
    assert found["daemon"]["state"] == "warn", "a daemon that runs cannot write its heartbeat"
    assert "read-only" in found["daemon"]["found"]
    assert {name for name, each in found.items() if each["state"] == "fail"} == {"writing", "storage"}

    run(own_server.url, found["writing"]["remedy"])
    wait_for_new_sessions(own_server.url, "off")
    list(rebuild(database, [DAY]))
    assert not [each for each in find_problems(read_status(database)) if each.kind == "read_only"]
    _, out, _ = call("doctor", "--json", **deployment)
    states = {each["name"]: each["state"] for each in json.loads(out)["checks"]}
    assert (states["writing"], states["storage"]) == ("ok", "ok")


def test_all_failures_on_a_read_only_server_are_one_alert_an_hour_for_all_processes(
    deployment: dict[str, str],
) -> None:
    message = []
    for keys in (["tick failed", "run failed"], ["run failed", "sensor failed"]):
        done = subprocess.run(
            [sys.executable, "-c", RAISE_ALERTS, *keys],
            env={**os.environ, **deployment},
            capture_output=True,
            text=True,
            check=True,
        )
        message += [json.loads(line) for line in done.stdout.splitlines()]

    (alert,) = message
    assert (alert["alert"], alert["of"]) == ("read_only", "tick failed")
