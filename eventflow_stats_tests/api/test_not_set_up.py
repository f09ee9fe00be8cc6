"""A service that is not set up: refused at the start, or 503 with instructions in the log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import httpx
import psycopg
import pytest

from eventflow_stats import api
from eventflow_stats.api.application import create_app
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import migrate
from eventflow_stats.errors import REFUSED, Refused
from eventflow_stats_tests.api.serving import bearer, serving, settings_for
from eventflow_stats_tests.api.shop import COMPUTED, MISSING, Shop
from eventflow_stats_tests.facts import connect

LOGIN = "only_logs_in"


def asked(url: str, shop_client: object, user: object) -> httpx.Response:
    return httpx.get(f"{url}/api/clients/{shop_client}/campaigns/summary", headers=bearer(str(user)))


def test_the_login_of_the_api_does_not_replace_the_database_url(shop: Shop) -> None:
    url = settings_for(shop.database).database_url
    with pytest.raises(Refused, match="setting EVENTFLOW_DATABASE_URL is missing"):
        create_app(settings_for(shop.database, database_url=None, api_database_url=url))


def test_a_login_with_few_rights_reads_with_the_callers_rights_only(shop: Shop) -> None:
    with (
        low_login(shop.database, f"GRANT authenticated TO {LOGIN}") as url,
        serving(settings_for(shop.database, api_database_url=url)) as base,
    ):
        assert asked(base, shop.ours, shop.member).status_code == 200
        assert asked(base, shop.ours, shop.stranger).status_code == 404


def test_a_login_without_role_authenticated_is_reported_in_the_log(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        low_login(shop.database) as url,
        serving(settings_for(shop.database, api_database_url=url)) as base,
        caplog.at_level(logging.ERROR, "eventflow_stats.api"),
    ):
        answer = asked(base, shop.ours, shop.member)

    assert (answer.status_code, answer.json()["detail"]) == (503, "the read API is not set up; its log says what to do")
    assert answer.headers["retry-after"] == "60"
    assert "grant role authenticated to the login of EVENTFLOW_API_DATABASE_URL" in caplog.text


def test_a_database_without_migrations_is_reported_in_the_log(
    product_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(settings_for(product_database)) as base, caplog.at_level(logging.ERROR, "eventflow_stats.api"):
        answer = asked(base, uuid4(), uuid4())

    assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
    assert "run `eventflow-stats migrate`" in caplog.text


def test_functions_revoked_from_public_are_granted_to_the_roles_that_need_them(
    product_database: Database,
) -> None:
    with connect(product_database) as connection:
        connection.execute("ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC")
        migrate(product_database)
        shop = Shop(product_database, connection)
        with serving(settings_for(product_database)) as base:
            for first, source in ((COMPUTED[0], "aggregated"), (MISSING, "raw")):
                days = {"from": str(first), "to": str(COMPUTED[-1])}
                path = f"{base}/api/clients/{shop.ours}/campaigns/summary"
                answer = httpx.get(path, params=days, headers=bearer(shop.member))
                assert (answer.status_code, answer.json().get("_source")) == (200, source)


def test_days_of_another_time_zone_are_not_served(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = settings_for(database, bucket_timezone="Asia/Seoul")
    monkeypatch.setenv("EVENTFLOW_DATABASE_URL", str(elsewhere.database_url))
    monkeypatch.setenv("EVENTFLOW_BUCKET_TIMEZONE", "Asia/Seoul")
    with pytest.raises(SystemExit) as ended:
        api.app  # noqa: B018

    line = "EVENTFLOW_BUCKET_TIMEZONE is 'Asia/Seoul', but this database was migrated with 'UTC'"
    assert ended.value.code == REFUSED
    assert line in capsys.readouterr().err
    # The database was away at the start.
    with serving(elsewhere) as base:
        assert line in httpx.get(f"{base}/healthz").json()["detail"]


@contextmanager
def low_login(database: Database, *grants: str) -> Iterator[str]:
    """Create a login without inheritance for the context and yield its URL."""
    with connect(database) as connection:
        drop(connection)
        connection.execute(f"CREATE ROLE {LOGIN} LOGIN NOINHERIT".encode())
        for grant in grants:
            connection.execute(grant.encode())
        url = database.url.set(drivername="postgresql", username=LOGIN)
        yield url.render_as_string(hide_password=False)
        drop(connection)


def drop(connection: "psycopg.Connection[tuple[object, ...]]") -> None:
    connection.execute(f"DROP ROLE IF EXISTS {LOGIN}".encode())
