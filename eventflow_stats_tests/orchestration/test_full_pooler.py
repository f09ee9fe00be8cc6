"""Runs wait for a full pooler, and fail at once with a wrong password."""

import threading
from collections.abc import Iterator

import dagster as dg
import psycopg
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import migrate
from eventflow_stats.errors import Refused, Unreachable
from eventflow_stats.local.product_tables import create_product_tables
from eventflow_stats.local.sample import SampleSize, make_sample
from eventflow_stats.orchestration.runs import retries
from eventflow_stats.settings import Settings
from eventflow_stats_tests.debian_postgres import debian_server
from eventflow_stats_tests.orchestration.runs import LAST, materialized, run
from eventflow_stats_tests.pgbouncer import parts, pgbouncer

pytestmark = [pytest.mark.environment, pytest.mark.pgbouncer]


@pytest.fixture(scope="module")
def sampled() -> Iterator[str]:
    """The URL of a server that lets everybody in, with facts."""
    with debian_server(auth="trust") as url:
        database = Database(url, Settings())
        create_product_tables(database)
        migrate(database)
        make_sample(database, SampleSize(visits=500, clients=2, days=4, until=LAST, seed=7))
        yield url


def refusal(url: str) -> Refused:
    with pytest.raises(Refused) as refused, Database(url, Settings()).session():
        pass
    assert "\n" not in str(refused.value)
    return refused.value


def test_a_run_continues_when_a_full_pooler_has_a_free_place(
    instance: dg.DagsterInstance, sampled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE_SECONDS", 2)
    with pgbouncer(*parts(sampled), max_client_conn=1) as url:
        monkeypatch.setenv("EVENTFLOW_DATABASE_URL", url)
        holder = psycopg.connect(url)
        leaves = threading.Timer(3, holder.close)
        leaves.start()
        result = run(instance)
        leaves.join()

    message = [entry.user_message for entry in instance.all_logs(result.run_id) if "trying again" in entry.user_message]
    assert result.success
    assert message
    assert all("no more connections allowed" in line for line in message)
    assert len(materialized(instance)) == 4


def test_a_full_pooler_is_unreachable_although_no_login_ever_worked(sampled: str) -> None:
    with pgbouncer(*parts(sampled), max_client_conn=1) as url, psycopg.connect(url):
        assert isinstance(refusal(url), Unreachable)


def test_a_pooler_whose_server_is_away_is_unreachable(sampled: str) -> None:
    _, _, user, name = parts(sampled)
    with pgbouncer("127.0.0.1", 1, user, name, client_login_timeout=2) as url:
        for _ in range(2):
            assert isinstance(refusal(url), Unreachable)


def test_a_wrong_password_is_final_unless_it_worked_before() -> None:
    with debian_server() as url:
        wrong = url.replace("p%40ss%2Fword", "wrong")
        assert "password authentication failed" in str(refusal(wrong))
        assert not isinstance(refusal(wrong), Unreachable)
        right = Database(url, Settings())
        with right.login_session():
            pass
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ALTER ROLE owner PASSWORD 'another'")
        assert isinstance(refusal(url), Unreachable)
