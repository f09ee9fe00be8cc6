"""The sensor repair recomputes wrong groups and verifies them again; it gives up after three attempts."""

from datetime import timedelta

import dagster as dg
import pytest

from eventflow_stats.engine.rollup.day_locks import writing_day
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.orchestration.sensors import repair as repair_module
from eventflow_stats.orchestration.sensors.repair import repair
from eventflow_stats_tests.orchestration.shop import DAYS, Shop, alerts, carry_out, make_older, sensor_tick

JOB = "repair_days"
OTHER_WRITER = """
    CREATE FUNCTION public.add_one() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN NEW.visits := NEW.visits + 1; RETURN NEW; END';
    CREATE TRIGGER other_writer BEFORE INSERT OR UPDATE ON public.marketing_stats_daily
    FOR EACH ROW EXECUTE FUNCTION public.add_one()
"""


def tick(instance: dg.DagsterInstance) -> tuple[list[dg.RunRequest], str | None]:
    return sensor_tick(instance, repair)


def test_a_tick_without_wrong_groups_starts_no_run_and_reports_that(instance: dg.DagsterInstance, shop: Shop) -> None:
    assert tick(instance) == ([], "No wrong group is known.")


def test_wrong_groups_are_recomputed_and_verified_again(instance: dg.DagsterInstance, shop: Shop) -> None:
    shop.plant_wrong_rows(DAYS[0])
    shop.plant_wrong_rows(DAYS[1])
    list(verify(shop.database, DAYS))

    (request,), _ = tick(instance)

    assert request.tags["eventflow/reason"] == "2 wrong groups on 2024-07-01, 2024-07-02, attempt 1 of 3"
    result = carry_out(instance, request, JOB)
    assert result.success
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
    assert shop.is_right()
    assert tick(instance)[0] == []


def test_no_second_repair_is_requested_while_one_is_active(instance: dg.DagsterInstance, shop: Shop) -> None:
    from eventflow_stats.definitions import defs

    shop.plant_wrong_rows(DAYS[0])
    list(verify(shop.database, DAYS))
    run = instance.create_run_for_job(defs.resolve_job_def(JOB), status=dg.DagsterRunStatus.STARTED)

    assert tick(instance) == ([], f"1 wrong group on 2024-07-01; run {run.run_id} is repairing.")


def test_after_three_repairs_without_success_an_alert_is_raised(
    instance: dg.DagsterInstance, shop: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    shop.product.connection.execute(OTHER_WRITER.encode())
    shop.plant_wrong_rows(DAYS[0])
    list(verify(shop.database, DAYS))

    keys = set()
    for _ in range(3):
        (request,), _ = tick(instance)
        keys.add(request.run_key)
        (check,) = carry_out(instance, request, JOB).get_asset_check_evaluations()
        assert not check.passed

    assert len(keys) == 3
    capfd.readouterr()
    message = "1 wrong group on 2024-07-01, still after 3 repairs: something else writes the rollup."
    assert tick(instance) == ([], message)
    (alert,) = alerts(capfd)
    assert (alert["text"], alert["days"], alert["clients"]) == (message, ["2024-07-01"], [str(shop.client)])
    tick(instance)
    assert alerts(capfd) == [], "the same alert at most once an hour"


def test_a_client_day_is_given_up_although_its_batch_differs_each_time(
    instance: dg.DagsterInstance, shop: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    other_writer = OTHER_WRITER.replace("FOR EACH ROW", f"FOR EACH ROW WHEN (NEW.bucket_date = '{DAYS[0]}')")
    shop.product.connection.execute(other_writer.encode())
    shop.plant_wrong_rows(DAYS[0])
    for _ in range(3):
        shop.plant_row_of_another_client(DAYS[1])
        list(verify(shop.database, DAYS))
        (request,), _ = tick(instance)
        assert request.tags["eventflow/days"] == "2024-07-01 to 2024-07-02"
        carry_out(instance, request, JOB)
    shop.plant_row_of_another_client(DAYS[1])
    list(verify(shop.database, DAYS))
    capfd.readouterr()

    (request,), _ = tick(instance)

    assert request.tags["eventflow/reason"] == "1 wrong group on 2024-07-02, attempt 1 of 3"
    assert [(alert["days"], alert["clients"]) for alert in alerts(capfd)] == [(["2024-07-01"], [str(shop.client)])]


def test_a_group_that_is_wrong_again_later_is_repaired_again(instance: dg.DagsterInstance, shop: Shop) -> None:
    keys = set()
    for _ in range(2):
        shop.plant_wrong_rows(DAYS[0])
        list(verify(shop.database, DAYS))
        (request,), _ = tick(instance)
        keys.add(request.run_key)
        carry_out(instance, request, JOB)
        assert shop.is_right()

    assert len(keys) == 2


def test_failed_repairs_are_tried_again_a_day_later_with_new_keys(
    instance: dg.DagsterInstance, shop: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    shop.plant_wrong_rows(DAYS[0])
    list(verify(shop.database, DAYS))
    used = set()
    with shop.database.session() as writer, writing_day(shop.database, writer, DAYS[0]):
        for _ in range(3):
            (request,), _ = tick(instance)
            used.add(request.run_key)
            assert not carry_out(instance, request, JOB).success
    capfd.readouterr()
    message = "1 wrong group on 2024-07-01, still after 3 repairs: 3 runs failed, see why."
    assert tick(instance) == ([], message)
    assert [alert["text"] for alert in alerts(capfd)] == [message]

    make_older(timedelta(hours=25))
    (request,), _ = tick(instance)

    assert request.run_key not in used
    assert carry_out(instance, request, JOB).success
    assert shop.is_right()


def test_a_row_of_a_client_that_has_no_facts_is_repaired(instance: dg.DagsterInstance, shop: Shop) -> None:
    shop.plant_row_of_another_client(DAYS[0])
    assert [day.result for day in verify(shop.database, DAYS)] == ["wrong", "verified", "verified"]

    (request,), _ = tick(instance)
    (check,) = carry_out(instance, request, JOB).get_asset_check_evaluations()

    assert check.passed
    assert shop.is_right()
    assert tick(instance)[0] == []


def test_a_wrong_group_on_a_day_without_partition_is_reported_and_starts_no_run(
    instance: dg.DagsterInstance, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.plant_wrong_rows(DAYS[0])
    list(verify(shop.database, DAYS))
    later = shop.database.settings.model_copy(update={"start_date": DAYS[2]})
    monkeypatch.setattr(repair_module, "_settings", later)

    assert tick(instance) == (
        [],
        "1 wrong group on 2024-07-01, before the start date 2024-09-09: no run can repair them.",
    )
