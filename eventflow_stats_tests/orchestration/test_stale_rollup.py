"""The sensor stale_rollup: an alert when the rollup is too old or was not verified for too long."""

import dagster as dg
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.sweep import sweep
from eventflow_stats.engine.verification.sealing import seal
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.orchestration.sensors.stale_rollup import stale_rollup
from eventflow_stats_tests.engine.many_facts import DAY, NEXT_DAY, BusyShop
from eventflow_stats_tests.facts import connect
from eventflow_stats_tests.orchestration.shop import Shop, alerts, sensor_tick


def test_a_fresh_and_verified_rollup_raises_no_alert(
    instance: dg.DagsterInstance, shop: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    detect(shop.database)

    _, message = sensor_tick(instance, stale_rollup)

    assert message is not None
    assert message.startswith("Facts committed before ")
    assert "Longest time since a whole verification: " in message
    assert alerts(capfd) == []


@pytest.mark.parametrize(
    ("happening", "check", "text"),
    [
        (
            "UPDATE eventflow_stats.progress SET detected_at = detected_at - interval '31 min'",
            "rollup_is_fresh",
            "31 minutes ago",
        ),
        (
            "UPDATE eventflow_stats.days SET rebuilt_at = rebuilt_at - interval '25 h'",
            "history_verified",
            "25.0 hours, for 2024-07-01",
        ),
    ],
)
def test_each_is_reported_once(
    instance: dg.DagsterInstance,
    shop: Shop,
    capfd: pytest.CaptureFixture[str],
    happening: str,
    check: str,
    text: str,
) -> None:
    detect(shop.database)
    shop.product.connection.execute(happening.encode())

    _, message = sensor_tick(instance, stale_rollup)
    sensor_tick(instance, stale_rollup)

    (alert,) = alerts(capfd)
    assert alert["alert"] == f"check failed: {check}"
    assert text in alert["text"]
    assert alert["text"] == f"{check}: {message}"


def test_held_days_and_edited_sealed_days_are_reported_once_an_hour_and_a_sealed_day_is_not(
    instance: dg.DagsterInstance, facts: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    with connect(facts) as connection:
        busy = BusyShop(facts, connection)
        list(seal(facts, [DAY], "Kim"))
        connection.execute("DELETE FROM event_access_logs WHERE accessed_at < %s", [NEXT_DAY])
        sensor_tick(instance, stale_rollup)
        assert alerts(capfd) == []

        busy.truncate()
        list(sweep(facts, [NEXT_DAY]))
        connection.execute("UPDATE marketing_stats_daily SET visits = 1 WHERE bucket_date = %s", [DAY])
        list(verify(facts, [DAY]))
        message = {alert["alert"]: alert for alert in alerts(capfd)}
        # Whatever finds them first raises the alert; an hour later the sensor does.
        assert sorted(message) == [
            f"held: 1 day from {NEXT_DAY} to {NEXT_DAY}",
            f"sealed day edited: 1 day from {DAY} to {DAY}",
        ]
        sensor_tick(instance, stale_rollup)
        assert alerts(capfd) == []
        connection.execute("UPDATE eventflow_stats.alerts SET printed_at = printed_at - interval '61 minutes'")
        sensor_tick(instance, stale_rollup)
        sensor_tick(instance, stale_rollup)
        again = {alert["alert"]: alert for alert in alerts(capfd)}
        assert sorted(again) == sorted(message)
        assert [alert["days"] for _, alert in sorted(again.items())] == [[str(NEXT_DAY)], [str(DAY)]]
        assert "accept-deletion" in again[f"held: 1 day from {NEXT_DAY} to {NEXT_DAY}"]["text"]
