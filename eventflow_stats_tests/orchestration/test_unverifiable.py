"""A fact table replaced by rename: ticks, runs and checks report unverifiable and write nothing until `migrate`."""

import dagster as dg
import pytest

from eventflow_stats.definitions import defs
from eventflow_stats.engine.postgres.migrations import migrate
from eventflow_stats.engine.status.health import find_problems, read_status
from eventflow_stats.orchestration.schedules import every_five_minutes
from eventflow_stats.orchestration.sensors.late_facts import late_facts
from eventflow_stats_tests.orchestration.shop import (
    Shop,
    alerts,
    carry_out,
    failure,
    schedule_tick,
    sensor_tick,
    shown_checks,
    today,
)
from eventflow_stats_tests.rollup import stored_groups

pytestmark = pytest.mark.environment


def swap_fact_table(shop: Shop) -> None:
    """A migration of the product, and visits of today after it."""
    shop.product.connection.execute(
        """ALTER TABLE event_access_logs RENAME TO x_old;
        CREATE TABLE event_access_logs (LIKE x_old INCLUDING ALL);
        INSERT INTO event_access_logs SELECT * FROM x_old"""
    )
    shop.product.add(*(shop.visit(today(), f"after {number}") for number in range(50)))


@pytest.mark.slow
def test_a_replaced_fact_table_is_unverifiable_until_migrate(
    instance: dg.DagsterInstance, shop: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    swap_fact_table(shop)
    before = stored_groups(shop.product.connection)
    for _ in range(2):
        with pytest.raises(Exception, match="Error occurred during the evaluation"):
            schedule_tick(instance, every_five_minutes)
        with pytest.raises(Exception, match="unverifiable, nothing was written: same table"):
            sensor_tick(instance, late_facts)
    run = defs.resolve_job_def("verify_days").execute_in_process(instance=instance, raise_on_error=False)

    assert "unverifiable, nothing was written: same table" in failure(run)
    assert stored_groups(shop.product.connection) == before
    assert [alert["alert"] for alert in alerts(capfd)] == ["unverifiable: same table"]
    shown = shown_checks(instance)
    for name in ("verified_against_facts", "sample_verified", "rollup_is_fresh", "history_verified"):
        assert shown[name].evaluation.passed is False, name
        assert "unverifiable" in shown[name].evaluation.description
    (found,) = (found for found in find_problems(read_status(shop.database)) if found.kind == "unverifiable")
    assert "eventflow-stats migrate" in found.remedy

    migrate(shop.database)
    (request,), _ = schedule_tick(instance, every_five_minutes)
    assert carry_out(instance, request, "refresh_recent_days").success
    (late,), _ = sensor_tick(instance, late_facts)
    assert carry_out(instance, late, "refresh_late_days").success

    assert shop.is_right()
    assert not [found for found in find_problems(read_status(shop.database)) if found.kind == "unverifiable"]
