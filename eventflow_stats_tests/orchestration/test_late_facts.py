"""The sensor late_facts: real ticks and the real runs that they request."""

from datetime import UTC, date, datetime, timedelta
from typing import get_args

import dagster as dg
import pytest

from eventflow_stats.engine.rollup.day_locks import writing_day
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.status.due_work import StaleDay, stale_days
from eventflow_stats.orchestration.sensors import late_facts as late_facts_module
from eventflow_stats.orchestration.sensors.late_facts import late_facts
from eventflow_stats_tests.orchestration.shop import (
    DAYS,
    Shop,
    carry_out,
    giving_up_on,
    sensor_tick,
    today,
    yesterday,
)

JOB = "refresh_late_days"


@pytest.fixture(autouse=True)
def no_missing_day(shop: Shop) -> None:
    """Every day since the shop's first counts as computed."""
    shop.product.connection.execute(
        "INSERT INTO eventflow_stats.days (bucket_date, rebuilt_at) "
        "SELECT CAST(day AS date), now() FROM generate_series(%s::date, now(), '1 day') AS day ON CONFLICT DO NOTHING",
        [DAYS[0]],
    )


def tick(instance: dg.DagsterInstance) -> tuple[list[dg.RunRequest], str | None]:
    return sensor_tick(instance, late_facts)


def test_a_tick_without_late_facts_starts_no_run_and_reports_that(instance: dg.DagsterInstance, shop: Shop) -> None:
    requests, why = tick(instance)

    assert requests == []
    assert why == "Every day before yesterday is up to date; 0 new facts of all days."


def test_the_default_days_of_an_answer_are_computed_although_facts_begin_later(
    instance: dg.DagsterInstance, shop: Shop
) -> None:
    for table in ("event_access_logs", "event_survey_entries", "eventflow_stats.client_days", "eventflow_stats.days"):
        shop.product.connection.execute(f"DELETE FROM {table}".encode())
    assert tick(instance)[0] == []
    list(rebuild(shop.database, [yesterday(), today()]))

    (request,), _ = tick(instance)

    first, last = today() - timedelta(days=29), today() - timedelta(days=2)
    assert request.tags["eventflow/days"] == f"{first} to {last}"
    assert request.tags["eventflow/reason"] == "28 days never computed, attempt 1"
    assert carry_out(instance, request, JOB).success
    assert tick(instance)[0] == []


def test_one_run_refreshes_a_batch_of_days_with_late_facts(instance: dg.DagsterInstance, shop: Shop) -> None:
    days = [DAYS[0], date(2024, 7, 31)]
    shop.product.add(*(shop.visit(day, "late") for day in days))

    (request,), _ = tick(instance)

    assert request.tags["eventflow/days"] == "2024-07-01 to 2024-07-31"
    assert request.tags["eventflow/reason"] == "late facts in 2 client-days on 2 days, attempt 1"
    result = carry_out(instance, request, JOB)
    assert result.success
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
    assert shop.is_right()
    assert tick(instance)[0] == []


def test_days_far_apart_are_refreshed_in_batches_newest_first(instance: dg.DagsterInstance, shop: Shop) -> None:
    shop.product.add(*(shop.visit(day, "late") for day in DAYS))

    requested = []
    for _ in range(2):
        (request,), _ = tick(instance)
        requested.append(request.tags["eventflow/days"])
        assert carry_out(instance, request, JOB).success

    assert requested == ["2024-09-09", "2024-07-01 to 2024-07-02"]
    assert shop.is_right()


def test_a_stream_of_late_facts_delays_neither_older_ones_nor_missing_days(
    instance: dg.DagsterInstance, shop: Shop
) -> None:
    """No run is executed, so what is stale remains stale."""
    gap, connection = date(2025, 5, 1), shop.product.connection
    set_stale = "UPDATE eventflow_stats.client_days SET stale_since = now() - %s WHERE bucket_date = ANY(%s)"
    shop.product.add(shop.visit(DAYS[0], "late"), shop.visit(DAYS[2], "late"))
    detect(shop.database)

    def requested_days() -> str:
        connection.execute(set_stale, [timedelta(0), DAYS[2:]])
        (request,), _ = tick(instance)
        instance.create_run_for_job(dagster_job(JOB), status=dg.DagsterRunStatus.SUCCESS, tags=request.tags)
        return request.tags["eventflow/days"]

    connection.execute(set_stale, [timedelta(hours=1), DAYS[:1]])
    assert [requested_days() for _ in range(4)] == [str(DAYS[2]), str(DAYS[0])] * 2

    connection.execute("DELETE FROM eventflow_stats.days WHERE bucket_date = %s", [gap])
    assert [requested_days() for _ in range(2)] == [str(DAYS[2]), str(DAYS[0])], (
        "days known to have facts come before missing ones"
    )
    list(rebuild(shop.database, DAYS[:1]))
    assert [requested_days() for _ in range(2)] == [str(DAYS[2]), str(gap)]


