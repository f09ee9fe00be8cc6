"""A read-only database or server is reported once an hour, with a remedy that works."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date

import psycopg
import pytest
from psycopg import sql

from eventflow_stats.api.monitoring_routes import health_of
from eventflow_stats.engine.alerts import sent_alerts
from eventflow_stats.engine.alerts.delivery import raise_alert
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.read_only import read_only_cause
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.status.health import find_problems, read_status
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import ReadOnly
from eventflow_stats.settings import Settings
from eventflow_stats_tests.conftest import Cluster

pytestmark = pytest.mark.environment

DAY = date(2026, 3, 4)
SETTING = "default_transaction_read_only"


def url_of(database: Database) -> str:
    return database.url.set(drivername="postgresql").render_as_string(hide_password=False)


def run(url: str, statements: str) -> None:
    """Run the statements one by one, as an operator does in psql."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements.split("; "):
            connection.execute(statement.encode())


@pytest.fixture(params=["database", "role", "role in the database"])
def read_only(request: pytest.FixtureRequest, cluster: Cluster, database: Database) -> Iterator[Database]:
    name = sql.Identifier(str(database.url.database))
    statement = {
        "database": sql.SQL("ALTER DATABASE {name} SET {setting} = on"),
        "role": sql.SQL("ALTER ROLE frozen SET {setting} = on"),
        "role in the database": sql.SQL("ALTER ROLE frozen IN DATABASE {name} SET {setting} = on"),
    }[request.param].format(name=name, setting=sql.Identifier(SETTING))
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        connection.execute("CREATE ROLE frozen LOGIN SUPERUSER")
        connection.execute(statement)
        yield Database(database.url.set(username="frozen").render_as_string(hide_password=False), database.settings)
        connection.execute("DROP ROLE frozen")


def test_all_work_is_refused_as_read_only_until_the_remedy_of_status_is_applied(read_only: Database) -> None:
    for work in (
        lambda: list(rebuild(read_only, [DAY])),
        lambda: list(verify(read_only, [DAY])),
        lambda: detect(read_only),
    ):
        with pytest.raises(ReadOnly, match=r"is read-only: cannot execute .* in a read-only transaction"):
            work()
    status = read_status(read_only)
    (problem,) = [each for each in find_problems(status) if each.kind == "read_only"]
    assert problem.what.startswith("read-only: default_transaction_read_only is on for ")
    health = health_of(status)
    assert (health.status, "read-only" in getattr(health, "detail", "")) == ("read_only", True)

    run(url_of(read_only), problem.remedy)

    assert read_only_cause(read_only) is None
    list(rebuild(read_only, [DAY]))


RAISE_ALERTS = """
import sys
from eventflow_stats.engine.alerts.delivery import raise_alert
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.settings import load_settings
settings = load_settings()
database = Database(settings.database_url, settings)
for key in sys.argv[1:]:
    raise_alert(database, key, f"{key} went wrong")
"""


@pytest.mark.parametrize("read_only", ["database"], indirect=True)
def test_all_failures_in_a_read_only_database_are_one_alert_an_hour_for_all_processes(read_only: Database) -> None:
    given = {**os.environ, "EVENTFLOW_DATABASE_URL": url_of(read_only)}
    printed = []
    for keys in (["tick failed", "run failed"], ["run failed", "sensor failed"], ["tick failed"]):
        done = subprocess.run(
            [sys.executable, "-c", RAISE_ALERTS, *keys], env=given, capture_output=True, text=True, check=True
        )
        printed += [json.loads(line) for line in done.stdout.splitlines()]

    (alert,) = printed
    assert (alert["alert"], alert["of"]) == ("read_only", "tick failed")
    assert "is read-only" in alert["text"]
    assert alert["text"].endswith("noticed by: tick failed went wrong")


def test_an_unreadable_memory_of_sent_alerts_suppresses_no_alert(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sent_alerts._sent.clear()
    away = Database("postgresql://me@127.0.0.1:1/eventflow", Settings())
    away.settings.data_dir.mkdir(parents=True)
    (away.settings.data_dir / "alerts.json").write_text('{"disk": ')

    assert raise_alert(away, "disk", "full")
    assert json.loads(capsys.readouterr().out)["alert"] == "disk"
