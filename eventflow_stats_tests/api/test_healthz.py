"""/healthz over HTTP: healthy means that the numbers of the rollup can be trusted."""

import httpx
import pytest

from eventflow_stats.api import database_status as watching
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats_tests.api.metrics_reading import LEDGER, requests, scraped, until, value
from eventflow_stats_tests.api.serving import serving, settings_for
from eventflow_stats_tests.api.shop import COMPUTED, DAY, MISSING, Shop
from eventflow_stats_tests.engine.postgres.inspecting import run


def test_a_rollup_that_can_be_trusted_is_healthy(http: httpx.Client, healthy: Shop) -> None:
    answer = http.get("/healthz")

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    message = answer.json()
    assert list(message) == [
        "status",
        "fresh_through",
        "age_seconds",
        "stale_client_days",
        "open_discrepancies",
        "oldest_verification_age_seconds",
        "held_days",
        "sealed_days",
        "unswept_changes",
    ]
    assert message["unswept_changes"] is None
    assert (message["status"], message["stale_client_days"], message["open_discrepancies"]) == ("ok", 0, 0)
    head = http.head("/healthz")
    assert (head.status_code, head.content) == (200, b"")


def unhealthy(http: httpx.Client) -> tuple[str, str]:
    """Status and detail of a 503."""
    answer = http.get("/healthz")
    assert (answer.status_code, http.head("/healthz").status_code) == (503, 503)
    message = answer.json()
    assert "\n" not in message["detail"]
    return message["status"], message["detail"]


def test_a_rollup_without_any_detection_is_stale(http: httpx.Client, shop: Shop) -> None:
    assert unhealthy(http) == (
        "stale",
        "detection never ran (the schedule every_five_minutes never ran: eventflow-stats up)",
    )
    assert value(scraped(http), "eventflow_freshness_seconds") is None


@pytest.mark.parametrize("ticked", [True, False])
def test_a_rollup_is_stale_after_thirty_minutes_without_detection(
    http: httpx.Client, healthy: Shop, ticked: bool
) -> None:
    if ticked:
        healthy.connection.execute("UPDATE eventflow_stats.progress SET ticked_at = now()")
    back = "UPDATE eventflow_stats.progress SET detected_at = now() - %s::interval"
    healthy.connection.execute(back, ["29 minutes"])
    assert http.get("/healthz").json()["status"] == "ok"

    healthy.connection.execute(back, ["30 minutes"])
    status, detail = unhealthy(http)
    assert status == "stale"
    assert detail.startswith("no detection for 30 min" if ticked else "facts of the last 30 minutes may be")


def test_a_rollup_is_stale_when_facts_are_missing_for_thirty_minutes(http: httpx.Client, healthy: Shop) -> None:
    healthy.connection.execute("UPDATE eventflow_stats.progress SET ticked_at = now()")
    healthy.connection.execute(
        "UPDATE eventflow_stats.client_days SET stale_since = now() - interval '31 minutes', "
        "stale_from = now() - interval '32 minutes', stale_reason = 'new facts' "
        "WHERE bucket_date = %s AND client_id = %s",
        [DAY, healthy.ours],
    )

    status, detail = unhealthy(http)
    assert (status, detail.startswith("1 client-day stale, for up to 31 minutes (")) == ("stale", True)


def test_changed_rows_are_reported_and_stale_when_the_sweeps_are_late(http: httpx.Client, healthy: Shop) -> None:
    healthy.connection.execute("DELETE FROM event_access_logs WHERE session_id = '3'")
    healthy.connection.execute("SELECT pg_stat_force_next_flush()")
    for is_detected in (False, True):
        if is_detected:
            healthy.detect()
        answer = http.get("/healthz")
        assert (answer.status_code, answer.json()["status"]) == (200, "ok")
        changes = answer.json()["unswept_changes"]
        assert (list(changes), changes["changed_rows"]) == (["changed_rows", "since", "found_by"], 3)
        samples = scraped(http)
        assert value(samples, "eventflow_unswept_changed_rows") == 3
        assert (value(samples, "eventflow_unswept_changes_age_seconds") or 0) > 0
        assert value(samples, "eventflow_unswept_changes_overdue") == 0

    healthy.connection.execute("UPDATE eventflow_stats.unswept_changes SET found_by = now(), changed_rows = NULL")
    status, detail = unhealthy(http)
    message = "an unknown number of rows of the product changed in the last "
    assert (status, detail.startswith(message)) == ("stale", True)
    assert value(scraped(http), "eventflow_unswept_changed_rows") is None
    assert value(scraped(http), "eventflow_unswept_changes_overdue") == 1

    list(verify(healthy.database, [MISSING, *COMPUTED]))
    assert http.get("/healthz").json()["unswept_changes"] is None
    assert value(scraped(http), "eventflow_unswept_changed_rows") == 0


