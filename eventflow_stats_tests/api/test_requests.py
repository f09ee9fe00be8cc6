"""The form of a request: method, parameters and headers."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from eventflow_stats_tests.api.serving import bearer
from eventflow_stats_tests.api.shop import COMPUTED, DAY, Shop
from eventflow_stats_tests.api.test_routes import FUNCTIONS, RANGE, path

EXPLAIN = "campaigns/explain"


@pytest.mark.parametrize("function", [*FUNCTIONS, EXPLAIN])
def test_head_is_get_without_a_body(http: httpx.Client, shop: Shop, function: str) -> None:
    explains = function == EXPLAIN
    url = f"/api/clients/{shop.ours}/{EXPLAIN}" if explains else path(shop, function)
    days = {"day": str(DAY)} if explains else RANGE
    got, head = (http.request(verb, url, params=days, headers=bearer(shop.member)) for verb in ("GET", "HEAD"))

    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "cache-control", "etag", "vary", "content-encoding"):
        assert head.headers.get(name) == got.headers.get(name)
    assert http.head(url, params=days).status_code == 401
    assert http.head(url, params=days, headers=bearer(shop.stranger)).status_code == 404


def test_a_wrong_method_is_refused_with_the_right_ones(http: httpx.Client, shop: Shop) -> None:
    for url, allowed in (
        (path(shop, "summary"), "GET, HEAD"),
        (f"/api/clients/{shop.ours}/{EXPLAIN}", "GET, HEAD"),
        ("/healthz", "GET, HEAD"),
        ("/metrics", "GET, HEAD"),
        # It launches work, so it has no HEAD.
        ("/api/cron/aggregate-marketing-stats", "GET, POST"),
    ):
        refused = http.delete(url, headers=bearer(shop.member))
        assert (refused.status_code, refused.headers["allow"]) == (405, allowed)
        assert refused.json() == {"error": "method_not_allowed", "detail": f"ask with {allowed}"}
    assert http.head("/api/cron/aggregate-marketing-stats").status_code == 405


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("frm=2026-03-03", "'frm' is no parameter here; there are from, to"),
        ("From=2026-03-03", "'From' is no parameter here; there are from, to"),
        ("from[]=2026-03-03", "'from[]' is no parameter here; there are from, to"),
        ("from=2026-03-03&from=2026-03-04&to=2026-03-04", "from: given 2 times; give it once"),
        ("x" * 500 + "=", f"'{'x' * 40}' is no parameter here; there are from, to"),
    ],
)
def test_unknown_and_repeated_parameters_are_refused(http: httpx.Client, shop: Shop, query: str, message: str) -> None:
    for function in FUNCTIONS:
        answer = http.get(f"{path(shop, function)}?{query}", headers=bearer(shop.member))
        assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request", "detail": message})
    # A stranger does not learn the parameters.
    assert http.get(f"{path(shop, 'summary')}?{query}").status_code == 401


def test_a_first_day_in_the_future_needs_a_last_day(http: httpx.Client, shop: Shop) -> None:
    today = datetime.now(UTC).date()
    day = today + timedelta(days=3)
    for function in FUNCTIONS:
        answer = http.get(path(shop, function), params={"from": str(day)}, headers=bearer(shop.member))
        message = f"from: {day} is after today, {today}; give `to` as well for days still to come"
        assert (answer.status_code, answer.json()["detail"]) == (400, message)
        both = {"from": str(day), "to": str(day)}
        assert http.get(path(shop, function), params=both, headers=bearer(shop.member)).status_code == 200


def test_tags_may_be_in_several_headers(http: httpx.Client, shop: Shop) -> None:
    first = http.get(path(shop, "summary"), params=RANGE, headers=bearer(shop.member))
    token = bearer(shop.member)["Authorization"]

    def asked(*tags: str) -> httpx.Response:
        lines = [("Authorization", token), *(("If-None-Match", tag) for tag in tags)]
        return http.get(path(shop, "summary"), params=RANGE, headers=lines)

    held = asked('"x"', first.headers["etag"], '"y", "z"')
    assert (held.status_code, held.headers["etag"]) == (304, first.headers["etag"])
    assert held.headers["vary"] == first.headers["vary"] == "Authorization, Accept-Encoding"
    assert asked('"x"', '"y", "z"').status_code == 200


@pytest.mark.parametrize(
    ("fields", "compressed"),
    [
        ([], False), ([""], False), (["identity"], False), (["br, zstd"], False), (["gzipped"], False),
        (["gzip"], True), (["GZIP"], True), (["x-gzip"], True), (["br, gzip;q=0.5"], True), (["br", "gzip"], True),
        (["gzip;q=0, identity"], False), (["gzip; Q=0.000"], False), (["*;q=0"], False), (["*"], True),
        (["*, gzip;q=0"], False), (["gzip;q=nonsense"], False), (["gzip;level=9"], True),
        (["gzip, deflate, br, zstd"], True),
    ],
)  # fmt: skip
def test_an_answer_is_compressed_for_a_caller_that_accepts_gzip(
    http: httpx.Client, shop: Shop, fields: list[str], compressed: bool
) -> None:
    asked = http.build_request("GET", path(shop, "summary"), params=RANGE, headers=bearer(shop.member))
    del asked.headers["accept-encoding"]
    asked.headers = httpx.Headers([*asked.headers.multi_items(), *(("Accept-Encoding", field) for field in fields)])
    answer = http.send(asked)
    assert answer.headers.get("content-encoding") == ("gzip" if compressed else None)
    assert answer.headers["vary"] == "Authorization, Accept-Encoding"
    # One weak tag for both codings: each caller gets the coding it asks for, and 304 has no body.
    assert answer.headers["etag"].startswith("W/")
    assert answer.json()["_coverage"] == {"aggregated_days": len(COMPUTED), "raw_days": 0}
