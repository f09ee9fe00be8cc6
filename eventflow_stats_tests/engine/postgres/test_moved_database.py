"""Moving to another database as sql/README.md describes, as an ordinary owner with another name."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from eventflow_stats.engine.assumptions.assumptions import broken_assumptions
from eventflow_stats.engine.doctor.schema import check_schema
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import migrate
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.settings import Settings
from eventflow_stats_tests.conftest import Cluster
from eventflow_stats_tests.engine.ordinary_owner import create_owner, owned_database, url_of
from eventflow_stats_tests.engine.postgres.inspecting import connect, pg_dump, rows
from eventflow_stats_tests.engine.reading.ask import ask, request
from eventflow_stats_tests.engine.two_clients import DAY, LONG_AGO, Shop
from eventflow_stats_tests.facts import Product
from eventflow_stats_tests.oracle import expected_groups
from eventflow_stats_tests.rollup import stored_groups

pytestmark = pytest.mark.environment

__all__ = ["owned_database"]
DEFINERS = """
    SELECT p.oid::regprocedure::text, CASE WHEN p.proowner = d.datdba THEN 'the owner' ELSE r.rolname END
    FROM pg_proc AS p JOIN pg_roles AS r ON r.oid = p.proowner
    JOIN pg_database AS d ON d.datname = current_database()
    WHERE prosecdef AND pronamespace = 'eventflow_stats'::regnamespace ORDER BY 1
"""


@pytest.fixture
def shop(owned_database: Database) -> Iterator[Shop]:
    with connect(owned_database) as connection:
        yield Shop(owned_database, Product(connection))


@pytest.fixture
def restored(shop: Shop, cluster: Cluster, tmp_path: Path) -> Iterator[Database]:
    """The shop's database, dumped by an administrator and restored by the new database's owner."""
    url = cluster.create()
    owner = create_owner(cluster, url)
    old = cluster.url.replace("/eventflow", f"/{shop.database.url.database}")
    dump = tmp_path / "eventflow.dump"
    program = pg_dump(shop.product.connection.info.server_version)
    subprocess.run([program, "-Fc", f"--file={dump}", old], check=True)
    restore = [program.replace("pg_dump", "pg_restore"), "--no-owner", "--exit-on-error"]
    subprocess.run([*restore, f"--dbname={url_of(url, owner)}", str(dump)], check=True)
    yield Database(url_of(url, owner), Settings(lock_timeout=2))
    cluster.drop(url)
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        connection.execute(f"DROP ROLE {owner}".encode())


@pytest.fixture
def administrator(restored: Database, cluster: Cluster) -> Database:
    """The restored database seen by a superuser, who may act for every role."""
    return Database(cluster.url.replace("/eventflow", f"/{restored.url.database}"), Settings())


@pytest.fixture
def user(shop: Shop) -> str:
    """A user who may read our client."""
    user = str(uuid4())
    shop.product.connection.execute(
        "INSERT INTO client_members (client_id, user_id, role) VALUES (%s, %s, 'member')", [shop.ours, user]
    )
    return user


def test_a_moved_database_has_the_same_owners_rights_and_numbers(
    user: str, shop: Shop, restored: Database, administrator: Database
) -> None:
    before = rows(shop.database, DEFINERS)
    assert rows(restored, DEFINERS) != before
    with restored.session() as connection:
        [same_table, own_objects] = broken_assumptions(connection)
    assert same_table.assumption.name == "same table"
    assert "eventflow_stats.read_summary" in str(own_objects)
    assert "run `eventflow-stats migrate`" in own_objects.assumption.remedy

    assert migrate(restored) != []

    assert rows(restored, DEFINERS) == before
    assert migrate(restored) == []
    with restored.session() as connection:
        assert broken_assumptions(connection) == []
    assert {each.name: each.found for each in check_schema(restored) if each.state != "ok"} == {}
    # A dump does not keep row versions: a verification records the new ones of equal groups.
    assert {day.result for day in verify(restored, [DAY, LONG_AGO])} == {"verified"}
    with connect(restored) as connection:
        assert stored_groups(connection) == expected_groups(shop.product.world, "UTC")
    with request(administrator, user) as reading:
        assert ask(reading, "summary", shop.ours, DAY, DAY)["_source"] == "aggregated"


def test_a_request_of_a_stranger_reads_nothing_after_the_move(
    shop: Shop, restored: Database, administrator: Database
) -> None:
    assert rollup_rows_behind_the_read_functions(administrator) > 0
    migrate(restored)
    assert rollup_rows_behind_the_read_functions(administrator) == 0
    with request(administrator, uuid4()) as reading:
        for function in ("summary", "links", "overview"):
            with pytest.raises(psycopg.Error, match="not found"):
                ask(reading, function, shop.ours, DAY, DAY)


def rollup_rows_behind_the_read_functions(administrator: Database) -> int:
    """How many rows row-level security shows to the functions' owner while a stranger asks."""
    with connect(administrator) as connection:
        (owner,) = connection.execute(
            "SELECT CAST(proowner AS regrole)::text FROM pg_proc WHERE proname = 'read_summary'"
        ).fetchone() or ("nobody",)
        connection.execute("SELECT set_config('request.jwt.claims', %s, false)", [f'{{"sub": "{uuid4()}"}}'])
        connection.execute(f"SET ROLE {owner}".encode())
        (found,) = connection.execute("SELECT count(*) FROM public.marketing_stats_daily").fetchone() or (-1,)
        return int(found)
