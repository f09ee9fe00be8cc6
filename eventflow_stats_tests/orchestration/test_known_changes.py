"""Facts that change without a new ingest time: the status reports them at once, and the next tick finds them."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import dagster as dg
import pytest

from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.rollup.refresh import refresh
from eventflow_stats.engine.rollup.sweep import sweep_due_days
from eventflow_stats.engine.status.freshness import read_freshness, record_tick
from eventflow_stats.engine.status.health import Status, find_problems, format_summary, read_status
from eventflow_stats.orchestration.checks.freshness import freshness_result
from eventflow_stats.orchestration.schedules import every_five_minutes
from eventflow_stats.orchestration.sensors import late_facts as late_facts_module
from eventflow_stats.orchestration.sensors.late_facts import late_facts
from eventflow_stats_tests.facts import Entry
from eventflow_stats_tests.orchestration.shop import (
    Shop,
    carry_out,
    schedule_tick,
    sensor_tick,
    today,
    yesterday,
)

pytestmark = pytest.mark.environment

OLD = [today() - timedelta(days=number) for number in (12, 11)]


@pytest.fixture
def up_to_date(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A month in the rollup with facts on some days; the row counters are read. One tick of the sensor has time for all
    days, however busy the machine is."""
    monkeypatch.setattr(late_facts_module, "SECONDS_PER_TICK", 600)
    product = shop.product
    product.delete(list(product.world.visits.values()))
    for table in ("public.marketing_stats_daily", "eventflow_stats.client_days", "eventflow_stats.days"):
        product.connection.execute(f"DELETE FROM {table}".encode())
    product.add(*(shop.visit(day, "a", on_time=True) for day in (*OLD, yesterday(), today())))
    count(shop)
    detect(shop.database)
    list(rebuild(shop.database, [today() - timedelta(days=number) for number in range(32)]))
    detect(shop.database, [yesterday(), today()])
    sweep_takes(shop, 0.001)
    record_tick(shop.database, datetime.now(UTC), "Nothing to refresh.")
    assert progress(shop).freshness.changed_since is None
    return shop


def count(shop: Shop) -> None:
    """Flush the row counters of the product's session, which PostgreSQL would do later."""
    shop.product.connection.execute("SELECT pg_stat_force_next_flush()")


def sweep_takes(shop: Shop, seconds: float) -> None:
    """Record that the last sweep of each day took so long."""
    shop.product.connection.execute("UPDATE eventflow_stats.days SET swept_seconds = %s", [seconds])


def later(shop: Shop, by: timedelta) -> None:
    """Shift all times in the ledger into the past by so much."""
    columns = {
        "days": ("rebuilt_at", "swept_at", "whole_verified_at"),
        "client_days": ("computed_at", "verified_at"),
        "progress": ("detected_at", "row_changes_at", "ticked_at"),
        "unswept_changes": ("seen_at", "since", "found_by"),
    }
    for table, names in columns.items():
        moved = ", ".join(f"{name} = {name} - %(by)s" for name in names)
        shop.product.connection.execute(f"UPDATE eventflow_stats.{table} SET {moved}".encode(), {"by": by})


def progress(shop: Shop) -> Status:
    return read_status(shop.database)


def message(shop: Shop) -> str:
    """The last line of `eventflow-stats status`."""
    status = progress(shop)
    return format_summary(status, find_problems(status))


def tick(instance: dg.DagsterInstance, shop: Shop) -> list[str]:
    """A tick of the schedule and the run that it requests; returns the days of the run."""
    requests, _ = schedule_tick(instance, every_five_minutes)
    for request in requests:
        assert carry_out(instance, request, "refresh_recent_days").success
    return [request.tags["eventflow/days"] for request in requests]


def tick_sensor(instance: dg.DagsterInstance, shop: Shop) -> list[str]:
    """A tick of the sensor late_facts and the run that it requests; returns the days of the run."""
    requests, _ = sensor_tick(instance, late_facts)
    for request in requests:
        assert carry_out(instance, request, "refresh_late_days").success
    return [request.tags["eventflow/days"] for request in requests]


def test_facts_with_an_ingest_time_hours_ago_are_found_by_the_next_tick(
    instance: dg.DagsterInstance, up_to_date: Shop
) -> None:
    """Such as lagging replication or a bulk load: too old for detection, and no row was updated."""
    hours_ago = datetime.now(UTC) - timedelta(hours=5)
    up_to_date.product.add(
        *(replace(up_to_date.visit(day, "b"), ingested_at=hours_ago) for day in (yesterday(), today())),
        Entry(at=datetime.combine(yesterday(), time.min, UTC), campaign_id=up_to_date.campaign),
    )
    count(up_to_date)

    assert tick_sensor(instance, up_to_date) == [], "the sensor leaves these days to the schedule"
    assert tick(instance, up_to_date) == [f"{yesterday()} to {today()}"]

    assert up_to_date.is_right()
    assert tick(instance, up_to_date) == []


