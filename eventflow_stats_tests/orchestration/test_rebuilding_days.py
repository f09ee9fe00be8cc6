"""Runs of marketing_stats_daily: ranges, per-day metadata, clients, failures."""

import threading
from datetime import date, timedelta

import dagster as dg
import psycopg

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.day_locks import writing_day
from eventflow_stats_tests.orchestration.runs import FIRST, materialized, plain_url, rows, run
from eventflow_stats_tests.orchestration.shop import failure, giving_up_on


def test_a_range_run_rebuilds_and_verifies_each_of_its_days(instance: dg.DagsterInstance, sampled: Database) -> None:
    result = run(instance)

    assert result.success
    days = {(FIRST + timedelta(days=count)).isoformat() for count in range(4)}
    assert materialized(instance) == days
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
    assert check.description is not None
    assert check.description.endswith("groups on 4 days equal the facts.")
    verified = rows(sampled, "SELECT bucket_date::text, verification_result FROM eventflow_stats.days ORDER BY 1")
    assert verified == [(day, "verified") for day in sorted(days)]


def test_each_day_of_a_range_run_carries_its_own_metadata(instance: dg.DagsterInstance, sampled: Database) -> None:
    run(instance)

    stored: dict[object, object] = dict(
        rows(
            sampled,
            "SELECT bucket_date::text, (count(*), sum(visits), sum(conversions))::text "
            "FROM marketing_stats_daily GROUP BY 1",
        )
    )
    assert len(stored) == 4
    message = {}
    for day, numbers in numbers_by_day(instance).items():
        message[day] = f"({numbers['rows']:.0f},{numbers['visits']:.0f},{numbers['conversions']:.0f})"
        assert numbers["facts_read"] >= numbers["visits"]
        assert numbers["seconds"] > 0
        assert numbers["unresolved_facts"] == 0
    assert message == stored


def test_a_run_for_one_client_verifies_that_client_and_reports_it(
    instance: dg.DagsterInstance, sampled: Database
) -> None:
    result = run(instance, clients=["sample-7-2"])

    (check,) = result.get_asset_check_evaluations()
    assert result.success
    assert check.passed
    assert str(check.description).endswith("days equal the facts; compared for `sample-7-2` alone.")
    computed = rows(sampled, "SELECT FROM eventflow_stats.days WHERE rebuilt_at IS NOT NULL")
    assert computed == [], "the other clients of these days were not computed"
    clients = rows(sampled, "SELECT DISTINCT c.slug FROM marketing_stats_daily m JOIN clients c ON c.id = client_id")
    assert clients == [("sample-7-2",)]


def test_a_run_for_one_client_of_computed_days_passes(instance: dg.DagsterInstance, sampled: Database) -> None:
    run(instance)

    (check,) = run(instance, clients=["sample-7-2"]).get_asset_check_evaluations()

    assert check.passed
    assert check.metadata["only_clients"].value == "sample-7-2"


def test_the_metadata_of_a_run_for_one_client_still_describes_the_whole_day(
    instance: dg.DagsterInstance, sampled: Database
) -> None:
    run(instance)
    whole = numbers_by_day(instance)

    run(instance, clients=["sample-7-2"])

    limited = numbers_by_day(instance)
    for day, numbers in whole.items():
        assert {name: limited[day][name] for name in ("rows", "visits", "conversions")} == {
            name: numbers[name] for name in ("rows", "visits", "conversions")
        }
        assert limited[day]["facts_read"] < numbers["facts_read"]
        assert "unresolved_facts" not in limited[day]


def numbers_by_day(instance: dg.DagsterInstance) -> dict[str, dict[str, float]]:
    """The metadata of each day's latest materialization."""
    found: dict[str, dict[str, float]] = {}
    for record in instance.fetch_materializations(dg.AssetKey("marketing_stats_daily"), limit=100).records:
        assert record.asset_materialization is not None
        metadata = record.asset_materialization.metadata
        numbers = {name: float(entry.value) for name, entry in metadata.items() if isinstance(entry.value, int | float)}
        found.setdefault(str(record.partition_key), numbers)
    return found


def test_an_unknown_client_fails_the_run_in_one_line(instance: dg.DagsterInstance, sampled: Database) -> None:
    result = run(instance, clients=["nobody"])

    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure][:1]
    assert failure.step_failure_data.user_failure_data is not None
    assert failure.step_failure_data.user_failure_data.description == (
        "client 'nobody' is unknown; give a client's id, slug or exact name"
    )
    assert rows(sampled, "SELECT FROM marketing_stats_daily") == []


def test_a_busy_day_fails_the_run_and_leaves_the_other_days_rebuilt(
    instance: dg.DagsterInstance, sampled: Database
) -> None:
    with sampled.session() as connection, writing_day(sampled, connection, date(2026, 3, 2)):
        result = run(instance)

    assert not result.success
    assert materialized(instance) == {"2026-03-01", "2026-03-03", "2026-03-04"}
    computed = rows(sampled, "SELECT bucket_date::text FROM eventflow_stats.days WHERE rebuilt_at IS NOT NULL")
    assert {day for (day,) in computed} == materialized(instance)
    descriptions = [
        event.step_failure_data.user_failure_data.description
        for event in result.all_events
        if event.is_step_failure and event.step_failure_data.user_failure_data
    ]
    assert "2026-03-02 is being written by another run" in str(descriptions[0])


def test_days_on_which_the_database_fails_are_named_and_the_other_days_are_rebuilt(
    instance: dg.DagsterInstance, sampled: Database
) -> None:
    with giving_up_on(sampled, FIRST):
        result = run(instance)

    assert not result.success
    assert materialized(instance) == {"2026-03-02", "2026-03-03", "2026-03-04"}
    computed = rows(sampled, "SELECT bucket_date::text FROM eventflow_stats.days WHERE rebuilt_at IS NOT NULL")
    assert {day for (day,) in computed} == materialized(instance)
    assert failure(result).startswith("1 of 4 days were not rebuilt: 2026-03-01: postgresql://")
    assert failure(result).endswith("gave up: cannot go on; nothing was changed, try again")


def test_days_committed_before_an_interruption_are_shown_as_materialized(
    instance: dg.DagsterInstance, sampled: Database
) -> None:
    """A run that loses its database half way keeps its committed days, and the UI shows them."""
    with sampled.session() as holder, writing_day(sampled, holder, date(2026, 3, 3)):
        killer = threading.Timer(0.8, _end_other_sessions, [sampled])
        killer.start()
        result = run(instance)
        killer.join()

    assert not result.success
    assert {"2026-03-01", "2026-03-02"} <= materialized(instance)
    computed = rows(sampled, "SELECT bucket_date::text FROM eventflow_stats.days WHERE rebuilt_at IS NOT NULL")
    assert {day for (day,) in computed} == materialized(instance)


def _end_other_sessions(database: Database) -> None:
    with psycopg.connect(plain_url(database)) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND wait_event_type = 'Lock'"
        )
