"""/metrics and /healthz over HTTP: what was requested is counted, and the ledger is told as it is."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from eventflow_stats.api import counting, watching
from eventflow_stats.engine.answers import RawShare, raw_share
from eventflow_stats.engine.database import Database
from eventflow_stats.engine.detect import detect
from eventflow_stats.engine.ledger import open_discrepancies
from eventflow_stats.engine.prove import prove
from eventflow_stats.engine.rebuild import rebuild
from eventflow_stats.engine.upkeep import upkeep
from eventflow_stats_tests.api.serving import bearer, serving, settings_for
from eventflow_stats_tests.api.shop import COMPUTED, DAY, UNCOVERED, Shop
from eventflow_stats_tests.engine.inspecting import run
from eventflow_stats_tests.facts import Visit

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
SUMMARY = "/api/clients/{client_id}/campaigns/summary"
LINK_STATS = "/api/clients/{client_id}/campaigns/links/{link_id}/stats"
LEDGER = {
    "eventflow_freshness_seconds",
    "eventflow_dirty_scopes",
    "eventflow_oldest_proof_age_seconds",
    "eventflow_open_discrepancies",
}
AWAY = "postgresql://me:pass-word@127.0.0.1:1/eventflow"


def scraped(http: httpx.Client) -> Samples:
    """Every sample of /metrics, as Prometheus' own parser reads it."""
    answer = http.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


def requests(samples: Samples) -> dict[tuple[str, str, str], float]:
    """So many requests by route, method and status, but for /metrics itself."""
    return {
        (found["route"], found["method"], found["status"]): number
        for (name, labels), number in samples.items()
        if name == "eventflow_http_requests_total" and (found := dict(labels))["route"] != "/metrics"
    }


def get_summary(http: httpx.Client, shop: Shop, first: date = COMPUTED[0], tag: str = "") -> httpx.Response:
    return http.get(
        f"/api/clients/{shop.ours}/campaigns/summary",
        params={"from": str(first), "to": str(DAY)},
        headers=bearer(shop.member) | ({"If-None-Match": tag} if tag else {}),
    )


def until(happened: Callable[[], object]) -> None:
    gives_up = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < gives_up
        time.sleep(0.02)


@pytest.fixture
def healthy(shop: Shop) -> Shop:
    """A shop with every day computed and proved, whose facts were looked for just now."""
    list(rebuild(shop.database, [UNCOVERED]))
    list(prove(shop.database, [UNCOVERED]))
    shop.detect()
    return shop


@pytest.fixture
def without_a_database(shop: Shop) -> Iterator[httpx.Client]:
    """Asks an API whose server is not there."""
    settings = settings_for(shop.database, database_url=AWAY)
    with serving(settings) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def test_what_was_requested_is_counted_by_template_method_and_status(http: httpx.Client, shop: Shop) -> None:
    stranger = uuid4()
    for _ in range(3):
        assert get_summary(http, shop).status_code == 200
    tag = get_summary(http, shop).headers["etag"]
    assert get_summary(http, shop, tag=tag).status_code == 304
    assert get_summary(http, shop, UNCOVERED).json()["_source"] == "raw"
    assert http.get(f"/api/clients/{shop.ours}/campaigns/summary").status_code == 401
    assert http.get(f"/api/clients/{stranger}/campaigns/summary", headers=bearer(shop.member)).status_code == 404
    assert http.get("/api/clients/no-id/campaigns/summary", headers=bearer(shop.member)).status_code == 400
    assert http.post(f"/api/clients/{shop.ours}/campaigns/summary").status_code == 405
    their_link = f"/api/clients/{shop.theirs}/campaigns/links/{shop.their_link}/stats"
    assert http.get(their_link, headers=bearer(shop.member)).status_code == 404
    for path in (f"/api/clients/{shop.ours}", "/", "/wp-login.php", "/wp-login.php/2"):
        assert http.get(path).status_code == 404
    assert http.request("PROPFIND", "/files").status_code == 404
    assert http.get("/openapi.json").status_code == 200

    samples = scraped(http)

    assert requests(samples) == {
        (SUMMARY, "GET", "200"): 5,
        (SUMMARY, "GET", "304"): 1,
        (SUMMARY, "GET", "400"): 1,
        (SUMMARY, "GET", "401"): 1,
        (SUMMARY, "GET", "404"): 1,
        (SUMMARY, "POST", "405"): 1,
        (LINK_STATS, "GET", "404"): 1,
        ("unknown", "GET", "404"): 4,
        ("unknown", "unknown", "404"): 1,
        ("/openapi.json", "GET", "200"): 1,
    }
    assert value(samples, "eventflow_answers_total", source="aggregated") == 5
    assert value(samples, "eventflow_answers_total", source="raw") == 1
    timed = "eventflow_http_request_duration_seconds"
    assert value(samples, f"{timed}_count", route=SUMMARY, method="GET") == 9
    assert value(samples, f"{timed}_bucket", route=SUMMARY, method="GET", le="+Inf") == 9
    assert (value(samples, f"{timed}_sum", route=SUMMARY, method="GET") or 0) > 0