def test_changed_facts_of_older_days_are_reported_at_once_and_found_by_the_next_tick(
    instance: dg.DagsterInstance, up_to_date: Shop
) -> None:
    later(up_to_date, timedelta(minutes=6))
    changed, deleted, *_ = list(up_to_date.product.world.visits.values())
    up_to_date.product.change(changed, utm_source="kakao")
    up_to_date.product.delete([deleted])
    count(up_to_date)

    status = progress(up_to_date)
    assert (status.freshness.changed_rows, status.freshness.changes_overdue) == (2, False)
    assert find_problems(status) == [], "it is early: no alarm"
    known = "; watch: 2 rows of the product changed in the last 6 minutes; the sweeps find changed facts by "
    assert known in message(up_to_date)

    assert tick_sensor(instance, up_to_date) == [f"{OLD[0]} to {OLD[1]}"]
    assert up_to_date.is_right()
    promised, kept = status.freshness.changes_found_by, progress(up_to_date).freshness.changes_found_by
    assert promised is not None
    assert kept is not None
    assert kept <= promised, "the time that was reported stays true"
    check = freshness_result(progress(up_to_date).freshness)
    assert (check.passed, check.metadata["changed_rows"].value) == (True, 2), "yesterday and today are the schedule's"
    assert "; 2 rows of the product changed in the last " in str(check.description)

    assert tick(instance, up_to_date) == []
    assert progress(up_to_date).freshness.changed_since is None
    assert " changed in the last " not in message(up_to_date)


def test_changes_that_are_not_swept_in_time_are_a_failure(instance: dg.DagsterInstance, up_to_date: Shop) -> None:
    up_to_date.product.change(next(iter(up_to_date.product.world.visits.values())), utm_source="kakao")
    count(up_to_date)
    tick(instance, up_to_date)
    found_by = progress(up_to_date).freshness.changes_found_by
    assert found_by is not None
    for minutes, wrong in ((10, False), (60, True)):
        later(up_to_date, timedelta(minutes=minutes))
        up_to_date.product.connection.execute("UPDATE eventflow_stats.progress SET detected_at = now()")
        status = progress(up_to_date)
        assert status.freshness.changes_overdue == wrong
        assert bool([problem for problem in find_problems(status) if "1 row of the product" in problem.what]) == wrong
        assert freshness_result(status.freshness).passed != wrong

    (problem,) = find_problems(status)
    assert "; every day should have been swept by " in problem.what
    assert problem.remedy.endswith(f"eventflow-stats verify --from {today() - timedelta(days=31)} --to {today()}")
    while tick_sensor(instance, up_to_date) or tick(instance, up_to_date):
        pass
    assert find_problems(progress(up_to_date)) == []
    assert up_to_date.is_right()


@pytest.mark.parametrize("seconds", [0.001, 0.3], ids=["small history", "large history"])
@pytest.mark.slow
def test_constant_updates_of_facts_of_today_are_no_failure(
    instance: dg.DagsterInstance, up_to_date: Shop, seconds: float
) -> None:
    """Two hours with a visit updated before each tick; a large history is swept once an hour."""
    visit = list(up_to_date.product.world.visits.values())[-1]
    for minute in range(0, 120, 5):
        sweep_takes(up_to_date, seconds)
        up_to_date.product.change(visit, utm_source=str(minute))
        count(up_to_date)
        sensor_tick(instance, late_facts)
        if minute % 10 == 0:
            detect(up_to_date.database)
            sweep_due_days(up_to_date.database, yesterday(), today(), at_once=True, seconds=20)
            list(refresh(up_to_date.database, [yesterday(), today()]))
        now = read_freshness(up_to_date.database, today())
        assert not now.changes_overdue, f"after {minute} minutes"
        assert freshness_result(now).passed
        later(up_to_date, timedelta(minutes=5))
    assert now.changed_since is not None
    assert now.at - now.changed_since < (timedelta(minutes=16) if seconds < 0.1 else timedelta(minutes=70))
    looks = up_to_date.product.connection.execute("SELECT seen_at FROM eventflow_stats.unswept_changes").fetchall()
    assert len(looks) < 30, "what every day was swept after is forgotten"