def test_a_day_not_verified_in_time_is_stale(http: httpx.Client, healthy: Shop) -> None:
    healthy.connection.execute("UPDATE eventflow_stats.days SET whole_verified_at = now() - interval '25 h'")

    status, detail = unhealthy(http)
    assert (status, detail.startswith(f"{MISSING} not verified whole for 25.0 hours (")) == ("stale", True)


def test_wrong_is_reported_before_stale(http: httpx.Client, healthy: Shop) -> None:
    healthy.connection.execute(
        "UPDATE marketing_stats_daily SET visits = 7 WHERE bucket_date = %s AND marketing_campaign_link_id = %s",
        [DAY, healthy.link],
    )
    list(verify(healthy.database, [DAY]))
    assert unhealthy(http) == (
        "wrong",
        f"1 wrong group on {DAY} (repair: eventflow-stats backfill --from {DAY} --to {DAY})",
    )

    healthy.connection.execute("UPDATE eventflow_stats.progress SET detected_at = NULL")
    status, detail = unhealthy(http)
    assert (status, "; detection never ran (" in detail) == ("wrong", True)


def test_without_a_database_the_metrics_of_the_process_remain(without_a_database: httpx.Client) -> None:
    assert unhealthy(without_a_database) == (
        "unavailable",
        "the database of the rollup cannot be reached; does it run, is EVENTFLOW_DATABASE_URL right?",
    )
    message = without_a_database.get("/healthz").json()
    assert {message.pop("status"), message.pop("detail")} & {"unavailable"}
    assert set(message.values()) == {None}

    samples = scraped(without_a_database)
    assert value(samples, "eventflow_rollup_up") == 0
    assert not LEDGER & {name for name, _ in samples}
    assert requests(samples) == {("/healthz", "GET", "503"): 2, ("/healthz", "HEAD", "503"): 1}


def test_a_failing_database_is_reported_without_its_messages(http: httpx.Client, healthy: Shop) -> None:
    run(healthy.database, "ALTER TABLE eventflow_stats.days RENAME COLUMN rebuilt_at TO another")
    status, detail = unhealthy(http)
    assert (status, "rebuilt_at" in detail) == ("unavailable", False)

    run(healthy.database, "REVOKE ALL ON eventflow_stats.progress FROM eventflow_stats_engine")
    assert unhealthy(http) == (status, detail)
    assert value(scraped(http), "eventflow_rollup_up") == 0


def test_a_hanging_database_is_reported_and_gets_one_query_at_a_time(
    healthy: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    settings = settings_for(healthy.database, lock_timeout=60)
    with serving(settings) as url, httpx.Client(base_url=url) as http:
        with monkeypatch.context() as patched, healthy.connection.transaction():
            patched.setattr(watching, "WAIT_SECONDS", 0.1)
            healthy.connection.execute("LOCK TABLE eventflow_stats.progress")
            assert unhealthy(http) == (
                "unavailable",
                "the database of the rollup gives no answer within 0.1 s; is it overloaded or stuck?",
            )
            until(lambda: healthy.connection.execute(waiting).fetchone() == (1,))
            for _ in range(5):
                assert unhealthy(http)[0] == "unavailable"
            assert value(scraped(http), "eventflow_rollup_up") == 0
            assert healthy.connection.execute(waiting).fetchone() == (1,)
        until(lambda: http.get("/healthz").status_code == 200)


def test_a_canceled_statement_is_reported(healthy: Shop) -> None:
    settings = settings_for(healthy.database, lock_timeout=0.05)
    with (
        serving(settings) as url,
        httpx.Client(base_url=url) as http,
        healthy.connection.transaction(),
    ):
        healthy.connection.execute("LOCK TABLE eventflow_stats.progress")
        assert unhealthy(http) == (
            "unavailable",
            "the database of the rollup gave up; is it overloaded, or its disk full?",
        )
