"""PostgreSQL's log has no entry for a refusal of the read API, and never the user."""

import tempfile
from pathlib import Path

import httpx

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import migrate
from eventflow_stats.local.product_tables import create_product_tables
from eventflow_stats.local.server import embedded_server
from eventflow_stats.settings import Settings
from eventflow_stats_tests.api.attacks import routes
from eventflow_stats_tests.api.serving import bearer, serving, settings_for
from eventflow_stats_tests.api.shop import Shop
from eventflow_stats_tests.facts import connect
from eventflow_stats_tests.running import wait_until


def test_refusals_are_not_logged_and_a_failed_statement_logs_no_user() -> None:
    with tempfile.TemporaryDirectory(prefix="pg_") as folder, embedded_server(Path(folder)) as url:
        database = Database(url, Settings())
        create_product_tables(database)
        migrate(database)
        with connect(database) as connection:
            shop = Shop(database, connection)

        def log() -> str:
            files = [path for path in (Path(folder) / "postgres" / "logs").glob("*.log") if path.is_file()]
            return "".join(path.read_text() for path in files)

        ids = {"client_id": shop.ours, "link_id": shop.link}
        before = log()
        with serving(settings_for(database)) as base, httpx.Client(base_url=base, timeout=30) as http:
            of_clients = [route for route in routes(http) if route.of_a_client]
            for route in of_clients:
                assert http.get(route.url(ids), headers=bearer(shop.stranger)).status_code == 404
                if ("query", "from") in route.parameters:
                    for days in ({"from": "2026-03-02", "to": "2026-03-01"}, {"from": "2020-01-01"}):
                        answer = http.get(route.url(ids), params=days, headers=bearer(shop.member))
                        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
        assert log() == before

        with serving(settings_for(database, api_timeout=0.001)) as base:
            path = of_clients[0].url(ids)
            wait_until(lambda: httpx.get(base + path, headers=bearer(shop.member)).status_code == 503, 60, "no answer")
            # The server's own process writes the file.
            wait_until(lambda: "statement timeout" in log(), 10, "the timeout in the log")
        assert str(shop.member) not in log()
