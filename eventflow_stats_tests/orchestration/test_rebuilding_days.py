"""Runs of marketing_stats_daily: ranges, per-day metadata, clients, failures."""

import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import psycopg
import pytest

from eventflow_stats.definitions import defs
from eventflow_stats.engine.database import Database
from eventflow_stats.local.sample import SampleSize, make_sample
from eventflow_stats.orchestration.partitions import range_tags

FIRST, LAST = date(2026, 3, 1), date(2026, 3, 4)


@pytest.fixture
def sampled(facts: Database) -> Database:
    make_sample(facts, SampleSize(visits=2000, clients=3, days=4, until=LAST, seed=7))
    return facts


def run(
    instance: dg.DagsterInstance, first: date = FIRST, last: date = LAST, clients: list[str] | None = None
) -> dg.ExecuteInProcessResult:
    job = defs.resolve_job_def("rebuild_days")
    return job.execute_in_process(
        instance=instance,
        tags=range_tags(first, last),
        run_config={"ops": {"marketing_stats_daily": {"config": {"clients": clients or []}}}},
        raise_on_error=False,
    )


def rows(database: Database, sql: str) -> list[Any]:
    with psycopg.connect(plain_url(database)) as connection:
        return connection.execute(sql).fetchall()


def plain_url(database: Database) -> str:
    return database.url.set(drivername="postgresql").render_as_string(hide_password=False)


def materialized(instance: dg.DagsterInstance) -> set[str]:
    return instance.get_materialized_partitions(dg.AssetKey("marketing_stats_daily"))


def test_a_range_run_rebuilds_and_proves_each_of_its_days(instance: dg.DagsterInstance, sampled: Database) -> None:
    result = run(instance)

    assert result.success
    days = {(FIRST + timedelta(days=count)).isoformat() for count in range(4)}
    assert materialized(instance) == days
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
    assert check.description is not None
    assert check.description.endswith("groups on 4 days equal the facts.")
    proved = rows(sampled, "SELECT bucket_date::text, proof_result FROM eventflow_stats.days ORDER BY 1")
    assert proved == [(day, "proved") for day in sorted(days)]


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
    told = {}
    for day, numbers in numbers_by_day(instance).items():
        told[day] = f"({numbers['rows']:.0f},{numbers['visits']:.0f},{numbers['conversions']:.0f})"
        assert numbers["facts_read"] >= numbers["visits"]
        assert numbers["seconds"] > 0
        assert numbers["unresolved_facts"] == 0
    assert told == stored


def test_a_run_for_one_client_says_that_its_days_are_not_covered(
    instance: dg.DagsterInstance, sampled: Database
) -> None:
    result = run(instance, clients=["sample-7-2"])

    (check,) = result.get_asset_check_evaluations()
    assert result.success
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert "not yet computed for every client: 2026-03-01" in str(check.description)
    clients = rows(sampled, "SELECT DISTINCT c.slug FROM marketing_stats_daily m JOIN clients c ON c.id = client_id")
    assert clients == [("sample-7-2",)]


def test_a_run_for_one_client_of_covered_days_passes(instance: dg.DagsterInstance, sampled: Database) -> None:
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
    with sampled.session() as connection, sampled.writing_day(connection, date(2026, 3, 2)):
        result = run(instance)

    assert not result.success
    assert materialized(instance) == {"2026-03-01", "2026-03-03", "2026-03-04"}
    covered = rows(sampled, "SELECT bucket_date::text FROM eventflow_stats.days WHERE covered_at IS NOT NULL")
    assert {day for (day,) in covered} == materialized(instance)
    descriptions = [
        event.step_failure_data.user_failure_data.description
        for event in result.all_events
        if event.is_step_failure and event.step_failure_data.user_failure_data
    ]
    assert "2026-03-02 is being written by another run" in str(descriptions[0])


def test_the_day_of_a_fact_arriving_between_rebuild_and_check_is_a_warning_not_an_error(
    instance: dg.DagsterInstance, sampled: Database
) -> None:
    run(instance)
    with psycopg.connect(plain_url(sampled)) as connection:
        connection.execute(
            "INSERT INTO event_access_logs (campaign_id, session_id, accessed_at) "
            "SELECT id, 'late', %s FROM event_survey_campaigns LIMIT 1",
            [datetime(2026, 3, 3, 12, tzinfo=UTC)],
        )

    check = verify(instance, FIRST, LAST)

    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert check.description == "facts moved since 2026-03-03 was computed."


