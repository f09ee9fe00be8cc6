"""Session settings of a database or a login change no number, result or answer."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from psycopg import sql

from eventflow_stats.engine.doctor.database import check_database
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import migrate
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.status.health import find_problems, read_status
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import Refused
from eventflow_stats.local.product_tables import create_product_tables
from eventflow_stats.settings import Settings
from eventflow_stats_tests.api.serving import bearer, serving, settings_for
from eventflow_stats_tests.api.shop import COMPUTED, DAY, MISSING
from eventflow_stats_tests.conftest import Cluster, name_of
from eventflow_stats_tests.facts import Entry, Product, Visit, connect
from eventflow_stats_tests.running import wait_until
from eventflow_stats_tests.session_settings import SESSION_SETTINGS

pytestmark = pytest.mark.environment

MEMBER = uuid4()
Set = dict[str, str]


@pytest.fixture(scope="module")
def facts(cluster: Cluster) -> Iterator[str]:
    """The URL of a database with the product's tables and facts, not migrated."""
    url = cluster.create()
    database = Database(url, Settings())
    create_product_tables(database)
    with connect(database) as connection:
        product = Product(connection)
        client = product.client("ours")
        campaign = product.campaign(client)
        link = product.link(campaign, "OURLINKA").id
        for day in (MISSING, *COMPUTED):
            at = datetime(day.year, day.month, day.day, 21, 30, tzinfo=UTC)
            product.add(
                Visit(at=at, campaign_id=campaign, session_id="ä", utm_source="카카오", utm_medium=r"back\slash"),
                Visit(at=at, campaign_id=campaign, session_id="2", cid="\tourlinka "),
                Entry(at=at, campaign_id=campaign, link_id=link),
            )
        connection.execute(
            "INSERT INTO client_members (client_id, user_id, role) VALUES (%s, %s, 'member')", [client, MEMBER]
        )
    yield url
    cluster.drop(url)


@pytest.fixture
def peculiar(cluster: Cluster, facts: str) -> Iterator[Database]:
    """A copy of that database with its own login."""
    url = cluster.create(name_of(facts))
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        connection.execute("CREATE ROLE peculiar LOGIN SUPERUSER")
        database = Database(url, Settings())
        yield Database(database.url.set(username="peculiar").render_as_string(hide_password=False), Settings())
        cluster.drop(url)
        connection.execute("DROP OWNED BY peculiar CASCADE")
        connection.execute("DROP ROLE peculiar")


@pytest.fixture(scope="module")
def usual(cluster: Cluster, facts: str) -> dict[str, Any]:
    """The result for these facts without special settings."""
    url = cluster.create(name_of(facts))
    result = everything(Database(url, Settings()))
    cluster.drop(url)
    assert result["doctor"] == set()
    assert result["summary"][0] == 200
    return result


def change(cluster: Cluster, database: Database, settings: Set, *targets: str) -> None:
    names = {"DATABASE": database.url.database, "ROLE": database.url.username}
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        for target in targets:
            for name, value in settings.items():
                statement = sql.SQL("ALTER {} {} SET {} = {}").format(
                    sql.SQL(target), sql.Identifier(str(names[target])), sql.Identifier(name), sql.Literal(value)
                )
                # An older server may not have all of these settings.
                with suppress(psycopg.errors.UndefinedObject):
                    connection.execute(statement)


def everything(database: Database) -> dict[str, Any]:
    """The result of a deployment for these facts, from the first migration on: rows, results, problems, an answer."""
    migrate(database)
    days = [MISSING, *COMPUTED]
    rebuilt = [(day.day, day.totals) for day in rebuild(database, days)]
    verified = [(day.day, day.result, day.totals) for day in verify(database, days)]
    found = check_database(database, {})
    with serving(settings_for(database)) as url, httpx.Client(base_url=url, timeout=60) as http:
        summary = _summary(http, database)
        health = http.get("/healthz").json()["status"]
    return {
        "rebuilt": rebuilt,
        "verified": verified,
        "wrong": [each.kind for each in find_problems(read_status(database))],
        "doctor": {f"{each.area}: {each.name}: {each.found}" for each in found if each.state == "fail"},
        "summary": summary,
        "health": health,
    }


def _summary(http: httpx.Client, database: Database) -> tuple[int, dict[str, Any]]:
    with database.session() as connection:
        client = connection.exec_driver_sql("SELECT client_id FROM eventflow_stats.client_names").scalar_one()
    asked = {"from": str(MISSING), "to": str(DAY)}
    answer = http.get(f"/api/clients/{client}/campaigns/summary", params=asked, headers=bearer(MEMBER))
    return answer.status_code, {key: value for key, value in answer.json().items() if not key.startswith("_")}


@pytest.mark.parametrize("name", SESSION_SETTINGS)
def test_no_setting_of_a_database_and_its_login_changes_anything(
    cluster: Cluster, peculiar: Database, usual: dict[str, Any], name: str
) -> None:
    change(cluster, peculiar, {name: SESSION_SETTINGS[name]}, "DATABASE", "ROLE")

    assert everything(peculiar) == usual


@pytest.mark.parametrize("target", ["DATABASE", "ROLE"])
def test_all_of_them_together_change_nothing(
    cluster: Cluster, peculiar: Database, usual: dict[str, Any], target: str
) -> None:
    change(cluster, peculiar, SESSION_SETTINGS, target)

    assert everything(peculiar) == usual


def test_connections_closed_while_idle_are_replaced_before_the_next_request(
    cluster: Cluster, peculiar: Database, usual: dict[str, Any]
) -> None:
    everything(peculiar)
    counted = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'peculiar' AND application_name ~ 'api$'"
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'peculiar'"
    with (
        serving(settings_for(peculiar)) as url,
        httpx.Client(base_url=url, timeout=60) as http,
        psycopg.connect(cluster.url, autocommit=True) as watching,
    ):
        for _ in range(3):
            assert _summary(http, peculiar) == usual["summary"]
            watching.execute(ended)
            wait_until(lambda: watching.execute(counted).fetchone() == (0,), 60, "the connections to end")


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "EUC_KR", "LATIN1"])
def test_a_database_whose_encoding_cannot_hold_the_facts_is_refused_before_anything_is_created(
    cluster: Cluster, encoding: str
) -> None:
    url = cluster.create()
    cluster.drop(url)
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} LOCALE 'C'").format(
                sql.Identifier(name_of(url)), sql.Literal(encoding)
            )
        )
    database = Database(url, Settings())
    try:
        for work in (migrate, create_product_tables):
            with pytest.raises(Refused, match=f"is {encoding}, which cannot store every fact; UTF8 is needed"):
                work(database)
        failed = [each for each in check_database(database, {}) if each.state == "fail" and each.remedy]
        assert [(each.name, encoding in each.found) for each in failed] == [("encoding", True)]
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT count(*) FROM pg_class WHERE oid >= 16384").fetchone() == (0,)
    finally:
        cluster.drop(url)
