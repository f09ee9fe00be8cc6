"""Manual adjustments in the UI: shown by the next tick without a rebuild, beside the measured numbers."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg

from eventflow_stats.engine.adjustments import NewAdjustment, open_ledger
from eventflow_stats.engine.group_key import GroupKey
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.rollup.sweep import sweep_due_days
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.orchestration.schedules import every_five_minutes
from eventflow_stats_tests.orchestration.runs import run
from eventflow_stats_tests.orchestration.shop import (
    ASSET,
    DAYS,
    Shop,
    schedule_tick,
    shown_checks,
    today,
    yesterday,
)


def adjust(shop: Shop, visits: int, conversions: int = 0) -> int:
    group = GroupKey(shop.client, DAYS[0], shop.campaign)
    with open_ledger(shop.database, execute=True) as ledger:
        return ledger.add(NewAdjustment(group, visits, conversions, "a crawler", "Kim")).adjustment.adjustment_id


def shown(instance: dg.DagsterInstance) -> Any:
    record = shown_checks(instance)["adjustments_are_valid"]
    assert record.evaluation is not None
    return record.evaluation


def test_an_adjustment_is_shown_once_by_the_next_tick(instance: dg.DagsterInstance, shop: Shop) -> None:
    list(rebuild(shop.database, [yesterday(), today()]))
    sweep_due_days(shop.database, DAYS[0], today(), at_once=True, seconds=60)
    list(verify(shop.database, [*DAYS, yesterday(), today()]))

    def tick() -> Any:
        requests, _ = schedule_tick(instance, every_five_minutes, datetime.now(UTC))
        assert requests == [], "an adjustment must not start a run"
        return shown(instance)

    assert tick().description == "No manual adjustment is in force."
    number = adjust(shop, -1, +2)
    message = tick()
    assert message.passed
    assert message.description == (
        f"1 manual adjustment in force (visits -1, conversions +2) on 1 day; the newest is number {number}, by `Kim`."
    )
    (row,) = message.metadata["in_force"].records
    assert row.data | {"client": "", "group": ""} == {
        "day": str(DAYS[0]), "client": "", "visits": "-1", "conversions": "+2", "why": f"{number}, Kim: a crawler",
        "group": "",
    }  # fmt: skip
    seen = shown_checks(instance)["adjustments_are_valid"].id
    tick()
    assert shown_checks(instance)["adjustments_are_valid"].id == seen
    with open_ledger(shop.database, execute=True) as ledger:
        ledger.revert(number, "Lee", "no crawler")
    assert tick().description == "No manual adjustment is in force."

    # A warning: the adjustment subtracts visits whose facts then disappear.
    adjust(shop, -1)
    shop.product.delete(visit for visit in list(shop.product.world.visits.values()) if visit.at.date() == DAYS[0])
    list(rebuild(shop.database, [DAYS[0]]))
    message = tick()
    assert (message.passed, message.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert f"They leave 1 group below zero, because facts disappeared since: {DAYS[0]} of client" in message.description


def test_a_rebuilt_day_and_its_verification_report_adjustments_beside_the_measured_numbers(
    instance: dg.DagsterInstance, shop: Shop
) -> None:
    adjust(shop, +4, +2)

    result = run(instance, DAYS[0], DAYS[1])

    assert result.success
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
    assert check.metadata["adjustments"].value == 1
    assert str(check.description).endswith(
        "; beside these numbers, not in them: 1 manual adjustment in force (visits +4, conversions +2)."
    )
    message = {
        str(event.partition): {
            name: value.value for name, value in event.step_materialization_data.materialization.metadata.items()
        }
        for event in result.get_asset_materialization_events()
        if event.asset_key == ASSET
    }
    names = ("visits", "conversions", "adjustments", "adjustments_visits_delta", "adjustments_conversions_delta")
    assert [message[str(DAYS[0])][name] for name in names] == [1, 0, 1, 4, 2]
    assert [message[str(DAYS[1])][name] for name in names] == [1, 0, 0, 0, 0]
