"""The sensor stale_rollup: an alert when the rollup is too old or too long not verified, and none before."""

import dagster as dg
import pytest

from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.orchestration.stale_rollup import stale_rollup
from eventflow_stats_tests.orchestration.shop import Shop, alerts, sensor_tick


def test_a_fresh_and_verified_rollup_raises_no_alert(
    instance: dg.DagsterInstance, shop: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    detect(shop.database)

    _, message = sensor_tick(instance, stale_rollup)

    assert message is not None
    assert message.startswith("Facts committed before ")
    assert "No undetected drift older than" in message
    assert alerts(capfd) == []


@pytest.mark.parametrize(
    ("happening", "check", "text"),
    [
        (
            "UPDATE eventflow_stats.progress SET detected_at = detected_at - interval '31 min'",
            "is_fresh",
            "31 minutes ago",
        ),
        (
            "UPDATE eventflow_stats.days SET rebuilt_at = rebuilt_at - interval '25 h'",
            "history_verified_within_max_age",
            "25.0 hours: 2024-07-01 is the day longest not verified",
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