def verify(instance: dg.DagsterInstance, first: date, last: date) -> dg.AssetCheckEvaluation:
    config = {"first_day": first.isoformat(), "last_day": last.isoformat()}
    result = defs.resolve_job_def("verify_days").execute_in_process(
        instance=instance,
        run_config={"ops": {"marketing_stats_daily_reconciles_with_facts": {"config": config}}},
        raise_on_error=False,
    )
    (check,) = result.get_asset_check_evaluations()
    return check


def test_the_check_names_every_wrong_group_and_a_rebuild_repairs_it(
    instance: dg.DagsterInstance, sampled: Database
) -> None:
    run(instance)
    with psycopg.connect(plain_url(sampled)) as connection:
        planted = connection.execute(
            "UPDATE marketing_stats_daily SET visits = visits + 1 WHERE id IN "
            "(SELECT id FROM marketing_stats_daily WHERE bucket_date IN ('2026-03-01', '2026-03-04') "
            "ORDER BY id LIMIT 5) RETURNING bucket_date::text, visits"
        ).fetchall()

    check = verify(instance, FIRST, LAST)

    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.ERROR
    assert check.metadata["wrong_groups"].value == 5
    table = check.metadata["differing_groups"]
    assert isinstance(table, dg.TableMetadataValue)
    named = sorted((str(record.data["day"]), str(record.data["visits"])) for record in table.records)
    assert named == sorted((day, f"{visits}, should be {visits - 1}") for day, visits in planted)

    (repaired,) = run(instance).get_asset_check_evaluations()

    assert repaired.passed
    ledger = rows(sampled, "SELECT repaired_by LIKE 'Dagster run %' FROM eventflow_stats.discrepancies")
    assert ledger == [(True,)] * 5


def test_what_the_check_says_shows_values_from_the_public_web_verbatim(
    instance: dg.DagsterInstance, sampled: Database
) -> None:
    """The UI renders descriptions as Markdown: a UTM value must not become a link, an image or bold text."""
    run(instance)
    with psycopg.connect(plain_url(sampled)) as connection:
        connection.execute(
            "INSERT INTO marketing_stats_daily (id, client_id, bucket_date, utm_source, utm_medium, visits) "
            "SELECT gen_random_uuid(), id, '2026-03-04', '![x](http://evil.example/`)', '__null__', 7 "
            "FROM clients ORDER BY slug LIMIT 1"
        )

    check = verify(instance, FIRST, LAST)

    assert check.description == (
        "1 wrong group on 2026-03-04; first: `` Sample client 1 of seed 7, campaign __null__, link __null__, "
        'utm "![x](http://evil.example/`)" / "__null__" / __null__ ``: '
        "visits 7, should be no row; conversions 0, should be no row."
    )


def test_a_check_that_cannot_reach_the_facts_fails_instead_of_passing(
    instance: dg.DagsterInstance, sampled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTFLOW_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")

    result = defs.resolve_job_def("verify_days").execute_in_process(instance=instance, raise_on_error=False)

    assert not result.success
    assert result.get_asset_check_evaluations() == []


def test_days_committed_before_an_interruption_are_shown_as_materialized(
    instance: dg.DagsterInstance, sampled: Database
) -> None:
    """A run that loses its database half way keeps what it committed, and says so in the UI."""
    with sampled.session() as holder, sampled.writing_day(holder, date(2026, 3, 3)):
        killer = threading.Timer(0.8, _end_other_sessions, [sampled])
        killer.start()
        result = run(instance)
        killer.join()

    assert not result.success
    assert {"2026-03-01", "2026-03-02"} <= materialized(instance)
    covered = rows(sampled, "SELECT bucket_date::text FROM eventflow_stats.days WHERE covered_at IS NOT NULL")
    assert {day for (day,) in covered} == materialized(instance)


def _end_other_sessions(database: Database) -> None:
    with psycopg.connect(plain_url(database)) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND wait_event_type = 'Lock'"
        )
