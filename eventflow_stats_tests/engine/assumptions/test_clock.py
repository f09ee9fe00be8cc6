"""A server's clock that was wrong for a time hides no fact and makes nothing look verified."""

from datetime import timedelta

import pytest

from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.refresh import refresh
from eventflow_stats.engine.status.health import find_problems, read_status
from eventflow_stats.engine.status.progress import stale_days
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats_tests.engine.two_clients import DAY, LONG_AGO, Shop, noon, now, shop
from eventflow_stats_tests.facts import Visit

pytestmark = pytest.mark.environment

__all__ = ["shop"]

TABLES = {
    "progress": ("detected_at", "row_changes_at", "ticked_at"),
    "days": ("rebuilt_at", "verified_at", "swept_at", "whole_verified_at"),
    "client_days": ("computed_at", "verified_at"),
    "alerts": ("printed_at", "posted_at"),
}


def live_ahead(shop: Shop, days: int) -> None:
    """What a tick and a rolling verification leave in the ledger while the clock is so many days ahead."""
    detect(shop.database)
    list(verify(shop.database, [DAY, LONG_AGO]))
    before = shop.detected_at()
    for table, columns in TABLES.items():
        for column in columns:
            shop.product.connection.execute(
                f"UPDATE eventflow_stats.{table} SET {column} = {column} + interval '{days} days'"
            )
    shop.product.connection.execute("UPDATE eventflow_stats.progress SET detected_before = %s", [before])


def future_instants(shop: Shop) -> list[str]:
    found = []
    for table, columns in TABLES.items():
        for column in columns:
            query = f"SELECT count(*) FROM eventflow_stats.{table} WHERE {column} > now() + interval '1 minute'"
            (count,) = shop.product.connection.execute(query).fetchone() or (0,)
            found += [f"{table}.{column}"] * bool(count)
    return found


def test_facts_after_a_clock_that_was_ahead_are_detected(shop: Shop) -> None:
    live_ahead(shop, 10)
    shop.product.add(Visit(at=noon(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="after"))
    shop.tick()
    assert shop.is_right()
    assert future_instants(shop) == []


def test_without_a_trusted_time_detection_looks_at_everything(shop: Shop) -> None:
    shop.product.connection.execute("UPDATE eventflow_stats.progress SET detected_at = now() + interval '10 days'")
    late = Visit(at=noon(DAY), ingested_at=now() - timedelta(days=9), campaign_id=shop.campaign, session_id="late")
    shop.product.add(late)
    shop.tick()
    assert shop.is_right()


def test_days_verified_in_the_future_count_as_unverified(shop: Shop) -> None:
    live_ahead(shop, 10)
    detect(shop.database)
    status = read_status(shop.database)
    assert status.days.verified_days == 0
    assert status.progress.drift_age is not None
    assert status.progress.drift_age >= timedelta(0)
    assert status.progress.age is not None
    assert status.progress.age >= timedelta(0)


def test_a_clock_that_was_ahead_is_wrong_in_the_status_until_a_detection(shop: Shop) -> None:
    live_ahead(shop, 10)
    assert "ahead of the server's clock" in " ".join(map(str, find_problems(read_status(shop.database))))
    detect(shop.database)
    assert "clock" not in " ".join(map(str, find_problems(read_status(shop.database))))


def test_a_clock_that_was_ahead_raises_an_alert(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    live_ahead(shop, 10)
    detect(shop.database)
    assert '"alert": "clock"' in capsys.readouterr().out


def test_a_clock_a_few_seconds_off_is_no_matter(shop: Shop) -> None:
    shop.product.connection.execute("UPDATE eventflow_stats.progress SET detected_at = now() + interval '20 seconds'")
    list(verify(shop.database, [DAY, LONG_AGO]))
    assert find_problems(read_status(shop.database)) == []


def test_the_time_before_a_jump_of_the_clock_is_kept(shop: Shop) -> None:
    before = shop.detected_at()
    detect(shop.database)
    kept = "SELECT detected_before FROM eventflow_stats.progress"
    assert shop.product.connection.execute(kept).fetchone() == (None,)
    shop.product.connection.execute(
        "UPDATE eventflow_stats.progress SET detected_at = %s", [before - timedelta(hours=2)]
    )
    detect(shop.database)
    assert shop.product.connection.execute(kept).fetchone() == (before - timedelta(hours=2),)
    list(refresh(shop.database, [day.bucket_date for day in stale_days(shop.database, LONG_AGO, DAY)]))
