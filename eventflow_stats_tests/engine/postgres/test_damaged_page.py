"""One page of an old day cannot be read: that day fails by name, and all other days are computed."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from psycopg import sql

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.quality.kpis import compute_quality
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.rollup.sweep import sweep_due_days
from eventflow_stats.engine.status.due_work import missing_days_to_compute
from eventflow_stats.engine.verification.sample import draw_sample, verify_drawn, verify_sample
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import FailedDays
from eventflow_stats.settings import Settings
from eventflow_stats_tests.conftest import Cluster, name_of
from eventflow_stats_tests.damage import add_visits, damaged_copy, page_within
from eventflow_stats_tests.facts import Product, connect

pytestmark = pytest.mark.environment

DAYS = [date(2026, 3, day) for day in range(1, 8)]
DAMAGED = date(2026, 3, 3)
OTHERS = [day for day in DAYS if day != DAMAGED]
VISITS = 1000


@pytest.fixture(scope="module")
def computed(cluster: Cluster) -> Iterator[str]:
    """A week of one client, computed and verified, some pages a day."""
    url = cluster.migrated("UTC")
    database = Database(url, Settings())
    with connect(database) as connection:
        product = Product(connection)
        campaign = product.campaign(product.client())
        for day in DAYS:
            add_visits(connection, campaign, day, VISITS)
        connection.execute("VACUUM ANALYZE event_access_logs")
    detect(database)
    list(rebuild(database, DAYS))
    list(verify(database, DAYS))
    yield url
    cluster.drop(url)


@pytest.fixture(params=["as planned", "where scans are cheapest"])
def damaged(request: pytest.FixtureRequest, cluster: Cluster, computed: str) -> Iterator[Database]:
    """A database with a damaged page; the planner reads every page of so small a table."""
    url = damaged_copy(cluster, computed, "event_access_logs", page_within(computed, DAMAGED))
    database = Database(url, Settings())
    if request.param == "where scans are cheapest":
        with psycopg.connect(cluster.url, autocommit=True) as connection:
            name = sql.Identifier(str(database.url.database))
            connection.execute(sql.SQL("ALTER DATABASE {} SET random_page_cost = 100000").format(name))
    yield database
    cluster.drop(url)


def only_the_damaged_day(failed: FailedDays) -> bool:
    assert all("invalid page in block" in str(error) for error in failed.values()), failed
    return list(failed) == [DAMAGED]


def test_every_other_day_is_rebuilt_verified_and_has_its_quality_computed(damaged: Database) -> None:
    for work in (
        lambda failed: rebuild(damaged, DAYS, on_failed_day=failed.__setitem__),
        lambda failed: verify(damaged, DAYS, on_failed_day=failed.__setitem__),
        lambda failed: compute_quality(damaged, DAYS, on_failed_day=failed.__setitem__),
    ):
        failed: FailedDays = {}
        assert [done.day for done in work(failed)] == OTHERS, failed
        assert only_the_damaged_day(failed)


def test_every_other_day_is_verified_in_a_sample(damaged: Database) -> None:
    failed: FailedDays = {}
    assert [day.day for day in verify_sample(damaged, 1, on_failed_day=failed.__setitem__)] == OTHERS
    assert only_the_damaged_day(failed)

    failed = {}
    drawn = draw_sample(damaged, DAYS[0], DAYS[-1], None, "client_days", 100, 1)
    assert [day.day for day, _ in verify_drawn(damaged, drawn, failed.__setitem__)] == OTHERS
    assert only_the_damaged_day(failed)


def test_every_other_day_is_swept_and_the_damaged_one_comes_last_the_next_time(damaged: Database) -> None:
    with connect(damaged) as connection:
        connection.execute(
            "UPDATE eventflow_stats.days SET rebuilt_at = now() - interval '2 hours', swept_at = NULL, "
            "whole_verified_at = NULL"
        )
    for swept_days in (OTHERS, []):
        failed: FailedDays = {}
        swept = sweep_due_days(damaged, DAYS[0], DAYS[-1], True, 60, failed.__setitem__)
        assert sorted(day.day for day in swept) == swept_days
        assert only_the_damaged_day(failed)


def test_new_facts_and_missing_days_are_found_without_the_damaged_page(damaged: Database) -> None:
    assert missing_days_to_compute(damaged, date(2026, 1, 1), DAYS[-1], DAYS[-1]) == []
    now = datetime.now(UTC)
    with connect(damaged) as connection:
        (campaign,) = connection.execute("SELECT id FROM event_survey_campaigns").fetchone() or (None,)
        connection.execute(
            "INSERT INTO event_access_logs (campaign_id, session_id, accessed_at, created_at) "
            "VALUES (%s, 'new', %s, %s)",
            [campaign, datetime(2026, 3, 6, 12, tzinfo=UTC), now],
        )

    assert detect(damaged).stale_client_days == {date(2026, 3, 6): 1}


INDEX_PAGE = "invalid page in block"
INDEX = "event_access_logs_campaign_accessed_idx"
BY_INDEX = ("enable_seqscan = off", "enable_bitmapscan = off", "random_page_cost = 1")


def pages_of_index(url: str) -> int:
    with psycopg.connect(url) as connection:
        (pages,) = connection.execute(
            "SELECT pg_relation_size(%s::regclass) / current_setting('block_size')::integer", [INDEX]
        ).fetchone() or (0,)
    return int(pages)


def days_on_the_damaged_page(url: str) -> list[date]:
    """The days that cannot be counted by the index."""
    found = []
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in BY_INDEX:
            connection.execute(f"SET {setting}".encode())
        (campaign,) = connection.execute("SELECT id FROM event_survey_campaigns").fetchone() or (None,)
        for day in DAYS:
            try:
                connection.execute(
                    "SELECT count(session_id) FROM event_access_logs "
                    "WHERE campaign_id = %s AND accessed_at >= %s AND accessed_at < %s",
                    [campaign, day, day + timedelta(days=1)],
                )
            except psycopg.errors.DataCorrupted:
                found.append(day)
    return found


@pytest.mark.parametrize("settings", [(), BY_INDEX], ids=["as planned", "by index"])
def test_a_damaged_index_page_fails_only_the_days_on_it(
    cluster: Cluster, computed: str, settings: tuple[str, ...]
) -> None:
    url = damaged_copy(cluster, computed, INDEX, pages_of_index(computed) // 2)
    try:
        on_page = days_on_the_damaged_page(url)
        assert 1 <= len(on_page) <= 2, "a leaf page with few of the days"
        with psycopg.connect(cluster.url, autocommit=True) as connection:
            is_new = connection.info.server_version >= 180000
            name = sql.Identifier(name_of(url))
            for setting in settings:
                connection.execute(sql.SQL("ALTER DATABASE {} SET ").format(name) + sql.SQL(setting))
        for work in (rebuild, verify):
            failed: FailedDays = {}
            done = [day.day for day in work(Database(url, Settings()), DAYS, on_failed_day=failed.__setitem__)]
            if is_new:
                assert list(failed) == on_page, failed
            elif settings:
                # Before PostgreSQL 18, with all other scans forbidden, a plan may read the whole index for each day.
                assert set(failed) >= set(on_page), failed
            else:
                # There the planner need not use the index. Then no day fails.
                assert set(failed) <= set(on_page), failed
            assert done == [day for day in DAYS if day not in failed]
            assert all(INDEX_PAGE in str(error) for error in failed.values()), failed
    finally:
        cluster.drop(url)