def test_no_label_tells_of_a_client_a_person_or_a_path(http: httpx.Client, shop: Shop) -> None:
    get_summary(http, shop)
    http.get(f"/api/clients/{shop.ours}/nothing-here")
    http.get("/api/clients/someone@example.org/campaigns/summary", headers=bearer(shop.member))

    text = http.get("/metrics").text

    for private in (shop.ours, shop.theirs, shop.member, shop.link, "example.org", "nothing-here", "ours"):
        assert str(private) not in text


def test_a_request_that_fails_unexpectedly_is_counted_as_500(http: httpx.Client, shop: Shop) -> None:
    run(
        shop.database,
        """CREATE OR REPLACE FUNCTION public.marketing_version(
            client_id uuid, "from" date DEFAULT NULL, "to" date DEFAULT NULL, link_id uuid DEFAULT NULL
        ) RETURNS text LANGUAGE sql STABLE RETURN (1 / 0)::text""",
    )
    assert get_summary(http, shop).status_code == 500

    # The server closes the connection of a request that failed so.
    with httpx.Client(base_url=http.base_url) as another:
        assert requests(scraped(another)) == {(SUMMARY, "GET", "500"): 1}


def test_a_dashboard_without_its_numbers_is_no_answer_from_the_rollup(http: httpx.Client, shop: Shop) -> None:
    days = {"from": str(DAY), "to": str(DAY)}
    path = f"/api/clients/{shop.ours}/statistics/overview"
    for answers, marketing in ((1, True), (1, False)):
        if not marketing:
            run(shop.database, "REVOKE SELECT ON marketing_stats_daily FROM eventflow_stats_reader")
        answer = http.get(path, params=days, headers=bearer(shop.member))

        assert (answer.status_code, answer.json()["marketing"] is not None) == (200, marketing)
        assert value(scraped(http), "eventflow_answers_total", source="aggregated") == answers


def test_two_applications_in_one_process_count_for_themselves(http: httpx.Client, shop: Shop) -> None:
    get_summary(http, shop)
    with serving(settings_for(shop.database)) as url, httpx.Client(base_url=url) as other:
        assert requests(scraped(other)) == {}
        assert value(scraped(other), "eventflow_answers_total", source="aggregated") == 0
    assert requests(scraped(http)) == {(SUMMARY, "GET", "200"): 1}


def test_the_metrics_are_plain_text_that_nobody_keeps_and_need_no_token(http: httpx.Client) -> None:
    answer = http.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert answer.headers["cache-control"] == "no-store"
    # As it runs on Linux, the process tells of itself as well.
    assert value(scraped(http), "process_resident_memory_bytes") is not None