def test_the_newest_of_days_that_became_stale_together_comes_first() -> None:
    """A whole history becomes stale within moments; its oldest days are marked first."""
    found = datetime(2026, 3, 4, 12, tzinfo=UTC)
    late = [StaleDay(day, found, found - timedelta(seconds=count), 1) for count, day in enumerate(reversed(DAYS), -2)]

    for turn in get_args(late_facts_module.Turn):
        assert [day.bucket_date for day in late_facts_module._in_turn(late, turn)[0]] == DAYS[2:]


def test_a_fact_of_long_ago_that_changes_is_found(instance: dg.DagsterInstance, shop: Shop) -> None:
    tick(instance)
    shop.product.connection.execute("UPDATE eventflow_stats.days SET rebuilt_at = rebuilt_at - interval '2 h'")
    shop.product.change(next(iter(shop.product.world.visits.values())), utm_source="kakao")
    shop.product.connection.execute("SELECT pg_stat_force_next_flush()")

    (request,), _ = tick(instance)

    assert carry_out(instance, request, JOB).success
    assert shop.is_right()


def test_history_is_swept_although_the_last_days_are_due_all_the_time(
    instance: dg.DagsterInstance, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of the product change all the time, and there is time to sweep only one day."""
    tick(instance)
    shop.product.connection.execute("UPDATE eventflow_stats.days SET rebuilt_at = rebuilt_at - interval '2 h'")
    monkeypatch.setattr(late_facts_module, "SECONDS_PER_TICK", 0)
    swept = set()
    for _ in range(5):
        shop.product.connection.execute("UPDATE event_survey_campaigns SET title = title || '.'")
        shop.product.connection.execute("SELECT pg_stat_force_next_flush()")
        tick(instance)
        found = "SELECT bucket_date FROM eventflow_stats.days WHERE swept_at IS NOT NULL"
        swept |= {day for (day,) in shop.product.connection.execute(found)}

    assert len(swept) == 5
    assert swept.isdisjoint({yesterday(), today()})


def test_no_second_run_is_requested_while_one_is_active(instance: dg.DagsterInstance, shop: Shop) -> None:
    shop.product.add(shop.visit(DAYS[0], "late"))
    run = instance.create_run_for_job(dagster_job(JOB), status=dg.DagsterRunStatus.STARTED)

    requests, why = tick(instance)

    assert requests == []
    assert why == f"late facts in 1 client-day on 1 day; run {run.run_id} is active, the rest follows after it."


def dagster_job(name: str) -> dg.JobDefinition:
    from eventflow_stats.definitions import defs

    return defs.resolve_job_def(name)


def test_the_run_key_changes_when_more_late_facts_arrive(instance: dg.DagsterInstance, shop: Shop) -> None:
    shop.product.add(shop.visit(DAYS[0], "late"))
    (request,), _ = tick(instance)
    (same,), _ = tick(instance)
    assert same.run_key == request.run_key
    carry_out(instance, request, JOB)

    shop.product.add(shop.visit(DAYS[0], "later"))
    (another,), _ = tick(instance)

    assert another.run_key != request.run_key


def test_a_failed_run_is_requested_again_with_a_new_key_and_after_three_failures_once_an_hour(
    instance: dg.DagsterInstance, shop: Shop
) -> None:
    shop.product.add(shop.visit(DAYS[0], "late"))
    tick(instance)
    keys = set()
    with shop.database.session() as writer, writing_day(shop.database, writer, DAYS[0]):
        for _ in range(3):
            (request,), _ = tick(instance)
            keys.add(request.run_key)
            assert not carry_out(instance, request, JOB).success
        requests, why = tick(instance)

    assert len(keys) == 3
    assert requests == []
    assert why == "late facts in 1 client-day on 1 day: their refresh failed, it is tried again within the hour."


def test_a_batch_whose_old_runs_were_deleted_gets_a_key_that_was_never_used(
    instance: dg.DagsterInstance, shop: Shop
) -> None:
    shop.product.add(shop.visit(DAYS[0], "late"))
    tick(instance)
    used, runs = set(), []
    with shop.database.session() as writer, writing_day(shop.database, writer, DAYS[0]):
        for _ in range(3):
            (request,), _ = tick(instance)
            used.add(request.run_key)
            runs.append(carry_out(instance, request, JOB).run_id)
    for run_id in runs[:2]:
        instance.delete_run(run_id)

    (request,), _ = tick(instance)

    assert request.run_key not in used


def test_a_day_that_fails_does_not_stop_the_refresh_of_other_days(instance: dg.DagsterInstance, shop: Shop) -> None:
    shop.product.add(*(shop.visit(day, "late") for day in DAYS[:2]))
    (request,), _ = tick(instance)

    with giving_up_on(shop.database, DAYS[0]):
        result = carry_out(instance, request, JOB)

    assert not result.success
    assert [day.bucket_date for day in stale_days(shop.database, DAYS[0], DAYS[-1])] == [DAYS[0]]
    (again,), _ = tick(instance)
    assert again.tags["eventflow/days"] == "2024-07-01"
    assert carry_out(instance, again, JOB).success
    assert shop.is_right()


def test_days_with_new_facts_that_another_run_writes_are_reported(instance: dg.DagsterInstance, shop: Shop) -> None:
    shop.product.add(*(shop.visit(day, "late") for day in DAYS[:2]))
    with shop.database.session() as writer, writing_day(shop.database, writer, DAYS[0]):
        with shop.database.session() as other, writing_day(shop.database, other, DAYS[1]):
            requests, why = tick(instance)
        assert requests == []
        assert why == (
            "2 days with new facts are being written by another run: the next tick detects them again; "
            "2 new facts of all days."
        )
        (request,), _ = tick(instance)

    assert request.tags["eventflow/days"] == str(DAYS[1])


def test_yesterday_and_today_belong_to_the_schedule(instance: dg.DagsterInstance, shop: Shop) -> None:
    shop.product.add(shop.visit(today(), "new"), shop.visit(yesterday(), "new"))

    requests, why = tick(instance)

    assert requests == []
    assert why == "Every day before yesterday is up to date; 2 new facts of all days."


def test_facts_of_days_without_partition_are_reported(instance: dg.DagsterInstance, shop: Shop) -> None:
    shop.product.add(shop.visit(date(1999, 12, 31), "early"), shop.visit(today() + timedelta(days=3), "early"))

    requests, why = tick(instance)

    assert requests == []
    assert why is not None
    assert why.endswith(
        "; 1 day with facts before the start date 2012-01-01; "
        "1 day with facts in the future, to be computed when that day comes."
    )


def test_the_sensor_is_on_by_default() -> None:
    assert late_facts.default_status == dg.DefaultSensorStatus.RUNNING


def test_a_history_that_was_never_computed_is_computed(instance: dg.DagsterInstance, shop: Shop) -> None:
    days = [date(2023, 1, 1), date(2023, 1, 2)]
    shop.product.add(*(shop.visit(day, "old") for day in days))

    (request,), _ = tick(instance)

    assert carry_out(instance, request, JOB).success
    assert shop.is_right()
    computed = shop.product.connection.execute(
        "SELECT bucket_date FROM eventflow_stats.days WHERE rebuilt_at IS NOT NULL AND bucket_date = ANY(%s)", [days]
    ).fetchall()
    assert len(computed) == 2


def test_missing_days_are_computed(instance: dg.DagsterInstance, shop: Shop) -> None:
    shop.product.connection.execute(
        "DELETE FROM eventflow_stats.days WHERE bucket_date BETWEEN '2025-05-01' AND '2025-05-03'"
    )

    (request,), _ = tick(instance)

    assert request.tags["eventflow/days"] == "2025-05-01 to 2025-05-03"
    assert request.tags["eventflow/reason"] == "3 days never computed, attempt 1"
    assert carry_out(instance, request, JOB).success
    assert tick(instance)[0] == []


def test_missing_days_before_a_later_start_date_are_not_requested(
    instance: dg.DagsterInstance, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.product.connection.execute("DELETE FROM eventflow_stats.days WHERE bucket_date = '2024-08-01'")
    later = shop.database.settings.model_copy(update={"start_date": DAYS[2]})
    monkeypatch.setattr(late_facts_module, "_settings", later)

    assert tick(instance)[0] == []
