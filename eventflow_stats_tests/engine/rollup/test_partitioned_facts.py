"""Fact tables partitioned before and after the first migrate, and partitions that come and go while the system runs."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest

from eventflow_stats.engine.doctor.indexes import of_ours
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import migrate, migration_names
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.rollup.refresh import refresh
from eventflow_stats.engine.rollup.sweep import sweep
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import Refused
from eventflow_stats.local.product_tables import create_product_tables
from eventflow_stats.settings import Settings
from eventflow_stats_tests.conftest import Cluster
from eventflow_stats_tests.engine.assumptions.test_assumptions import must_refuse_everything
from eventflow_stats_tests.engine.ordinary_owner import create_owner, own_product_tables, owned_database, url_of
from eventflow_stats_tests.engine.postgres.inspecting import connect, rows
from eventflow_stats_tests.engine.postgres.test_interrupted_migrations import wait_until
from eventflow_stats_tests.engine.postgres.test_query_plans import fill, plan, some_clients
from eventflow_stats_tests.engine.rollup.partitioned import OF_TIME, expected_indexes, partition_facts
from eventflow_stats_tests.engine.two_clients import DAY, LONG_AGO, Shop, noon, now
from eventflow_stats_tests.facts import Entry, Product, Visit

pytestmark = pytest.mark.environment

__all__ = ["owned_database"]
BUILDING = """
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name = 'eventflow-stats'
        AND query LIKE 'CREATE INDEX CONCURRENTLY%visits\\_2026\\_rest%'
