"""A server's clock that was wrong for a time hides no fact, and nothing wrongly counts as verified."""

from datetime import datetime, timedelta

import pytest

from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.held_and_sealed_days import sealed_days, sealed_summary
from eventflow_stats.engine.rollup.refresh import refresh
from eventflow_stats.engine.rollup.sweep import sweep_due_days
from eventflow_stats.engine.status.due_work import stale_days
from eventflow_stats.engine.status.health import find_problems, read_status
from eventflow_stats.engine.verification.sealing import seal
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats_tests.engine.many_facts import DAY as SEALED_DAY
from eventflow_stats_tests.engine.many_facts import BusyShop, busy_shop
from eventflow_stats_tests.engine.two_clients import DAY, LONG_AGO, Shop, noon, now, shop
from eventflow_stats_tests.facts import Visit

pytestmark = pytest.mark.environment

__all__ = ["busy_shop", "shop"]

TABLES = {
    "progress": ("detected_at", "row_changes_at", "ticked_at"),
    "days": ("rebuilt_at", "verified_at", "swept_at", "whole_verified_at"),
    "client_days": ("computed_at", "verified_at"),
    "alerts": ("printed_at", "posted_at"),
}


def run_with_clock_ahead(shop: Shop, days: int) -> None:
    """Leave in the ledger what a tick and a rolling verification write while the clock is so many days ahead."""
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
    run_with_clock_ahead(shop, 10)
    shop.product.add(Visit(at=noon(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="after"))
    shop.tick()
    assert shop.is_right()
    assert future_instants(shop) == []


def test_without_a_trusted_time_detection_reads_everything(shop: Shop) -> None:
    shop.product.connection.execute("UPDATE eventflow_stats.progress SET detected_at = now() + interval '10 days'")
    late = Visit(at=noon(DAY), ingested_at=now() - timedelta(days=9), campaign_id=shop.campaign, session_id="late")
    shop.product.add(late)
    shop.tick()
    assert shop.is_right()


def test_days_verified_in_the_future_count_as_unverified(shop: Shop) -> None:
    run_with_clock_ahead(shop, 10)
    detect(shop.database)
    status = read_status(shop.database)
    assert status.days.verified_days == 0
    assert status.freshness.drift_age is not None
    assert status.freshness.drift_age >= timedelta(0)
    assert status.freshness.age is not None
    assert status.freshness.age >= timedelta(0)


def test_a_clock_that_was_ahead_is_a_problem_of_the_status_until_a_detection(shop: Shop) -> None:
    run_with_clock_ahead(shop, 10)
    assert "ahead of the server's clock" in " ".join(map(str, find_problems(read_status(shop.database))))
    detect(shop.database)
    assert "clock" not in " ".join(map(str, find_problems(read_status(shop.database))))


def test_a_clock_that_was_ahead_raises_an_alert(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    run_with_clock_ahead(shop, 10)
    detect(shop.database)
    assert '"alert": "clock"' in capsys.readouterr().out


def test_a_clock_that_is_a_few_seconds_off_is_accepted(shop: Shop) -> None:
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


SEALED = ("rebuilt_at", "verified_at", "swept_at", "whole_verified_at", "sealed_at", "seal_checked_at")


def seal_with_clock_ahead(shop: BusyShop, days: int, trusted: datetime) -> None:
    """Leave in the ledger what a seal and a verification write while the clock is so many days ahead."""
    list(seal(shop.database, [SEALED_DAY], "Kim"))
    list(verify(shop.database, [SEALED_DAY]))
    ahead = f"interval '{days} days'"
    of_days = ", ".join(f"{column} = {column} + {ahead}" for column in SEALED)
    shop.connection.execute(f"UPDATE eventflow_stats.days SET {of_days} WHERE bucket_date = '{SEALED_DAY}'")
    shop.connection.execute(
        f"UPDATE eventflow_stats.client_days SET computed_at = computed_at + {ahead}, "
        f"verified_at = verified_at + {ahead} WHERE bucket_date = '{SEALED_DAY}'"
    )
    shop.connection.execute(
        f"UPDATE eventflow_stats.progress SET detected_at = detected_at + {ahead}, detected_before = %s", [trusted]
    )


def must_be_sealed(shop: BusyShop) -> None:
    """The day is sealed and equals its checksum, nothing is due, and no instant is in the future."""
    assert [found.day for found in sealed_days(shop.database)] == [SEALED_DAY]
    future = "SELECT count(*) FROM eventflow_stats.days WHERE greatest({}) > now() + interval '1 minute'"
    assert shop.one(future.format(", ".join(SEALED))) == 0
    assert SEALED_DAY not in [day.bucket_date for day in stale_days(shop.database, SEALED_DAY, SEALED_DAY)]
    stale = "SELECT count(*) FROM eventflow_stats.client_days WHERE stale_since IS NOT NULL AND bucket_date = %s"
    assert shop.one(stale, SEALED_DAY) == 0
    assert [day.result for day in verify(shop.database, [SEALED_DAY])] == ["sealed"]


@pytest.mark.parametrize("by", ["the last detection alone", "the seal too"])
def test_a_sealed_day_stays_sealed_while_the_clock_is_corrected(busy_shop: BusyShop, by: str) -> None:
    if by == "the seal too":
        seal_with_clock_ahead(busy_shop, 10, now() - timedelta(hours=1))
    else:
        list(seal(busy_shop.database, [SEALED_DAY], "Kim"))
        ahead = "UPDATE eventflow_stats.progress SET detected_at = now() + interval '10 days', detected_before = NULL"
        busy_shop.connection.execute(ahead)
    before = busy_shop.rows()
    busy_shop.truncate()

    detect(busy_shop.database)
    sweep_due_days(busy_shop.database, SEALED_DAY, SEALED_DAY, at_once=True, seconds=60)
    list(refresh(busy_shop.database, [SEALED_DAY]))

    must_be_sealed(busy_shop)
    assert busy_shop.rows() == before
    assert sealed_summary(busy_shop.database).late_facts == 0


def test_facts_that_arrive_after_a_seal_of_the_future_are_reported_as_late(busy_shop: BusyShop) -> None:
    seal_with_clock_ahead(busy_shop, 10, now() - timedelta(hours=9))
    # They arrive after the clock was corrected, and before the next detection.
    busy_shop.connection.execute(
        "INSERT INTO event_access_logs (campaign_id, session_id, accessed_at, created_at) "
        "SELECT %s, n::text, %s, %s FROM generate_series(1, 7) AS n",
        [busy_shop.campaigns[busy_shop.small], SEALED_DAY, now() - timedelta(hours=5)],
    )

    detect(busy_shop.database)

    must_be_sealed(busy_shop)
    assert sealed_summary(busy_shop.database).late_facts == 7
