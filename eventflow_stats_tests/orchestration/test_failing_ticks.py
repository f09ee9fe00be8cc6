"""Ticks that fail: no run fails with them, so they tell of it themselves."""

import dagster as dg
import pytest

from eventflow_stats.engine.judging import read_status, what_is_wrong
from eventflow_stats.orchestration.schedules import data_quality, every_five_minutes, rolling_proof
from eventflow_stats.orchestration.sensors import late_facts, repair
from eventflow_stats.orchestration.stale_rollup import stale_rollup
from eventflow_stats_tests.orchestration.shop import Shop, alerts, schedule_tick, sensor_tick


def test_ticks_that_fail_raise_an_alert_each(
    instance: dg.DagsterInstance, shop: Shop, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTFLOW_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    for _ in range(2):
        for schedule in (every_five_minutes, rolling_proof, data_quality):
            with pytest.raises(Exception, match="Error occurred during the evaluation"):
                schedule_tick(instance, schedule)
        for sensor in (late_facts, repair, stale_rollup):
            with pytest.raises(Exception, match="no connection to"):
                sensor_tick(instance, sensor)

    told = [alert["text"].split(" failed: ", 1) for alert in alerts(capfd)]

    # Once each, not once a tick.
    names = ["every_five_minutes", "rolling_proof", "data_quality", "late_facts", "repair", "stale_rollup"]
    assert [name for name, _ in told] == names
    assert all(cause.startswith("no connection to postgresql://nobody@127.0.0.1:1/none: ") for _, cause in told)


def test_a_schedule_that_never_got_to_detect_is_seen_to_have_ticked(instance: dg.DagsterInstance, shop: Shop) -> None:
    shop.product.connection.execute("UPDATE eventflow_stats.upkeep SET detected_at = NULL")
    shop.product.connection.execute("REVOKE SELECT ON eventflow_stats.visit_facts FROM eventflow_stats_engine")
    with pytest.raises(Exception, match="Error occurred during the evaluation"):
        schedule_tick(instance, every_five_minutes)

    status = read_status(shop.database)

    assert str(what_is_wrong(status)[0]).startswith("never looked for new facts")
