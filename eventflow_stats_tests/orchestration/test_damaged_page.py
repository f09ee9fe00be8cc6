"""One page of an old day cannot be read: backfill, sensor, tick, verification and command continue and name the day."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.orchestration.schedules import every_five_minutes
from eventflow_stats.orchestration.sensors.late_facts import late_facts
from eventflow_stats.settings import Settings
from eventflow_stats_tests.cli.command import eventflow
from eventflow_stats_tests.conftest import Cluster
from eventflow_stats_tests.damage import add_visits, damaged_copy, page_within
from eventflow_stats_tests.facts import Product, connect
from eventflow_stats_tests.orchestration.runs import materialized, run, run_verification
from eventflow_stats_tests.orchestration.shop import carry_out, failure, schedule_tick, sensor_tick

pytestmark = pytest.mark.environment

DAYS = [date(2026, 3, day) for day in range(1, 8)]
DAMAGED = DAYS[2]
OTHERS = {str(day) for day in DAYS if day != DAMAGED}
REASON = "invalid page in block"


@pytest.fixture(scope="module")
def computed(cluster: Cluster) -> Iterator[str]:
    url = cluster.migrated("UTC")
    database = Database(url, Settings())
    with connect(database) as connection:
        product = Product(connection)
        campaign = product.campaign(product.client())
        for day in DAYS:
            add_visits(connection, campaign, day, 1000)
        connection.execute("VACUUM ANALYZE event_access_logs")
    detect(database)
    list(rebuild(database, DAYS))
    list(verify(database, DAYS))
    yield url
    cluster.drop(url)


@pytest.fixture
def damaged(
    cluster: Cluster, computed: str, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database]:
    url = damaged_copy(cluster, computed, "event_access_logs", page_within(computed, DAMAGED))
    monkeypatch.setenv("EVENTFLOW_DATABASE_URL", url)
    monkeypatch.setenv("EVENTFLOW_START_DATE", str(DAYS[0]))
    yield Database(url, Settings())
    cluster.drop(url)


def test_a_backfill_rebuilds_every_other_day_and_a_verification_compares_it(
    instance: dg.DagsterInstance, damaged: Database
) -> None:
    result = run(instance, DAYS[0], DAYS[-1])

    assert failure(result).startswith(f"1 of 7 days were not rebuilt: {DAMAGED}: ")
    assert REASON in failure(result)
    assert materialized(instance) == OTHERS
    check = run_verification(instance, DAYS[0], DAYS[-1])
    assert not check.passed
    assert f"{DAMAGED}" in str(check.description)
    assert REASON in str(check.description)


def test_sensor_and_tick_find_and_refresh_facts_of_the_other_days(
    instance: dg.DagsterInstance, damaged: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    with connect(damaged) as connection:
        (campaign,) = connection.execute("SELECT id FROM event_survey_campaigns").fetchone() or (None,)
        connection.execute(
            "INSERT INTO event_access_logs (campaign_id, session_id, accessed_at, created_at) "
            "VALUES (%s, 'late', %s, now())",
            [campaign, datetime(2026, 3, 6, 12, tzinfo=UTC)],
        )
        # This test is not about missing days.
        connection.execute(
            "INSERT INTO eventflow_stats.days (bucket_date, rebuilt_at) SELECT CAST(day AS date), now() "
            "FROM generate_series(%s::date, now(), '1 day') AS day ON CONFLICT DO NOTHING",
            [DAYS[0]],
        )

    schedule_tick(instance, every_five_minutes)
    (request,), _ = sensor_tick(instance, late_facts)

    assert request.tags["eventflow/days"] == "2026-03-06"
    assert carry_out(instance, request, "refresh_late_days").success
    with connect(damaged) as connection:
        found = connection.execute("SELECT sum(visits) FROM marketing_stats_daily WHERE bucket_date = '2026-03-06'")
        assert found.fetchone() == (1001,)


def test_the_command_compares_every_other_day_and_names_the_one(damaged: Database, tmp_path: Path) -> None:
    url = damaged.url.set(drivername="postgresql").render_as_string(hide_password=False)
    span = ("--from", str(DAYS[0]), "--to", str(DAYS[-1]))
    done = eventflow(tmp_path, "verify", *span, "--json", EVENTFLOW_DATABASE_URL=url)

    message = json.loads(done.stdout)
    assert (done.returncode, message["ok"], message["days_verified"]) == (1, False, 6)
    (failed,) = message["failed_days"]
    assert failed["day"] == str(DAMAGED)
    assert REASON in failed["reason"]
