"""/metrics over HTTP: requests are counted, and the gauges equal the ledger."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.status.day_summary import open_discrepancies
from eventflow_stats.engine.status.freshness import read_freshness
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats_tests.api.metrics_reading import get_summary, requests, scraped, value
from eventflow_stats_tests.api.serving import bearer, serving, settings_for
from eventflow_stats_tests.api.shop import COMPUTED, DAY, MISSING, Shop
from eventflow_stats_tests.engine.postgres.inspecting import run
from eventflow_stats_tests.facts import Visit

SUMMARY = "/api/clients/{client_id}/campaigns/summary"
LINK_STATS = "/api/clients/{client_id}/campaigns/links/{link_id}/stats"


def test_requests_are_counted_by_route_template_method_and_status(http: httpx.Client, shop: Shop) -> None:
    stranger = uuid4()
    for _ in range(3):
        assert get_summary(http, shop).status_code == 200
    tag = get_summary(http, shop).headers["etag"]
    assert get_summary(http, shop, tag=tag).status_code == 304
    assert get_summary(http, shop, MISSING).json()["_source"] == "raw"
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


def test_no_label_contains_a_client_a_person_or_a_path(http: httpx.Client, shop: Shop) -> None:
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

    # The server closes the connection after an unexpected error.
    with httpx.Client(base_url=http.base_url) as another:
        assert requests(scraped(another)) == {(SUMMARY, "GET", "500"): 1}


def test_an_overview_without_numbers_is_not_counted_as_an_answer(http: httpx.Client, shop: Shop) -> None:
    days = {"from": str(DAY), "to": str(DAY)}
    path = f"/api/clients/{shop.ours}/statistics/overview"
    for answers, marketing in ((1, True), (1, False)):
        if not marketing:
            run(shop.database, "REVOKE SELECT ON marketing_stats_daily FROM eventflow_stats_reader")
        answer = http.get(path, params=days, headers=bearer(shop.member))

        assert (answer.status_code, answer.json()["marketing"] is not None) == (200, marketing)
        assert value(scraped(http), "eventflow_answers_total", source="aggregated") == answers


def test_two_applications_in_one_process_count_separately(http: httpx.Client, shop: Shop) -> None:
    get_summary(http, shop)
    with serving(settings_for(shop.database)) as url, httpx.Client(base_url=url) as other:
        assert requests(scraped(other)) == {}
        assert value(scraped(other), "eventflow_answers_total", source="aggregated") == 0
    assert requests(scraped(http)) == {(SUMMARY, "GET", "200"): 1}


def test_the_metrics_are_uncached_plain_text_and_need_no_token(http: httpx.Client) -> None:
    answer = http.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert answer.headers["cache-control"] == "no-store"
    # On Linux there are metrics of the process too.
    assert value(scraped(http), "process_resident_memory_bytes") is not None


def reported_as_the_ledger_has_it(http: httpx.Client, database: Database) -> tuple[float, float]:
    """Stale client-days and open discrepancies in /metrics and /healthz, which must equal the ledger."""
    samples, health = scraped(http), http.get("/healthz").json()
    progress = read_freshness(database, datetime.now(UTC).date())
    assert progress.age is not None
    assert progress.drift_age is not None
    assert progress.fresh_through is not None
    wrong = sum(open_discrepancies(database).values())
    for message in (value(samples, "eventflow_stale_client_days"), health["stale_client_days"]):
        assert message == progress.stale_client_days
    for message in (value(samples, "eventflow_open_discrepancies"), health["open_discrepancies"]):
        assert message == wrong
    assert datetime.fromisoformat(health["fresh_through"]) == progress.fresh_through
    # Both ages grow with time, so the value reported earlier is slightly smaller.
    for age, message in (
        (progress.age, value(samples, "eventflow_freshness_seconds")),
        (progress.age, health["age_seconds"]),
        (progress.drift_age, value(samples, "eventflow_oldest_verification_age_seconds")),
        (progress.drift_age, health["oldest_verification_age_seconds"]),
    ):
        assert message is not None
        assert age - timedelta(minutes=5) < timedelta(seconds=message) <= age
    assert value(samples, "eventflow_rollup_up") == 1
    return progress.stale_client_days, wrong


def test_the_gauges_equal_the_ledger_with_stale_client_days_and_a_wrong_number(
    http: httpx.Client, healthy: Shop
) -> None:
    database, connection = healthy.database, healthy.connection
    assert reported_as_the_ledger_has_it(http, database) == (0, 0)

    late = datetime(DAY.year, DAY.month, DAY.day, 13, tzinfo=UTC)
    healthy.product.add(Visit(at=late, ingested_at=datetime.now(UTC), campaign_id=healthy.campaign))
    detect(database)
    assert reported_as_the_ledger_has_it(http, database) == (1, 0)

    connection.execute(
        "UPDATE marketing_stats_daily SET visits = visits + 1 WHERE bucket_date = %s AND client_id = %s",
        [COMPUTED[0], healthy.ours],
    )
    list(verify(database, [COMPUTED[0]]))
    stale, wrong = reported_as_the_ledger_has_it(http, database)
    assert (stale, wrong > 1) == (1, True)

    connection.execute("UPDATE eventflow_stats.progress SET detected_at = detected_at - interval '4 h'")
    connection.execute("UPDATE eventflow_stats.days SET whole_verified_at = whole_verified_at - interval '7 h'")
    reported_as_the_ledger_has_it(http, database)


def test_the_documentation_has_both_routes(http: httpx.Client) -> None:
    schema = http.get("/openapi.json").json()

    health = schema["paths"]["/healthz"]
    assert list(health) == ["get"]
    answers = {status: message["content"] for status, message in health["get"]["responses"].items()}
    assert answers == {
        "200": {"application/json": {"schema": {"$ref": "#/components/schemas/Health"}}},
        "503": {"application/json": {"schema": {"$ref": "#/components/schemas/Unhealthy"}}},
    }
    assert schema["components"]["schemas"]["Unhealthy"]["properties"]["status"]["enum"] == [
        "stale",
        "held",
        "wrong",
        "unverifiable",
        "read_only",
        "unavailable",
    ]
    assert list(schema["paths"]["/metrics"]["get"]["responses"]["200"]["content"]) == ["text/plain"]
