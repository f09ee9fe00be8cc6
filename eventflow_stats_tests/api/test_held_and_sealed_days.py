"""Held and sealed days in /healthz and /metrics: which of them are an alarm."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.sweep import sweep
from eventflow_stats.engine.verification.sealing import seal
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats_tests.api.metrics_reading import scraped, value
from eventflow_stats_tests.api.serving import serving, settings_for
from eventflow_stats_tests.engine.many_facts import DAY, NEXT_DAY, BusyShop
from eventflow_stats_tests.facts import connect


@pytest.fixture
def busy(database: Database) -> Iterator[BusyShop]:
    with connect(database) as connection:
        yield BusyShop(database, connection)


@pytest.fixture
def http(busy: BusyShop) -> Iterator[httpx.Client]:
    with serving(settings_for(busy.database)) as url, httpx.Client(base_url=url) as client:
        yield client


def days(http: httpx.Client) -> tuple[float | None, ...]:
    """The gauges of held, sealed and edited days, late facts of sealed days and open discrepancies."""
    samples = scraped(http)
    names = ("held_days", "sealed_days", "edited_sealed_days", "late_facts_of_sealed_days", "open_discrepancies")
    return tuple(value(samples, f"eventflow_{name}") for name in names)


def test_a_sealed_day_without_facts_is_healthy_and_counted(http: httpx.Client, busy: BusyShop) -> None:
    list(seal(busy.database, [DAY], "Kim"))
    busy.connection.execute("DELETE FROM event_access_logs WHERE accessed_at < %s", [NEXT_DAY])
    busy.connection.execute("DELETE FROM event_survey_entries WHERE created_at < %s", [NEXT_DAY])
    list(sweep(busy.database, [DAY, NEXT_DAY]))

    message = http.get("/healthz")
    assert (message.status_code, message.json()["status"]) == (200, "ok")
    assert (message.json()["held_days"], message.json()["sealed_days"]) == (0, 1)
    assert days(http) == (0, 1, 0, 0, 0)


def test_a_held_day_is_reported_with_its_remedy(http: httpx.Client, busy: BusyShop) -> None:
    list(seal(busy.database, [DAY], "Kim"))
    busy.truncate()
    list(sweep(busy.database, [DAY, NEXT_DAY]))

    message = http.get("/healthz")
    assert (message.status_code, message.json()["status"]) == (503, "held")
    assert (message.json()["held_days"], message.json()["sealed_days"]) == (1, 1)
    assert f"1 day held: {NEXT_DAY}, 2,000 of 2,000 visit rows" in message.json()["detail"]
    assert "accept-deletion --day DAY --execute" in message.json()["detail"]
    assert days(http) == (1, 1, 0, 0, 0)


def test_an_edited_sealed_day_is_wrong_before_a_held_one(http: httpx.Client, busy: BusyShop) -> None:
    list(seal(busy.database, [DAY], "Kim"))
    busy.truncate()
    busy.connection.execute("UPDATE marketing_stats_daily SET visits = 1 WHERE bucket_date = %s", [DAY])
    list(verify(busy.database, [DAY, NEXT_DAY]))

    message = http.get("/healthz").json()
    assert (message["status"], message["held_days"], message["sealed_days"]) == ("wrong", 1, 1)
    assert f"rows of 1 sealed day were edited: {DAY} (facts cannot repair a sealed day" in message["detail"]
    assert days(http) == (1, 1, 1, 0, 0)


def test_late_facts_of_a_sealed_day_are_counted_and_raise_no_alarm(http: httpx.Client, busy: BusyShop) -> None:
    list(seal(busy.database, [DAY], "Kim"))
    busy.connection.execute(
        "INSERT INTO event_access_logs (campaign_id, session_id, accessed_at, created_at) VALUES (%s, 'x', %s, %s)",
        [busy.campaigns[busy.small], DAY, datetime.now(UTC) + timedelta(seconds=1)],
    )
    detect(busy.database)

    assert http.get("/healthz").json()["status"] == "ok"
    assert days(http) == (0, 1, 0, 1, 0)
