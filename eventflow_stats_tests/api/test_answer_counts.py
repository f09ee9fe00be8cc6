"""Answers are counted by source into the database, for the check of the raw share."""

import logging
from collections import Counter
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from eventflow_stats.api import answer_counts as counting
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.status.answer_counts import RawShare, raw_share
from eventflow_stats_tests.api.metrics_reading import get_summary, scraped, until, value
from eventflow_stats_tests.api.serving import bearer, serving, settings_for
from eventflow_stats_tests.api.shop import MISSING, Shop
from eventflow_stats_tests.engine.postgres.inspecting import run


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
        get_summary(other, shop, MISSING)
        tag = get_summary(other, shop).headers["etag"]
        get_summary(other, shop, tag=tag)
        other.get(f"/api/clients/{shop.ours}/campaigns/summary")

    assert counted(shop.database) == RawShare(answers=7, raw=1)


def answers_by_source(http: httpx.Client) -> Counter[str]:
    samples = scraped(http)
    found = {name: value(samples, "eventflow_answers_total", source=name) for name in ("aggregated", "raw")}
    return Counter({name: int(answers or 0) for name, answers in found.items()})


@pytest.mark.parametrize("route", ["campaigns/summary", "statistics/overview"])
def test_future_days_do_not_make_an_answer_raw(shop: Shop, route: str) -> None:
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
        get_summary(quick, shop, MISSING)
        until(lambda: counted(shop.database) == RawShare(answers=2, raw=1))
    assert counted(shop.database) == RawShare(answers=2, raw=1)


def test_a_failed_write_loses_no_counts_and_fails_no_request(
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
    (message,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert message.getMessage() == ("answers cannot be counted in the database now; the counts are written later")
    assert message.exc_info is None
