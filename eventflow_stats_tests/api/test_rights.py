"""The rights of every role on every object; every planted fault is found."""

from collections.abc import Iterator
from contextlib import suppress

import psycopg
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.settings import Settings
from eventflow_stats_tests.api.rights import Session, as_request, wrong_rights
from eventflow_stats_tests.api.shop import Shop
from eventflow_stats_tests.api.test_privileges import ON_RELATIONS, ROLES
from eventflow_stats_tests.conftest import Cluster
from eventflow_stats_tests.facts import connect

ROLLUP = "public.marketing_stats_daily"
PLANTED = {
    "a policy for everybody": (
        f"CREATE POLICY open ON {ROLLUP} FOR SELECT TO authenticated USING (true)",
        "reads rows",
    ),
    "a policy that is gone": (f"DROP POLICY members_read ON {ROLLUP}", "reads rows of 0"),
    "no row-level security": (f"ALTER TABLE {ROLLUP} DISABLE ROW LEVEL SECURITY", "reads rows of 2"),
    "a grant on the ledger": (
        "GRANT SELECT ON eventflow_stats.days TO authenticated",
        "SELECT on eventflow_stats.days",
    ),
    "a grant on a column of the ledger": (
        "GRANT UPDATE (visits_delta) ON eventflow_stats.adjustments TO service_role",
        "service_role has UPDATE on eventflow_stats.adjustments",
    ),
    "a grant to everybody": (f"GRANT DELETE ON {ROLLUP} TO PUBLIC", f"anon has DELETE on {ROLLUP}"),
    "a schema that is open": (
        "GRANT USAGE ON SCHEMA eventflow_stats TO authenticated",
        "authenticated has USAGE on eventflow_stats",
    ),
    "a schema that anybody may fill": ("GRANT CREATE ON SCHEMA public TO PUBLIC", "anon has CREATE on public"),
    "a definer function without a search_path": (
        "ALTER FUNCTION eventflow_stats.readable_clients RESET search_path",
        "readable_clients() runs as its owner",
    ),
    "a new definer function without a search_path": (
        "CREATE FUNCTION public.mine() RETURNS bigint LANGUAGE sql SECURITY DEFINER "
        "AS 'SELECT count(*) FROM public.event_access_logs'",
        "anon has EXECUTE on public.mine",
    ),
    "a read function that anon may call": (
        "GRANT EXECUTE ON FUNCTION public.marketing_summary TO anon",
        "anon has EXECUTE on public.marketing_summary",
    ),
    "who reads is everybody": (
        "CREATE OR REPLACE FUNCTION eventflow_stats.readable_clients() RETURNS SETOF uuid LANGUAGE sql STABLE "
        "SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT id FROM public.clients'",
        "nobody's user is answered",
    ),
    "the engine's role for users": (
        "GRANT eventflow_stats_engine TO authenticated",
        "authenticated may act for eventflow_stats_engine",
    ),
    "the reader's role for anon": ("GRANT eventflow_stats_reader TO anon", "anon may act for eventflow_stats_reader"),
    "the server's files for the engine": (
        "GRANT pg_read_server_files TO eventflow_stats_engine",
        "eventflow_stats_engine may act for pg_read_server_files",
    ),
    "a role above policies": ("ALTER ROLE authenticated BYPASSRLS", "authenticated has an attribute"),
    "an engine that may log in": ("ALTER ROLE eventflow_stats_engine LOGIN", "eventflow_stats_engine has an attribute"),
    "a view of a superuser's": (
        f"CREATE VIEW all_numbers AS SELECT * FROM {ROLLUP}; GRANT SELECT ON all_numbers TO authenticated",
        "authenticated has SELECT on public.all_numbers",
    ),
    "a view in another schema": (
        "CREATE SCHEMA reports; GRANT USAGE ON SCHEMA reports TO anon; "
        "CREATE MATERIALIZED VIEW reports.visits AS SELECT * FROM public.event_access_logs; "
        "GRANT SELECT ON reports.visits TO anon",
        "anon has SELECT on reports.visits",
    ),
    "a product table for anybody": ("GRANT SELECT ON public.clients TO anon", "anon has SELECT on public.clients"),
    "a new table for anybody": (
        "CREATE TABLE public.leads (phone text); GRANT SELECT, INSERT ON public.leads TO anon",
        "anon has INSERT on public.leads",
    ),
    "facts that the engine may write": (
        "GRANT DELETE ON public.event_access_logs TO eventflow_stats_engine",
        "eventflow_stats_engine has DELETE on public.event_access_logs",
    ),
    "a right that is missing": (
        f"REVOKE SELECT ON {ROLLUP} FROM eventflow_stats_reader",
        f"eventflow_stats_reader lacks SELECT on {ROLLUP}",
    ),
}