"""
DAYS = [LONG_AGO, DAY, DAY + timedelta(days=1)]


@pytest.fixture
def unmigrated(cluster: Cluster) -> Iterator[Database]:
    """The partitioned product tables of an ordinary owner, without any migration of ours."""
    url = cluster.create()
    owner = create_owner(cluster, url)
    create_product_tables(Database(url, Settings()))
    with psycopg.connect(url, autocommit=True) as connection:
        partition_facts(connection)
    own_product_tables(url, owner)
    yield Database(url_of(url, owner), Settings(lock_timeout=2))
    cluster.drop(url)
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        connection.execute(f"DROP ROLE {owner}".encode())


@pytest.fixture
def shop(unmigrated: Database) -> Iterator[Shop]:
    migrate(unmigrated)
    with connect(unmigrated) as connection:
        yield Shop(unmigrated, Product(connection))


def count_changes(shop: Shop) -> int:
    """How often the row counters changed; first publishes the counters of the writing session."""
    shop.product.connection.execute("SELECT pg_stat_force_next_flush()")
    before = shop.product.connection.execute("SELECT row_changes_at FROM eventflow_stats.progress").fetchone()
    shop.tick()
    after = shop.product.connection.execute("SELECT row_changes_at FROM eventflow_stats.progress").fetchone()
    return int(before != after)


def keep_right(shop: Shop) -> None:
    """A sweep, if the row counters changed, a refresh and a verification."""
    moved = [swept.day for swept in sweep(shop.database, DAYS) if swept.changed_client_days]
    list(refresh(shop.database, moved))
    assert shop.is_right()
    assert {day.result for day in verify(shop.database, [DAY, LONG_AGO])} == {"verified"}


def test_migrate_accepts_partitioned_tables_and_indexes_every_partition(unmigrated: Database) -> None:
    assert migrate(unmigrated) == migration_names()
    assert rows(unmigrated, OF_TIME) == expected_indexes()
    assert migrate(unmigrated) == []
    assert of_ours(unmigrated).state == "ok"


def test_facts_are_counted_verified_and_swept_on_every_partition(shop: Shop) -> None:
    entry = Entry(at=noon(DAY), campaign_id=shop.campaign)
    kakao = Visit(at=noon(DAY), campaign_id=shop.campaign, session_id="k", utm_source="kakao")
    shop.product.add(kakao, entry)
    list(rebuild(shop.database, [DAY]))
    count_changes(shop)
    assert count_changes(shop) == 0
    shop.product.change(kakao, session_id="another", utm_medium="changed")
    assert count_changes(shop) == 1
    keep_right(shop)
    shop.product.delete([kakao, entry])
    assert count_changes(shop) == 1
    keep_right(shop)


def test_partitions_are_added_attached_detached_and_dropped_while_the_system_runs(shop: Shop) -> None:
    run = shop.product.connection.execute
    count_changes(shop)
    run("CREATE TABLE visits_2027 PARTITION OF event_access_logs FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')")
    shop.tick()
    assert rows(shop.database, OF_TIME) == expected_indexes("visits_2027")

    # A partition that adds facts to a computed day, with old ingest times.
    run("ALTER TABLE event_access_logs DETACH PARTITION visits_old")
    kept = {id: visit for id, visit in shop.product.world.visits.items() if visit.at.date() == LONG_AGO}
    for fact in kept:
        del shop.product.world.visits[fact]
    assert count_changes(shop) == 1
    keep_right(shop)
    run("ALTER TABLE event_access_logs ATTACH PARTITION visits_old FOR VALUES FROM (MINVALUE) TO ('2026-01-01')")
    shop.product.world.visits.update(kept)
    assert count_changes(shop) == 1
    keep_right(shop)
    run("DROP TABLE visits_old")
    for fact in kept:
        del shop.product.world.visits[fact]
    assert count_changes(shop) == 1
    keep_right(shop)
    assert migrate(shop.database) == []


def test_an_attached_table_gets_our_indexes(shop: Shop) -> None:
    run = shop.product.connection.execute
    run("CREATE TABLE visits_2027 (LIKE event_access_logs INCLUDING CONSTRAINTS)")
    run("ALTER TABLE event_access_logs ATTACH PARTITION visits_2027 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')")
    assert rows(shop.database, OF_TIME) == expected_indexes("visits_2027")


def test_tables_that_are_partitioned_after_the_first_migrate_are_unverifiable_until_the_next(
    owned_database: Database,
) -> None:
    with connect(owned_database) as connection:
        shop = Shop(owned_database, Product(connection))
        partition_facts(connection)
        must_refuse_everything(shop, "same table: public.event_access_logs was renamed or replaced")
        assert migrate(owned_database) != []
        assert rows(owned_database, OF_TIME) == expected_indexes()
        assert migrate(owned_database) == []
        shop.product.add(Visit(at=now(), campaign_id=shop.campaign, session_id="new"))
        shop.tick()
        list(rebuild(owned_database, [DAY, LONG_AGO]))
        assert shop.is_right()


def test_an_interrupted_index_build_on_a_partition_is_repaired_by_the_next_migrate(unmigrated: Database) -> None:
    writer = connect(unmigrated)
    with ThreadPoolExecutor() as pool, writer.transaction():
        writer.execute("LOCK TABLE visits_2026_rest IN ROW EXCLUSIVE MODE")
        migrating = pool.submit(migrate, unmigrated)
        wait_until(lambda: bool(rows(unmigrated, BUILDING)))
        writer.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'eventflow-stats' AND datname = current_database()"
        )
        with pytest.raises(Refused, match="no connection"):
            migrating.result()
    writer.close()
    left = "SELECT FROM pg_index WHERE NOT indisvalid AND indrelid = 'visits_2026_rest'::regclass"
    assert rows(unmigrated, left) == [()]
    migrate(unmigrated)
    assert rows(unmigrated, OF_TIME) == expected_indexes()


def test_an_index_of_a_partition_that_was_lost_or_is_invalid_is_built_again(shop: Shop, server: str) -> None:
    shop.product.connection.execute("ALTER TABLE event_access_logs DETACH PARTITION visits_rest")
    shop.product.connection.execute("DROP INDEX visits_rest_accessed_at_idx")
    assert of_ours(shop.database).state == "ok"
    with psycopg.connect(server.replace("/eventflow", f"/{shop.database.url.database}"), autocommit=True) as superuser:
        superuser.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'visits_2026_kakao_created_at_idx'::regclass"
        )
    assert of_ours(shop.database).remedy == "eventflow-stats migrate"
    assert migrate(shop.database) == ["REINDEX INDEX CONCURRENTLY public.visits_2026_kakao_created_at_idx"]
    shop.product.connection.execute("ALTER TABLE event_access_logs ATTACH PARTITION visits_rest DEFAULT")
    assert rows(shop.database, OF_TIME) == expected_indexes()


def test_tables_that_inherit_are_indexed_and_their_changes_are_found(owned_database: Database) -> None:
    with connect(owned_database) as connection:
        shop = Shop(owned_database, Product(connection))
        connection.execute("CREATE TABLE visits_child () INHERITS (event_access_logs)")
        assert len(migrate(owned_database)) == 2
        count_changes(shop)
        connection.execute(
            "WITH gone AS (DELETE FROM ONLY event_access_logs RETURNING *) INSERT INTO visits_child SELECT * FROM gone"
        )
        assert count_changes(shop) == 1
        connection.execute("UPDATE visits_child SET session_id = session_id")
        assert count_changes(shop) == 1
        keep_right(shop)


def test_a_client_day_is_read_by_index_from_the_partitions_of_its_day(unmigrated: Database, server: str) -> None:
    migrate(unmigrated)
    with psycopg.connect(server.replace("/eventflow", f"/{unmigrated.url.database}"), autocommit=True) as superuser:
        fill(superuser)
    read = {
        (node["Relation Name"], node["Node Type"])
        for node in plan(unmigrated, some_clients(unmigrated))
        if node.get("Relation Name", "").startswith(("visits", "entries"))
    }
    assert {table for table, _ in read} == {"visits_old", "entries_old"}
    assert "Seq Scan" not in {kind for _, kind in read}
