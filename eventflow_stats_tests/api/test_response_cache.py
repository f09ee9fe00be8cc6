"""Cached answers: computed once, and given again only while their version is unchanged."""

from uuid import UUID

import httpx

from eventflow_stats.api.response_cache import CachedResponse, ResponseCache
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats_tests.api.serving import bearer, serving, settings_for
from eventflow_stats_tests.api.shop import DAY, MISSING, Shop
from eventflow_stats_tests.api.test_silent_database import line_to


def test_a_cached_answer_is_the_computed_one(http: httpx.Client, shop: Shop) -> None:
    path = f"/api/clients/{shop.ours}/campaigns/summary"
    first = http.get(path, params={"from": str(DAY), "to": str(DAY)}, headers=bearer(shop.member))
    # A change without the ledger: only a newly computed answer would show it.
    shop.connection.execute("UPDATE marketing_stats_daily SET visits = visits + 1")

    again = http.get(path, params={"from": str(DAY), "to": str(DAY)}, headers=bearer(shop.member))

    assert again.content == first.content
    assert again.headers["etag"] == first.headers["etag"]


def test_a_caller_who_lost_access_gets_no_cached_answer(http: httpx.Client, shop: Shop) -> None:
    path = f"/api/clients/{shop.ours}/campaigns/links"
    days = {"from": str(DAY), "to": str(DAY)}
    assert http.get(path, params=days, headers=bearer(shop.member)).status_code == 200
    shop.connection.execute("DELETE FROM client_members WHERE user_id = %s", [shop.member])

    assert http.get(path, params=days, headers=bearer(shop.member)).status_code == 404


def test_a_stranger_is_refused_with_the_same_traffic_whether_an_answer_is_cached_or_not(shop: Shop) -> None:
    path = f"/api/clients/{shop.ours}/campaigns/summary"
    days = {"from": str(DAY), "to": str(DAY)}
    with line_to(shop) as line:
        database_url = f"postgresql://postgres@127.0.0.1:{line.port}/{shop.database.url.database}?sslmode=disable"
        with serving(settings_for(shop.database, api_database_url=database_url)) as url:

            def ask(user: UUID) -> tuple[int, tuple[int, int]]:
                """The status, and the bytes sent to and received from the database."""
                line.carried.clear()
                status = httpx.get(url + path, params=days, headers=bearer(user)).status_code
                sizes = [sum(len(data) for to, data in line.carried if to is way) for way in (True, False)]
                return status, (sizes[0], sizes[1])

            ask(shop.stranger)
            before = ask(shop.stranger)
            assert [ask(shop.member)[0] for _ in range(2)] == [200, 200]
            assert ask(shop.stranger) == before
            assert before[0] == 404
            assert min(before[1]) > 0


def test_a_late_fact_is_in_the_next_answer(http: httpx.Client, shop: Shop) -> None:
    path = f"/api/clients/{shop.ours}/campaigns/links/{shop.link}/stats"
    days = {"from": str(DAY), "to": str(DAY)}
    before = http.get(path, params=days, headers=bearer(shop.member)).json()["stats"]["visits"]

    shop.refresh_with_a_late_fact(DAY)

    assert http.get(path, params=days, headers=bearer(shop.member)).json()["stats"]["visits"] == before + 1


def test_unswept_changes_replace_a_cached_answer(http: httpx.Client, healthy: Shop) -> None:
    path, days = f"/api/clients/{healthy.ours}/campaigns/summary", {"from": str(DAY), "to": str(DAY)}

    def changes(tag: str = "") -> tuple[dict[str, object] | None, str]:
        answer = http.get(path, params=days, headers=bearer(healthy.member) | {"If-None-Match": tag})
        assert answer.status_code == 200
        return answer.json()["_freshness"]["unswept_changes"], answer.headers["etag"]

    none, tag = changes()
    assert none is None
    healthy.connection.execute("DELETE FROM event_access_logs WHERE session_id = '3'")
    healthy.connection.execute("SELECT pg_stat_force_next_flush()")
    healthy.detect()

    known, another = changes(tag)
    assert known is not None
    assert (list(known), known["changed_rows"]) == (["changed_rows", "since", "found_by"], 3)
    assert str(known["since"]) < str(known["found_by"])

    # The client-day is rebuilt, so no change of it is unknown any more.
    list(rebuild(healthy.database, [DAY], [healthy.ours]))
    assert changes(another)[0] is None


def test_an_adjustment_of_another_link_is_in_the_next_answer(http: httpx.Client, shop: Shop) -> None:
    other = shop.product.link(shop.campaign, "OTHERLNK").id

    def adjust(link: UUID) -> dict[str, int]:
        shop.connection.execute(
            "SELECT eventflow_stats.revert_adjustment(adjustment_id, 'a person', 'of another link') "
            "FROM eventflow_stats.adjustments WHERE reverted_at IS NULL"
        )
        shop.connection.execute(
            "SELECT eventflow_stats.add_adjustment("
            "%s, %s, 50, 0, 'counted by hand', 'a person', marketing_campaign_link_id => %s)",
            [shop.ours, DAY, link],
        )
        days = {"from": str(DAY), "to": str(DAY)}
        answer = http.get(f"/api/clients/{shop.ours}/campaigns/links", params=days, headers=bearer(shop.member))
        return {row["id"]: row["visits_count"] for row in answer.json()["links"]}

    assert adjust(shop.link) == {str(shop.link): 51, str(other): 0}
    assert adjust(other) == {str(shop.link): 1, str(other): 50}


def test_a_column_that_the_product_adds_is_in_the_next_answer(http: httpx.Client, shop: Shop) -> None:
    def colours() -> list[str | None]:
        days = {"from": str(DAY), "to": str(DAY)}
        answer = http.get(f"/api/clients/{shop.ours}/campaigns/links", params=days, headers=bearer(shop.member))
        return [row.get("colour") for row in answer.json()["links"]]

    assert colours() == [None]
    shop.connection.execute("ALTER TABLE campaign_link_meta ADD COLUMN colour text DEFAULT 'green'")

    assert colours() == ["green"]


def test_an_answer_from_facts_is_measured_each_time(http: httpx.Client, shop: Shop) -> None:
    path = f"/api/clients/{shop.ours}/campaigns/links"
    days = {"from": str(MISSING), "to": str(MISSING)}
    before = http.get(path, params=days, headers=bearer(shop.member)).json()["links"][0]["visits_count"]
    shop.connection.execute("DELETE FROM event_access_logs WHERE marketing_campaign_link_id = %s", [shop.link])

    after = http.get(path, params=days, headers=bearer(shop.member)).json()["links"][0]["visits_count"]

    assert (before, after) == (1, 0)


def test_the_least_recently_used_answers_are_removed_first() -> None:
    cache = ResponseCache(most_bytes=10)

    def bodies() -> list[bytes | None]:
        return [answer and answer.body for answer in map(cache.get, "abc")]

    cache.put("a", CachedResponse("1", b"1234"))
    cache.put("b", CachedResponse("1", b"1234"))
    assert cache.get("a") == CachedResponse("1", b"1234")
    cache.put("c", CachedResponse("1", b"1234"))

    assert bodies() == [b"1234", None, b"1234"]
    cache.put("a", CachedResponse("2", b"12345678"))
    assert bodies() == [b"12345678", None, None]
    cache.put("too long", CachedResponse("1", b"12345678901"))
    assert cache.get("too long") is None