def told_as_the_ledger_has_it(http: httpx.Client, database: Database) -> tuple[float, float]:
    """Dirty scopes and open discrepancies of /metrics and /healthz, which are those of the ledger."""
    samples, health = scraped(http), http.get("/healthz").json()
    stands = upkeep(database, datetime.now(UTC).date())
    assert stands.age is not None
    assert stands.drift_age is not None
    assert stands.fresh_through is not None
    wrong = sum(open_discrepancies(database).values())
    for told in (value(samples, "eventflow_dirty_scopes"), health["dirty_scopes"]):
        assert told == stands.dirty_scopes
    for told in (value(samples, "eventflow_open_discrepancies"), health["open_discrepancies"]):
        assert told == wrong
    assert datetime.fromisoformat(health["fresh_through"]) == stands.fresh_through
    # Both grow with the clock: what was told before is a little less.
    for age, told in (
        (stands.age, value(samples, "eventflow_freshness_seconds")),
        (stands.age, health["age_seconds"]),
        (stands.drift_age, value(samples, "eventflow_oldest_proof_age_seconds")),
        (stands.drift_age, health["oldest_proof_age_seconds"]),
    ):
        assert told is not None
        assert age - timedelta(minutes=5) < timedelta(seconds=told) <= age
    assert value(samples, "eventflow_rollup_up") == 1
    return stands.dirty_scopes, wrong


def test_the_gauges_are_the_ledgers_before_and_after_dirt_and_a_falsified_number(
    http: httpx.Client, healthy: Shop
) -> None:
    database, connection = healthy.database, healthy.connection
    assert told_as_the_ledger_has_it(http, database) == (0, 0)

    late = datetime(DAY.year, DAY.month, DAY.day, 13, tzinfo=UTC)
    healthy.product.add(Visit(at=late, ingested_at=datetime.now(UTC), campaign_id=healthy.campaign))
    detect(database)
    assert told_as_the_ledger_has_it(http, database) == (1, 0)

    connection.execute(
        "UPDATE marketing_stats_daily SET visits = visits + 1 WHERE bucket_date = %s AND client_id = %s",
        [COMPUTED[0], healthy.ours],
    )
    list(prove(database, [COMPUTED[0]]))
    dirty, wrong = told_as_the_ledger_has_it(http, database)
    assert (dirty, wrong > 1) == (1, True)

    connection.execute("UPDATE eventflow_stats.upkeep SET detected_at = detected_at - interval '4 h'")
    connection.execute("UPDATE eventflow_stats.days SET whole_proved_at = whole_proved_at - interval '7 h'")
    told_as_the_ledger_has_it(http, database)


def test_a_rollup_that_can_be_trusted_is_healthy(http: httpx.Client, healthy: Shop) -> None:
    answer = http.get("/healthz")

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert list(told) == [
        "status",
        "fresh_through",
        "age_seconds",
        "dirty_scopes",
        "open_discrepancies",
        "oldest_proof_age_seconds",
    ]
    assert (told["status"], told["dirty_scopes"], told["open_discrepancies"]) == ("ok", 0, 0)
    head = http.head("/healthz")
    assert (head.status_code, head.content) == (200, b"")


def unhealthy(http: httpx.Client) -> tuple[str, str]:
    """Status and detail of a 503."""
    answer = http.get("/healthz")
    assert (answer.status_code, http.head("/healthz").status_code) == (503, 503)
    told = answer.json()
    assert "\n" not in told["detail"]
    return told["status"], told["detail"]


def test_a_rollup_nobody_ever_looked_for_facts_of_is_stale(http: httpx.Client, shop: Shop) -> None:
    assert unhealthy(http) == (
        "stale",
        "never looked for new facts (the schedule every_five_minutes never ran: eventflow-stats up)",
    )
    assert value(scraped(http), "eventflow_freshness_seconds") is None


@pytest.mark.parametrize("ticked", [True, False])
def test_a_rollup_is_stale_when_facts_were_not_looked_for_in_thirty_minutes(
    http: httpx.Client, healthy: Shop, ticked: bool
) -> None:
    if ticked:
        healthy.connection.execute("UPDATE eventflow_stats.upkeep SET ticked_at = now()")
    back = "UPDATE eventflow_stats.upkeep SET detected_at = now() - %s::interval"
    healthy.connection.execute(back, ["29 minutes"])
    assert http.get("/healthz").json()["status"] == "ok"

    healthy.connection.execute(back, ["30 minutes"])
    status, detail = unhealthy(http)
    assert status == "stale"
    assert detail.startswith("no look for new facts for 30 min" if ticked else "facts of the last 30 minutes may be")


