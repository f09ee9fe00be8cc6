"""The routes with numbers: answers over HTTP, how long they are valid, and refusals of malformed requests."""

import json
from uuid import UUID, uuid4

import httpx
import pytest

from eventflow_stats_tests.api.serving import bearer, serving, settings_for
from eventflow_stats_tests.api.shop import COMPUTED, DAY, MISSING, Shop
from eventflow_stats_tests.engine.reading.ask import ask, request

RANGE = {"from": str(COMPUTED[0]), "to": str(DAY)}
WITH_RAW = {"from": str(MISSING), "to": str(DAY)}


def path(shop: Shop, function: str) -> str:
    """The path of the route that answers with this SQL function for our client."""
    routes = {
        "summary": "campaigns/summary",
        "links": "campaigns/links",
        "link_stats": f"campaigns/links/{shop.link}/stats",
        "overview": "statistics/overview",
    }
    return f"/api/clients/{shop.ours}/{routes[function]}"


FUNCTIONS = ("summary", "links", "link_stats", "overview")


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("days", [RANGE, WITH_RAW])
def test_an_answer_equals_that_of_the_sql_function(
    http: httpx.Client, shop: Shop, function: str, days: dict[str, str]
) -> None:
    found = http.get(path(shop, function), params=days, headers=bearer(shop.member))

    with request(shop.database, shop.member) as reader:
        expected = ask(reader, function, shop.ours, days["from"], days["to"], link=shop.link)
    answer = found.json()
    for message in (answer, expected):
        message.pop("_metadata", None)
    assert (found.status_code, found.headers["content-type"]) == (200, "application/json")
    assert answer == expected
    assert answer["_source"] == ("raw" if days == WITH_RAW else "aggregated")


@pytest.mark.parametrize("function", ["summary", "links", "link_stats"])
def test_an_answer_is_valid_until_a_client_day_of_it_changes(http: httpx.Client, shop: Shop, function: str) -> None:
    def asked(tag: str = "", by: UUID = shop.member) -> httpx.Response:
        return http.get(
            path(shop, function), params=RANGE, headers=bearer(by) | ({"If-None-Match": tag} if tag else {})
        )

    first = asked()
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"

    again = asked(tag)
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    shop.detect()
    assert asked(f'"x", {tag}').status_code == 304

    assert [asked(held).status_code for held in (tag.removeprefix("W/"), "*")] == [304, 304]

    shop.refresh_with_a_late_fact(DAY)
    changed = asked(tag)
    assert (changed.status_code, changed.headers["etag"] == tag) == (200, False)

    tag = changed.headers["etag"]
    shop.connection.execute("UPDATE campaign_link_meta SET name = 'renamed' WHERE id = %s", [shop.link])
    assert asked(tag).status_code == 200
    # A valid tag gives a stranger nothing.
    assert asked(tag, shop.stranger).status_code == 404


def test_an_answer_from_facts_is_never_cached(http: httpx.Client, shop: Shop) -> None:
    answer = http.get(path(shop, "summary"), params=WITH_RAW, headers=bearer(shop.member))

    assert answer.headers["cache-control"] == "private, no-store"
    assert "etag" not in answer.headers
    assert answer.json()["_coverage"] == {"aggregated_days": 2, "raw_days": 1}
    alone = http.get(
        path(shop, "summary"), params={"from": str(MISSING), "to": str(MISSING)}, headers=bearer(shop.member)
    )
    assert alone.json()["_freshness"] == {
        "computed_through": None,
        "oldest_verification": None,
        "held_days": 0,
        "unswept_changes": None,
        "unverifiable_since": None,
    }


@pytest.mark.parametrize("parameter", ["from", "to"])
@pytest.mark.parametrize(
    "value",
    [
        "2026-02-30",
        "20260301",
        "2026-W05-1",
        "1772323200",
        "today",
        "2026-03-01T00:00",
        "",
        "\u0662\u0660\u0662\u0666-03-01",
    ],
)
def test_a_malformed_day_is_named(http: httpx.Client, shop: Shop, parameter: str, value: str) -> None:
    answer = http.get(path(shop, "summary"), params={parameter: value}, headers=bearer(shop.member))

    assert answer.status_code == 400
    assert answer.json() == {
        "error": "invalid_request",
        "detail": f"{parameter}: {value!r} is no day of the calendar written YYYY-MM-DD",
    }


@pytest.mark.parametrize(
    ("days", "message"),
    [
        ({"from": "2026-03-02", "to": "2026-03-01"}, "from must not be after to"),
        ({"from": "2025-01-27", "to": "2026-03-03"}, "the range must not be longer than 400 days"),
        (
            {"from": "0001-01-31", "to": "0001-02-01"},
            "from: 0001-01-31 is too early; 0001-02-01 is the first day that can be asked for",
        ),
    ],
)
def test_a_range_that_cannot_be_answered_is_refused(
    http: httpx.Client, shop: Shop, days: dict[str, str], message: str
) -> None:
    for function in FUNCTIONS:
        answer = http.get(path(shop, function), params=days, headers=bearer(shop.member))
        assert (answer.status_code, answer.json()["detail"]) == (400, message)


def test_a_malformed_id_is_400_and_an_unknown_one_404(http: httpx.Client, shop: Shop) -> None:
    malformed = http.get("/api/clients/17/campaigns/summary", headers=bearer(shop.member))
    assert (malformed.status_code, malformed.json()["error"]) == (400, "invalid_request")
    assert malformed.json()["detail"].startswith("client_id: ")

    message = {
        json.dumps(answer.json())
        for answer in (
            http.get(f"/api/clients/{uuid4()}/campaigns/summary", headers=bearer(shop.member)),
            http.get(f"/api/clients/{shop.theirs}/campaigns/summary", headers=bearer(shop.member)),
            http.get(f"/api/clients/{shop.ours}/campaigns/links/{uuid4()}/stats", headers=bearer(shop.member)),
            http.get(f"/api/clients/{shop.ours}/campaigns/links/{shop.their_link}/stats", headers=bearer(shop.member)),
        )
        if answer.status_code == 404
    }
    assert message == {'{"error": "not_found", "detail": "there is no such client or link, or it is not yours"}'}


def test_a_long_answer_is_compressed_and_a_short_one_is_not(http: httpx.Client, shop: Shop) -> None:
    long = http.get(path(shop, "summary"), headers=bearer(shop.member), params=RANGE)
    short = http.get(path(shop, "summary"), headers=bearer(shop.stranger), params=RANGE)

    assert (long.headers.get("content-encoding"), short.headers.get("content-encoding")) == ("gzip", None)


def test_unknown_routes_and_methods_are_answered_alike(http: httpx.Client, shop: Shop) -> None:
    assert http.get("/api/nothing").json() == {"error": "not_found", "detail": "Not Found"}
    refused = http.post(path(shop, "summary"), headers=bearer(shop.member))
    assert (refused.status_code, refused.json()["error"]) == (405, "method_not_allowed")


def test_a_leftover_session_setting_does_not_change_the_caller(shop: Shop) -> None:
    database = shop.database.url.database
    shop.connection.execute(f"ALTER DATABASE {database} SET request.jwt.claim.sub = '{shop.stranger}'".encode())
    with serving(settings_for(shop.database)) as url, httpx.Client(base_url=url) as http:
        statuses = [
            http.get(f"/api/clients/{client}/campaigns/summary", headers=bearer(shop.member)).status_code
            for client in (shop.ours, shop.theirs)
        ]

    assert statuses == [200, 404]
