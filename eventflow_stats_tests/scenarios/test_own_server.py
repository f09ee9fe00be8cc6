"""The main job on an operator's own PostgreSQL 15, over TCP, with a password."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from eventflow_stats_tests.debian_postgres import debian_server

COMMAND = Path(sys.executable).with_name("eventflow-stats")

pytestmark = pytest.mark.debian_postgres


@pytest.fixture
def own_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with debian_server() as url:
        monkeypatch.setenv("EVENTFLOW_DATABASE_URL", url)
        yield url


def eventflow_stats(*words: str) -> Any:
    done = subprocess.run([COMMAND, *words, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_main_job_runs_on_postgresql_15(own_server: str, tmp_path: Path) -> None:
    answer = eventflow_stats("demo")

    assert answer["ok"]
    assert answer["wrong_groups"] == 0
    with psycopg.connect(own_server) as connection:
        assert connection.info.server_version // 10000 == 15
        (visits,) = connection.execute("SELECT sum(visits) FROM marketing_stats_daily").fetchone() or (None,)
        assert visits == sum(row["visits"] for row in answer["totals"] if row["part"] == "day")
        databases = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
    assert "dagster" in databases
    assert not (tmp_path / "eventflow" / "postgres").exists(), "the embedded server must not start"


def test_an_empty_database_gets_product_tables_only_with_the_option(own_server: str) -> None:
    refused = subprocess.run([COMMAND, "migrate"], capture_output=True, text=True, check=False)

    assert refused.returncode == 3
    assert "lacks EventFlow's product tables" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert eventflow_stats("migrate", "--with-product-tables")["applied"]
    assert eventflow_stats("migrate")["applied"] == []
