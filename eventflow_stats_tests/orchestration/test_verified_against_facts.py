"""The check verified_against_facts: what it finds, and its messages for an operator."""

from datetime import UTC, datetime

import dagster as dg
import psycopg
import pytest

from eventflow_stats.definitions import defs
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.orchestration.checks import check_metadata
from eventflow_stats.orchestration.sensors.late_facts import late_facts
from eventflow_stats_tests.facts import Visit
from eventflow_stats_tests.orchestration.runs import FIRST, LAST, plain_url, rows, run, run_verification
from eventflow_stats_tests.orchestration.shop import DAYS, Shop, carry_out, sensor_tick


def test_a_fact_that_arrives_between_rebuild_and_check_is_a_warning_not_an_error(
    instance: dg.DagsterInstance, sampled: Database
) -> None:
    run(instance)
    with psycopg.connect(plain_url(sampled)) as connection:
        connection.execute(
            "INSERT INTO event_access_logs (campaign_id, session_id, accessed_at) "
            "SELECT id, 'late', %s FROM event_survey_campaigns LIMIT 1",
            [datetime(2026, 3, 3, 12, tzinfo=UTC)],
        )

    check = run_verification(instance, FIRST, LAST)

    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert check.description == "facts changed since 2026-03-03 was computed."


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

    check = run_verification(instance, FIRST, LAST)

    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.ERROR
    assert check.metadata["wrong_groups"].value == 5
    table = check.metadata["group_differences"]
    assert isinstance(table, dg.TableMetadataValue)
    named = sorted((record.data["day"], *numbers(record)) for record in table.records)
    assert named == sorted((day, visits, visits - 1, "+1 visit, 0 conversions") for day, visits in planted)
    assert check.metadata["differences_in_all"].value == (
        "5 wrong groups, in all +5 visits, 0 conversions (stored minus true)"
    )
    repair = str(check.metadata["how_to_repair"].value)
    assert "materialize the days named here (asset page" in repair
    assert (
        "run: eventflow-stats backfill --from 2026-03-01 --to 2026-03-01 then eventflow-stats backfill --from "
        in repair
    )
    link = check.metadata["run"]
    assert isinstance(link, dg.DagsterRunMetadataValue)
    assert instance.get_run_by_id(link.run_id) is not None

    (repaired,) = run(instance).get_asset_check_evaluations()

    assert repaired.passed
    ledger = rows(sampled, "SELECT repaired_by LIKE 'Dagster run %' FROM eventflow_stats.discrepancies")
    assert ledger == [(True,)] * 5


def numbers(record: dg.TableRecord) -> tuple[int, int, str]:
    """Visits stored and true, and the text of the difference."""
    stored, true = (int(str(record.data[column]).split(" visit")[0].replace(",", "")) for column in ("stored", "true"))
    return stored, true, str(record.data["difference"])


def test_a_wrong_day_does_not_turn_green_because_another_day_was_verified(
    instance: dg.DagsterInstance, sampled: Database
) -> None:
    run(instance)
    with psycopg.connect(plain_url(sampled)) as connection:
        connection.execute(
            "UPDATE marketing_stats_daily SET visits = 0 WHERE id = "
            "(SELECT id FROM marketing_stats_daily WHERE bucket_date = '2026-03-01' AND visits > 0 LIMIT 1)"
        )
    assert not run_verification(instance, FIRST, FIRST).passed

    of_another_day = run_verification(instance, LAST, LAST)

    assert not of_another_day.passed
    assert of_another_day.severity == dg.AssetCheckSeverity.ERROR
    assert of_another_day.description == "1 wrong group found before and not repaired: 2026-03-01."
    run(instance, FIRST, FIRST)
    assert run_verification(instance, LAST, LAST).passed


def test_missing_days_are_a_warning_that_names_them(instance: dg.DagsterInstance, sampled: Database) -> None:
    check = run_verification(instance, FIRST, FIRST)

    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert check.description == "never computed: 2026-03-01."


def test_a_table_that_is_cut_names_the_place_of_all_wrong_groups(
    instance: dg.DagsterInstance, sampled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(instance)
    with psycopg.connect(plain_url(sampled)) as connection:
        connection.execute("UPDATE marketing_stats_daily SET visits = visits + 1 WHERE bucket_date = '2026-03-01'")
    monkeypatch.setattr(check_metadata, "NAMED_IN_THE_UI", 2)

    check = run_verification(instance, FIRST, LAST)

    assert check.metadata["named_here"].value == "2 groups; every wrong one is in eventflow_stats.discrepancies"
    recorded = rows(sampled, "SELECT count(*) FROM eventflow_stats.discrepancies")
    assert recorded == [(check.metadata["wrong_groups"].value,)]


def test_facts_without_a_client_are_reported_beside_a_passed_check(
    instance: dg.DagsterInstance, sampled: Database
) -> None:
    with psycopg.connect(plain_url(sampled)) as connection:
        connection.execute(
            "WITH nobodys AS (INSERT INTO webinars (title, slug) VALUES ('Nobody''s', 'nobodys') RETURNING id) "
            "INSERT INTO event_access_logs (webinar_id, session_id, accessed_at) SELECT id, 'lost', %s FROM nobodys",
            [datetime(2026, 3, 3, 12, tzinfo=UTC)],
        )

    (check,) = run(instance).get_asset_check_evaluations()

    assert check.passed
    assert str(check.description).endswith("equal the facts; 1 fact of these days without a client, so in no group.")


def test_the_message_shows_values_from_the_public_web_verbatim(instance: dg.DagsterInstance, sampled: Database) -> None:
    """The UI renders descriptions as Markdown: a UTM value must not become a link, an image or bold text."""
    run(instance)
    with psycopg.connect(plain_url(sampled)) as connection:
        connection.execute(
            "INSERT INTO marketing_stats_daily (id, client_id, bucket_date, utm_source, utm_medium, visits) "
            "SELECT gen_random_uuid(), id, '2026-03-04', '![x](http://evil.example/`)', '__null__', 7 "
            "FROM clients ORDER BY slug LIMIT 1"
        )

    check = run_verification(instance, FIRST, LAST)

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


def test_a_wrong_day_stays_red_while_another_client_of_it_is_refreshed(
    instance: dg.DagsterInstance, shop: Shop
) -> None:
    other = shop.product.campaign(shop.product.client())
    list(verify(shop.database, DAYS))
    shop.plant_wrong_rows(DAYS[0])
    list(verify(shop.database, DAYS))
    noon = datetime(DAYS[0].year, DAYS[0].month, DAYS[0].day, 12, tzinfo=UTC)
    shop.product.add(Visit(at=noon, ingested_at=datetime.now(UTC), campaign_id=other, session_id="late"))

    (request,), _ = sensor_tick(instance, late_facts)
    (check,) = carry_out(instance, request, "refresh_late_days").get_asset_check_evaluations()

    assert not check.passed
    assert str(check.description).startswith("1 wrong group on 2024-07-01; first: ")


def test_a_wrong_group_found_before_fails_the_verification_of_another_day(
    instance: dg.DagsterInstance, shop: Shop
) -> None:
    shop.plant_wrong_rows(DAYS[0])
    list(verify(shop.database, DAYS))

    check = run_verification(instance, DAYS[1], DAYS[1])

    assert not check.passed
    assert str(check.description) == "1 wrong group found before and not repaired: 2024-07-01."
