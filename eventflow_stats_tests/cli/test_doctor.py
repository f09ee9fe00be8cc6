"""`eventflow-stats doctor` with a real Dagster storage, without a database, with wrong settings; it shows no secret."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, ScheduleInstigatorData
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.types import DaemonHeartbeat
from dagster_postgres import DagsterPostgresStorage

from eventflow_stats import __version__
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats_tests.cli.conftest import Call
from eventflow_stats_tests.conftest import Cluster
from eventflow_stats_tests.engine.postgres.inspecting import everything_in
from eventflow_stats_tests.facts import Product, Visit, connect

DAY = date(2026, 3, 1)
SECRET = "a-secret-of-40-characters-or-even-more..."
DAEMONS = ("SCHEDULER", "SENSOR", "QUEUED_RUN_COORDINATOR", "BACKFILL")
ORIGIN = RemoteRepositoryOrigin(
    ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(module_name="eventflow_stats.definitions")),
    "__repository__",
)


def troubles(out: str) -> dict[str, str]:
    """The names and states of the checks that are not ok."""
    return {each["name"]: each["state"] for each in json.loads(out)["checks"] if each["state"] != "ok"}


@pytest.fixture
def storage(cluster: Cluster) -> Iterator[DagsterPostgresStorage]:
    """Dagster's storage with its tables and no rows."""
    url = cluster.create()
    yield DagsterPostgresStorage(url.replace("postgresql://", "postgresql+psycopg2://"))
    cluster.drop(url)


def test_a_deployment_without_its_daemon_fails_on_that_alone_and_a_stopped_schedule_is_named(
    database: Database, storage: DagsterPostgresStorage, call: Call
) -> None:
    settings = {
        "EVENTFLOW_DATABASE_URL": database.url.render_as_string(hide_password=False).replace("+psycopg", ""),
        "EVENTFLOW_DAGSTER_URL": storage.postgres_url.replace("+psycopg2", ""),
        "EVENTFLOW_JWT_SECRET": SECRET,
        "EVENTFLOW_CRON_SECRET": SECRET + "cron",
        "EVENTFLOW_REPORT_TOKEN": SECRET + "report",
        "EVENTFLOW_ALERT_WEBHOOK": f"https://hooks.example.com/{SECRET}",
    }
    with connect(database) as connection:
        product = Product(connection)
        noon = datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=UTC)
        campaign = product.campaign(product.client())
        product.add(Visit(at=noon, ingested_at=noon, campaign_id=campaign, session_id="a"))
    list(rebuild(database, [DAY]))
    list(verify(database, [DAY]))
    dagster = Database(settings["EVENTFLOW_DAGSTER_URL"], database.settings)
    before = everything_in(database), everything_in(dagster)

    code, out, err = call("doctor", "--json", **settings)
    assert (code, err) == (1, "")
    assert json.loads(out)["ok"] is False
    assert troubles(out) == {"schedule": "warn", "daemon": "fail"}
    [daemon] = [each for each in json.loads(out)["checks"] if each["name"] == "daemon"]
    assert daemon == {
        "name": "daemon",
        "area": "dagster",
        "state": "fail",
        "found": "never ran here",
        "remedy": "eventflow-stats up, or dagster-daemon run -w workspace.yaml",
    }
    assert SECRET not in out
    assert (everything_in(database), everything_in(dagster)) == before

    for kind in DAEMONS:
        storage.run_storage.add_daemon_heartbeat(DaemonHeartbeat(time.time(), kind, None, None))
    stopped = InstigatorState(
        RemoteInstigatorOrigin(ORIGIN, "every_five_minutes"),
        InstigatorType.SCHEDULE,
        InstigatorStatus.STOPPED,
        ScheduleInstigatorData("*/5 * * * *"),
    )
    storage.schedule_storage.add_instigator_state(stopped)
    code, out, err = call("doctor", **settings)
    assert (code, err) == (1, "")
    lines = out.splitlines()
    well = sum(line.startswith("  ok ") for line in lines)
    assert lines[-1] == f"{well} ok, 1 warning, 1 failure"
    [at] = [number for number, line in enumerate(lines) if line.startswith("  fail")]
    assert lines[at].endswith(" off: every_five_minutes")
    assert "start every_five_minutes" in lines[at + 1]
    assert {line for line in lines[:-1] if not line.startswith("  ")} == {
        *("Settings", "Versions", "Connection", "Schema", "Indexes", "Rights", "Server"),
        *("Assumptions", "Rollup", "Dagster"),
    }  # fmt: skip

    storage.schedule_storage.update_instigator_state(stopped.with_status(InstigatorStatus.RUNNING))
    code, out, err = call("doctor", "--json", **settings)
    assert (code, json.loads(out)["ok"], troubles(out), err) == (0, True, {"schedule": "warn"}, "")


def test_without_servers_and_with_wrong_settings_everything_is_reported_and_no_secret(call: Call) -> None:
    code, out, err = call(
        "doctor",
        "--json",
        EVENTFLOW_DATABASE_URL="postgresql://who:s3cr3t%2Fword@127.0.0.1:1/nowhere",
        EVENTFLOW_DAGSTER_URL="postgresql://who:s3cr3t%2Fword@127.0.0.1:1/dagster?password=s3cr3t2",
        EVENTFLOW_TICK_MINUTES="9",
        EVENTFLOW_JWT_SECRET="s3cr3t-and-short",
        EVENTFLOW_STATEMENT_TIMEOUT="30",
        EVENTFLOW_START_DAET="2020-01-01",
    )
    assert (code, err) == (1, "")
    assert "s3cr3t" not in out
    found = {each["name"]: each for each in json.loads(out)["checks"]}
    assert "EVENTFLOW_TICK_MINUTES is '9'" in found["values"]["found"]
    assert "EVENTFLOW_JWT_SECRET is a secret that cannot be used" in found["values"]["found"]
    assert (found["names"]["state"], found["timeouts"]["state"]) == ("warn", "warn")
    assert "EVENTFLOW_START_DAET (nearest: EVENTFLOW_START_DATE)" in found["names"]["found"]
    assert found["database"]["found"].startswith("no connection to postgresql://who@127.0.0.1:1/nowhere")
    assert found["installed"]["found"].startswith(f"eventflow-stats {__version__}, Python ")
    assert "EVENTFLOW_TICK_MINUTES is '9'" in found["code location"]["found"]
    for name in ("values", "read API tokens", "database", "everything", "code location", "storage", "daemon"):
        assert found[name]["state"] == "fail", name


def test_an_embedded_server_without_data_is_not_started(call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "eventflow"
    code, out, err = call("doctor", EVENTFLOW_DATA_DIR=str(folder))
    assert (code, err) == (1, "")
    assert f"the embedded server has no data in {folder}/postgres yet" in out
    assert "could not be checked: there is no usable connection" in out
    assert not folder.exists()
