"""The late-facts sensor, by real ticks and the real runs they ask for."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest

from eventflow_stats.definitions import defs
from eventflow_stats.engine.database import Database
from eventflow_stats.engine.detect import detect
from eventflow_stats.engine.rebuild import rebuild
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.orchestration.sensors import late_facts
from eventflow_stats_tests.facts import Product, Visit, connect
from eventflow_stats_tests.oracle import expected_groups
from eventflow_stats_tests.rollup import stored_groups

DAYS = [date(2024, 7, 1), date(2024, 7, 2), date(2024, 9, 9)]


class Shop:
    """A client with visits on two days in a row and on one of another month, all of them in the rollup."""

    def __init__(self, database: Database, product: Product) -> None:
        self.database = database
        self.product = product
        self.campaign = product.campaign(product.client())
        product.add(*(self.visit(day, "first", on_time=True) for day in DAYS))
        detect(database)
        list(rebuild(database, DAYS))

    def visit(self, day: date, session: str, on_time: bool = False) -> Visit:
        at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        return Visit(
            at=at,
            ingested_at=at if on_time else datetime.now(UTC),
            campaign_id=self.campaign,
            session_id=session,
        )

    def is_right(self) -> bool:
        return stored_groups(self.product.connection) == expected_groups(self.product.world, "UTC")


@pytest.fixture
def shop(facts: Database) -> Iterator[Shop]:
    with connect(facts) as connection:
        yield Shop(facts, Product(connection))


def tick(instance: dg.DagsterInstance) -> tuple[list[dg.RunRequest], str | None]:
    """The run requests of one tick, and why it asked for none."""
    with dg.build_sensor_context(instance=instance, resources={"database": RollupDatabase()}) as context:
        data = late_facts.evaluate_tick(context)
    return list(data.run_requests or []), data.skip_message


def carry_out(instance: dg.DagsterInstance, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
    job = defs.resolve_job_def("refresh_late_days")
    return job.execute_in_process(
        instance=instance, run_config=request.run_config, tags=request.tags, raise_on_error=False
    )


def test_nothing_late_is_a_tick_that_says_so(instance: dg.DagsterInstance, shop: Shop) -> None:
    requests, why = tick(instance)

    assert requests == []
    assert why == "no day before yesterday has facts that are not in the rollup; 0 new facts in all"


def test_late_facts_are_brought_in_by_one_run_for_each_stretch_of_days(
    instance: dg.DagsterInstance, shop: Shop
) -> None:
    shop.product.add(*(shop.visit(day, "late") for day in DAYS))

    requests, _ = tick(instance)

    assert [request.tags["eventflow/days"] for request in requests] == [
        "2024-07-01 to 2024-07-02",
        "2024-09-09 to 2024-09-09",
    ]
    for request in requests:
        result = carry_out(instance, request)
        assert result.success
        (check,) = result.get_asset_check_evaluations()
        assert check.passed
    assert shop.is_right()
    assert tick(instance)[0] == []


def test_the_same_late_facts_are_one_run_key_and_more_of_them_another(instance: dg.DagsterInstance, shop: Shop) -> None:
    shop.product.add(shop.visit(DAYS[0], "late"))
    (request,), _ = tick(instance)
    (same,), _ = tick(instance)
    assert same.run_key == request.run_key
    carry_out(instance, request)

    shop.product.add(shop.visit(DAYS[0], "later"))
    (another,), _ = tick(instance)

    assert another.run_key != request.run_key


def test_a_failed_run_is_asked_for_again_under_a_fresh_key(
    instance: dg.DagsterInstance, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.product.add(shop.visit(DAYS[0], "late"))
    (request,), _ = tick(instance)
    with shop.database.session() as writer, shop.database.writing_day(writer, DAYS[0]):
        assert not carry_out(instance, request).success

    # The day looked busy to nobody but the run: the next tick finds the same facts late.
    (again,), _ = tick(instance)

    assert again.run_key != request.run_key
    assert carry_out(instance, again).success
    assert shop.is_right()


def test_yesterday_and_today_are_left_to_the_schedule(instance: dg.DagsterInstance, shop: Shop) -> None:
    today = datetime.now(UTC).date()
    shop.product.add(shop.visit(today, "new"), shop.visit(today - timedelta(days=1), "new"))

    requests, why = tick(instance)

    assert requests == []
    assert why == "no day before yesterday has facts that are not in the rollup; 2 new facts in all"


def test_facts_before_the_start_date_are_told_not_hidden(instance: dg.DagsterInstance, shop: Shop) -> None:
    shop.product.add(shop.visit(date(1999, 12, 31), "early"))

    requests, why = tick(instance)

    assert requests == []
    assert why is not None
    assert why.endswith("1 days with facts lie before the start date 2012-01-01")


def test_the_sensor_is_off_until_somebody_switches_it_on() -> None:
    assert late_facts.default_status == dg.DefaultSensorStatus.STOPPED


def test_a_history_never_computed_is_brought_in_whole(instance: dg.DagsterInstance, shop: Shop) -> None:
    days = [date(2023, 1, 1), date(2023, 1, 2)]
    shop.product.add(*(shop.visit(day, "old") for day in days))

    (request,), _ = tick(instance)

    assert carry_out(instance, request).success
    assert shop.is_right()
    covered = shop.product.connection.execute(
        "SELECT bucket_date FROM eventflow_stats.days WHERE covered_at IS NOT NULL AND bucket_date = ANY(%s)", [days]
    ).fetchall()
    assert len(covered) == 2