def test_a_rollup_with_facts_not_brought_in_for_thirty_minutes_is_stale(http: httpx.Client, healthy: Shop) -> None:
    healthy.connection.execute("UPDATE eventflow_stats.upkeep SET ticked_at = now()")
    healthy.connection.execute(
        "UPDATE eventflow_stats.scopes SET dirty_since = now() - interval '31 minutes', "
        "dirty_from = now() - interval '32 minutes', dirty_reason = 'new facts' "
        "WHERE bucket_date = %s AND client_id = %s",
        [DAY, healthy.ours],
    )

    status, detail = unhealthy(http)
    assert (status, detail.startswith("1 scope dirty, for up to 31 minutes (")) == ("stale", True)


def test_a_day_not_proved_in_time_is_stale(http: httpx.Client, healthy: Shop) -> None:
    healthy.connection.execute("UPDATE eventflow_stats.days SET whole_proved_at = now() - interval '25 h'")

    status, detail = unhealthy(http)
    assert (status, detail.startswith(f"{UNCOVERED} not proved whole for 25.0 hours (")) == ("stale", True)


def test_a_number_known_to_be_wrong_is_wrong_whatever_else_is_stale(http: httpx.Client, healthy: Shop) -> None:
    healthy.connection.execute(
        "UPDATE marketing_stats_daily SET visits = 7 WHERE bucket_date = %s AND marketing_campaign_link_id = %s",
        [DAY, healthy.link],
    )
    list(prove(healthy.database, [DAY]))
    assert unhealthy(http) == (
        "wrong",
        f"1 wrong group on {DAY} (repair: eventflow-stats backfill --from {DAY} --to {DAY})",
    )

    healthy.connection.execute("UPDATE eventflow_stats.upkeep SET detected_at = NULL")
    status, detail = unhealthy(http)
    assert (status, "; never looked for new facts (" in detail) == ("wrong", True)


def test_with_the_database_away_the_process_still_tells_of_itself(without_a_database: httpx.Client) -> None:
    assert unhealthy(without_a_database) == (
        "unavailable",
        "the database of the rollup cannot be reached; does it run, is EVENTFLOW_DATABASE_URL right?",
    )
    told = without_a_database.get("/healthz").json()
    assert {told.pop("status"), told.pop("detail")} & {"unavailable"}
    assert set(told.values()) == {None}

    samples = scraped(without_a_database)
    assert value(samples, "eventflow_rollup_up") == 0
    assert not LEDGER & {name for name, _ in samples}
    assert requests(samples) == {("/healthz", "GET", "503"): 2, ("/healthz", "HEAD", "503"): 1}


def test_a_database_that_cannot_be_asked_is_told_without_its_own_words(http: httpx.Client, healthy: Shop) -> None:
    run(healthy.database, "ALTER TABLE eventflow_stats.days RENAME COLUMN covered_at TO another")
    status, detail = unhealthy(http)
    assert (status, "covered_at" in detail) == ("unavailable", False)

    run(healthy.database, "REVOKE ALL ON eventflow_stats.upkeep FROM eventflow_stats_engine")
    assert unhealthy(http) == (status, detail)
    assert value(scraped(http), "eventflow_rollup_up") == 0


