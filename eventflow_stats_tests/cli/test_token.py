"""`eventflow-stats token`: a development token that only the read API of a local database accepts."""

import json
import signal
import stat
from pathlib import Path

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.local.server import embedded_server
from eventflow_stats_tests.api.serving import SECRET, serving, settings_for
from eventflow_stats_tests.cli.command import eventflow, one_line, started
from eventflow_stats_tests.cli.conftest import Call
from eventflow_stats_tests.facts import Product, connect
from eventflow_stats_tests.running import free_port


@pytest.fixture
def clients(database: Database) -> tuple[str, str]:
    with connect(database) as connection:
        product = Product(connection)
        return str(product.client("ours")), str(product.client("theirs"))


def test_a_token_reads_its_client_and_no_other(
    call: Call, own: dict[str, str], database: Database, clients: tuple[str, str]
) -> None:
    ours, theirs = clients
    message = [call("token", "--client", ours, **own, EVENTFLOW_JWT_SECRET=SECRET) for _ in range(2)]
    assert [code for code, _, _ in message] == [0, 0]
    assert all(f"/api/clients/{ours}/campaigns/summary" in err for _, _, err in message)
    code, out, err = call("token", "--client", ours, "--json", **own, EVENTFLOW_JWT_SECRET=SECRET)
    assert (code, json.loads(out)["client_id"], err) == (0, ours, "")

    with serving(settings_for(database)) as url, httpx.Client(base_url=url) as http:
        for _, out, _ in message:
            header = {"Authorization": f"Bearer {out.strip()}"}
            found = [http.get(f"/api/clients/{client}/campaigns/summary", headers=header) for client in (ours, theirs)]
            assert [answer.status_code for answer in found] == [200, 404]
        other_secret = settings_for(database, jwt_secret=SecretStr(SECRET[::-1]))
        with serving(other_secret) as other, httpx.Client(base_url=other) as stranger:
            assert stranger.get(f"/api/clients/{ours}/campaigns/summary", headers=header).status_code == 401


def test_an_unknown_client_and_a_missing_secret_are_reported(
    call: Call, own: dict[str, str], database: Database, clients: tuple[str, str]
) -> None:
    code, _, err = call("token", "--client", "nobody", **own, EVENTFLOW_JWT_SECRET=SECRET)
    assert (code, "client 'nobody' is unknown" in one_line(err)) == (2, True)
    code, _, err = call("token", "--client", clients[0], **own)
    assert (code, "setting EVENTFLOW_JWT_SECRET is missing" in one_line(err)) == (3, True)
    keys = "http://localhost/keys"
    code, out, err = call("token", "--client", clients[0], **own, EVENTFLOW_JWKS_URL=keys)
    assert (code, out, "EVENTFLOW_JWKS_URL is set and EVENTFLOW_JWT_SECRET is not" in one_line(err)) == (3, "", True)
    code, _, err = call("token", "--client", clients[0], **own, EVENTFLOW_JWT_SECRET="too short")
    assert (code, one_line(err)) == (
        3,
        "eventflow-stats: setting EVENTFLOW_JWT_SECRET is a secret that cannot be used: "
        "should have 32 characters or more, random ones",
    )
    assert members(own) == 0
    assert call("token", "--client", clients[0], **own, EVENTFLOW_JWKS_URL=keys, EVENTFLOW_JWT_SECRET=SECRET)[0] == 0


def test_a_database_of_the_products_own_gets_no_token_and_no_member(
    call: Call, own: dict[str, str], database: Database, clients: tuple[str, str]
) -> None:
    with connect(database) as connection:
        connection.execute("COMMENT ON SCHEMA auth IS NULL")
    code, _, err = call("token", "--client", clients[0], **own, EVENTFLOW_JWT_SECRET=SECRET)
    assert (code, "this database's members are EventFlow's own" in one_line(err)) == (3, True)
    assert members(own) == 0


@pytest.mark.slow
def test_the_embedded_deployment_has_a_secret_of_its_own_that_up_serves_with(tmp_path: Path) -> None:
    assert eventflow(tmp_path, "sample", "--visits", "500", "--clients", "1", "--days", "1").returncode == 0
    token = eventflow(tmp_path, "token", "--client", "sample-1-1", "--minutes", "5")
    assert token.returncode == 0, token.stderr
    assert stat.S_IMODE((tmp_path / "data" / "jwt_secret").stat().st_mode) == 0o600

    up = started(tmp_path, "up", "--port", str(free_port()))
    assert up.stdout is not None
    line = next(line for line in up.stdout if "Read API: " in line)
    api = line.split("Read API: ")[1].split("/docs")[0]
    header = {"Authorization": f"Bearer {token.stdout.strip()}"}
    (client,) = rows(tmp_path, "SELECT id FROM clients")
    answer = httpx.get(f"{api}/api/clients/{client}/statistics/overview", headers=header)
    up.send_signal(signal.SIGINT)
    up.communicate(timeout=120)
    assert (answer.status_code, answer.json()["client_id"]) == (200, client)


def members(own: dict[str, str]) -> int:
    with psycopg.connect(own["EVENTFLOW_DATABASE_URL"]) as connection:
        (count,) = connection.execute("SELECT count(*) FROM client_members").fetchone() or (0,)
        return int(count)


def rows(folder: Path, statement: str) -> list[str]:
    """The first column of a statement's rows on the embedded server of a folder."""
    with embedded_server(folder / "data") as url, psycopg.connect(url) as connection:
        return [str(row[0]) for row in connection.execute(statement.encode()).fetchall()]
