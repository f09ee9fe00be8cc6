"""A tick that fails raises an alert itself, because no run fails with it."""

from datetime import date

import dagster as dg
import pytest

from eventflow_stats.engine.rollup import sweep as sweeping
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.rollup.sweep import sweep_due_days
from eventflow_stats.engine.status.freshness import read_freshness
from eventflow_stats.engine.status.health import find_problems, read_status
from eventflow_stats.errors import FailedDays
from eventflow_stats.orchestration.schedules import data_quality, every_five_minutes, rolling_verification
from eventflow_stats.orchestration.sensors.late_facts import late_facts
from eventflow_stats.orchestration.sensors.repair import repair
from eventflow_stats.orchestration.sensors.stale_rollup import stale_rollup
from eventflow_stats_tests.orchestration.shop import (
    DAYS,
    Shop,
    alerts,
    giving_up_on,
    schedule_tick,
    sensor_tick,
    today,
    yesterday,
)


def test_ticks_that_fail_raise_an_alert_each(
    instance: dg.DagsterInstance, shop: Shop, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTFLOW_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    for _ in range(2):
        for schedule in (every_five_minutes, rolling_verification, data_quality):
            with pytest.raises(Exception, match="Error occurred during the evaluation"):
                schedule_tick(instance, schedule)
        for sensor in (late_facts, repair, stale_rollup):
            with pytest.raises(Exception, match="no connection to"):
                sensor_tick(instance, sensor)

    message = [alert["text"].split(" failed: ", 1) for alert in alerts(capfd)]

    # One alert for each, not one per tick.
    names = ["every_five_minutes", "rolling_verification", "data_quality", "late_facts", "repair", "stale_rollup"]
    assert [name for name, _ in message] == names
    assert all(cause.startswith("no connection to postgresql://nobody@127.0.0.1:1/none: ") for _, cause in message)


def test_a_tick_that_fails_before_detection_is_recorded(instance: dg.DagsterInstance, shop: Shop) -> None:
    shop.product.connection.execute("UPDATE eventflow_stats.progress SET detected_at = NULL")
    shop.product.connection.execute("REVOKE SELECT ON eventflow_stats.visit_facts FROM eventflow_stats_engine")
    with pytest.raises(Exception, match="Error occurred during the evaluation"):
        schedule_tick(instance, every_five_minutes)

    status = read_status(shop.database)

    assert str(find_problems(status)[0]).startswith("detection never ran")
    assert str(status.freshness.tick_outcome).startswith("Failed: postgresql://")


def test_a_day_that_cannot_be_swept_is_reported_and_delays_no_other(
    instance: dg.DagsterInstance, shop: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    list(rebuild(shop.database, [yesterday(), today()]))
    schedule_tick(instance, every_five_minutes)
    connection = shop.product.connection
    connection.execute("UPDATE eventflow_stats.days SET rebuilt_at = rebuilt_at - interval '2 h'")
    connection.execute("UPDATE event_survey_campaigns SET title = title || '.'")
    connection.execute("SELECT pg_stat_force_next_flush()")
    shop.product.add(shop.visit(DAYS[2], "late"), shop.visit(today(), "new"))
    alerts(capfd)

    with giving_up_on(shop.database, DAYS[0]):
        (late,), _ = sensor_tick(instance, late_facts)
    with giving_up_on(shop.database, yesterday()):
        (recent,), _ = schedule_tick(instance, every_five_minutes)

    assert str(DAYS[2]) in late.tags["eventflow/days"]
    unswept = f"1 day could not be swept: {yesterday()}: postgresql://"
    assert f"1 day swept for changed and deleted facts; {unswept}" in recent.tags["eventflow/reason"]
    assert unswept in str(read_freshness(shop.database, today()).tick_outcome)
    # Both failures have the same cause, so one alert.
    (alert,) = alerts(capfd)
    assert (alert["text"].split(": postgresql://")[0], alert["days"]) == (
        f"1 day could not be swept: {DAYS[0]}",
        [str(DAYS[0])],
    )


def test_days_that_cannot_be_swept_come_last_and_end_the_sweep_when_there_are_many(
    instance: dg.DagsterInstance, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.product.connection.execute("UPDATE eventflow_stats.days SET rebuilt_at = rebuilt_at - interval '2 h'")
    failed: FailedDays = {}

    def swept() -> list[date]:
        found = sweep_due_days(shop.database, DAYS[0], DAYS[2], True, 0, failed.__setitem__)
        return [day.day for day in found]

    with giving_up_on(shop.database, DAYS[0]):
        assert swept() == [DAYS[1]]
        # The failed day comes last from now on.
        assert swept() == [DAYS[2]]
        monkeypatch.setattr(sweeping, "MOST_FAILURES", 1)
        assert swept() == []

    assert list(failed) == [DAYS[0]]