@pytest.fixture(scope="module")
def shop(cluster: Cluster) -> Iterator[Shop]:
    """One shop for all tests: planted faults are rolled back."""
    url = cluster.migrated("UTC")
    database = Database(url, Settings())
    with connect(database) as connection:
        yield Shop(database, connection)
    cluster.drop(url)


@pytest.fixture
def session(shop: Shop) -> Iterator[Session]:
    """A session of the owner in a transaction that is rolled back."""
    url = shop.database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        yield connection
        connection.rollback()


def test_no_right_is_excessive_or_missing(session: Session, shop: Shop) -> None:
    found = wrong_rights(session, shop)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(("fault", "message"), PLANTED.values(), ids=PLANTED)
def test_a_planted_fault_is_found(session: Session, shop: Shop, fault: str, message: str) -> None:
    session.execute(fault.encode())
    found = wrong_rights(session, shop)
    assert any(message in breach for breach in found), found
    session.rollback()
    found = wrong_rights(session, shop)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("role", ROLES)
def test_every_right_of_a_role_works(session: Session, role: str) -> None:
    """The positive control: each listed right works, even if the row is invalid."""
    tried = {
        "SELECT": "SELECT FROM {0} LIMIT 1",
        "INSERT": "INSERT INTO {0} DEFAULT VALUES",
        "UPDATE": "UPDATE {0} SET {1} = {1}",
        "DELETE": "DELETE FROM {0}",
    }
    rights = sorted((name, verb) for its, name, verb in ON_RELATIONS if its == role)
    assert bool(rights) == (role != "anon")
    for name, verb in rights:
        (column,) = session.execute(
            "SELECT quote_ident(column_name) FROM information_schema.columns AS c "
            "WHERE table_schema || '.' || table_name = %s AND is_generated = 'NEVER' AND is_identity = 'NO' "
            "AND has_column_privilege(%s, %s::regclass, column_name, %s) ORDER BY ordinal_position LIMIT 1",
            [name, role, name, verb if verb in ("SELECT", "INSERT", "UPDATE") else "SELECT"],
        ).fetchone() or ("",)
        # A missing value or a trigger of the ledger may refuse the row. Both come after the check of the right.
        harmless = suppress(psycopg.errors.IntegrityError, psycopg.errors.RaiseException)
        with harmless, as_request(session, role):
            session.execute(tried[verb].format(name, column).encode())


def test_explain_shows_a_user_row_counts_and_no_values(session: Session, shop: Shop) -> None:
    """The README names this gap: it shows row counts and nothing else."""
    session.execute("ANALYZE marketing_stats_daily")
    (rows,) = session.execute("SELECT count(*) FROM marketing_stats_daily").fetchone() or (0,)
    plan = "EXPLAIN (ANALYZE, TIMING off, SUMMARY off, BUFFERS off) SELECT FROM marketing_stats_daily"
    with as_request(session, "authenticated"):
        message = [line for (line,) in session.execute(plan.encode())]
        assert any(f"Rows Removed by Filter: {rows}" in line for line in message)
        assert not [line for line in message if str(shop.ours) in line or str(shop.theirs) in line]
        assert session.execute("SELECT FROM pg_stats WHERE tablename = 'marketing_stats_daily'").fetchall() == []
    with as_request(session, "anon"), pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute(plan.encode())