def test_a_database_that_hangs_is_told_of_and_asked_one_question_at_a_time(
    healthy: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    settings = settings_for(healthy.database, lock_timeout=60)
    with serving(settings) as url, httpx.Client(base_url=url) as http:
        with monkeypatch.context() as patched, healthy.connection.transaction():
            patched.setattr(watching, "PATIENCE_SECONDS", 0.1)
            healthy.connection.execute("LOCK TABLE eventflow_stats.upkeep")
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


def test_a_database_that_gives_up_is_told_of(healthy: Shop) -> None:
    settings = settings_for(healthy.database, lock_timeout=0.05)
    with (
        serving(settings) as url,
        httpx.Client(base_url=url) as http,
        healthy.connection.transaction(),
    ):
        healthy.connection.execute("LOCK TABLE eventflow_stats.upkeep")
        assert unhealthy(http) == (
            "unavailable",
            "the database of the rollup gave up; is it overloaded, or its disk full?",
        )


def counted(database: Database) -> RawShare:
    return raw_share(database, datetime.now(UTC) - timedelta(hours=1))


def test_answers_of_all_processes_are_counted_in_the_database_when_they_end(shop: Shop) -> None:
    settings = settings_for(shop.database)
    with (
        serving(settings) as url,
        serving(settings) as other_url,
        httpx.Client(base_url=url) as http,
        httpx.Client(base_url=other_url) as other,
    ):
        for _ in range(3):
            get_summary(http, shop)
        get_summary(other, shop)
        get_summary(other, shop, UNCOVERED)
        tag = get_summary(other, shop).headers["etag"]
        get_summary(other, shop, tag=tag)
        other.get(f"/api/clients/{shop.ours}/campaigns/summary")

    assert counted(shop.database) == RawShare(answers=7, raw=1)


def answers_by_source(http: httpx.Client) -> Counter[str]:
    samples = scraped(http)
    found = {name: value(samples, "eventflow_answers_total", source=name) for name in ("aggregated", "raw")}
    return Counter({name: int(answers or 0) for name, answers in found.items()})


@pytest.mark.parametrize("route", ["campaigns/summary", "statistics/overview"])
def test_days_still_to_come_make_no_answer_count_as_raw(shop: Shop, route: str) -> None:
    today = datetime.now(UTC).date()
    first_computed, tomorrow, later = (today + timedelta(days=days) for days in (-35, 1, 5))
    list(rebuild(shop.database, [today - timedelta(days=ago) for ago in range(36)]))
    with serving(settings_for(shop.database)) as url, httpx.Client(base_url=url) as http:
        for first, last, source in (
            (first_computed, later, "aggregated"),
            (tomorrow, later, None),
            (first_computed - timedelta(days=1), later, "raw"),
            (None, later, "aggregated"),
        ):
            before = answers_by_source(http)
            days = {"to": str(last)} | ({"from": str(first)} if first else {})
            answer = http.get(f"/api/clients/{shop.ours}/{route}", params=days, headers=bearer(shop.member))
            assert (answer.status_code, answer.json()["_source"]) == (200, "raw")
            more = Counter([source] if source else [])
            assert answers_by_source(http) == before + more


def test_answers_are_counted_while_the_process_runs(
    http: httpx.Client, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "WRITE_SECONDS", 0.05)
    with serving(settings_for(shop.database)) as url, httpx.Client(base_url=url) as quick:
        get_summary(quick, shop)
        until(lambda: counted(shop.database) == RawShare(answers=1, raw=0))
        get_summary(quick, shop, UNCOVERED)
        until(lambda: counted(shop.database) == RawShare(answers=2, raw=1))
    assert counted(shop.database) == RawShare(answers=2, raw=1)


def test_counts_survive_a_failed_write_which_disturbs_no_request(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(counting, "WRITE_SECONDS", 0.05)
    run(shop.database, "REVOKE INSERT ON eventflow_stats.answers FROM eventflow_stats_engine")
    with serving(settings_for(shop.database)) as url, httpx.Client(base_url=url) as http:
        get_summary(http, shop)
        until(lambda: caplog.records)
        for _ in range(4):
            assert get_summary(http, shop).status_code == 200
        run(shop.database, "GRANT INSERT ON eventflow_stats.answers TO eventflow_stats_engine")
        until(lambda: counted(shop.database).answers == 5)
        get_summary(http, shop)

    assert counted(shop.database) == RawShare(answers=6, raw=0)
    (told,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert told.getMessage() == ("answers cannot be counted in the database just now; they are kept for the next time")
    assert told.exc_info is None


def test_the_documentation_has_both_routes(http: httpx.Client) -> None:
    schema = http.get("/openapi.json").json()

    health = schema["paths"]["/healthz"]
    assert list(health) == ["get"]
    answers = {status: told["content"] for status, told in health["get"]["responses"].items()}
    assert answers == {
        "200": {"application/json": {"schema": {"$ref": "#/components/schemas/Health"}}},
        "503": {"application/json": {"schema": {"$ref": "#/components/schemas/Unhealthy"}}},
    }
    assert schema["components"]["schemas"]["Unhealthy"]["properties"]["status"]["enum"] == [
        "stale",
        "wrong",
        "unavailable",
    ]
    assert list(schema["paths"]["/metrics"]["get"]["responses"]["200"]["content"]) == ["text/plain"]
