"""Objects that are missing, changed, of another owner or reading another table: nothing is computed until `migrate`
repairs them, which it does."""

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import drop_product_views, migrate
from eventflow_stats.engine.postgres.product_schema import NEEDED_COLUMNS
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import Refused
from eventflow_stats_tests.cli.command import eventflow
from eventflow_stats_tests.engine.assumptions.test_assumptions import must_refuse_everything, shop
from eventflow_stats_tests.engine.ordinary_owner import owned_database
from eventflow_stats_tests.engine.postgres.inspecting import connect, rows
from eventflow_stats_tests.engine.two_clients import DAY, LONG_AGO, Shop, now
from eventflow_stats_tests.facts import Visit

pytestmark = pytest.mark.environment

__all__ = ["owned_database", "shop"]
SWAP = """
    ALTER TABLE event_access_logs RENAME TO x_old;
    CREATE TABLE event_access_logs (LIKE x_old INCLUDING ALL);
    INSERT INTO event_access_logs SELECT * FROM x_old
"""
VALID_BRIN = """
    SELECT t.relname, count(*) FROM pg_index AS i
    JOIN pg_class AS x ON x.oid = i.indexrelid JOIN pg_class AS t ON t.oid = i.indrelid
    WHERE i.indisvalid AND x.relam = (SELECT oid FROM pg_am WHERE amname = 'brin')
        AND t.relname IN ('event_access_logs', 'event_survey_entries')
    GROUP BY 1 ORDER BY 1
"""


@pytest.fixture
def stranger(shop: Shop) -> Iterator[str]:
    """A role that owns nothing and sees no row."""
    run = shop.product.connection.execute
    name = f"stranger_{uuid4().hex[:8]}"
    run(f"CREATE ROLE {name}".encode())
    run(f"GRANT CREATE, USAGE ON SCHEMA eventflow_stats TO {name}".encode())
    yield name
    run(f"REASSIGN OWNED BY {name} TO CURRENT_USER; DROP OWNED BY {name}; DROP ROLE {name}".encode())


def as_owner(shop: Shop, statements: str) -> None:
    with connect(shop.database) as connection:
        connection.execute(statements.encode())


def must_be_right(shop: Shop) -> None:
    """Everything is counted and verified, and `migrate` has nothing to do."""
    assert migrate(shop.database) == []
    days = [DAY, LONG_AGO, now().date()]
    shop.tick()
    list(rebuild(shop.database, days))
    verified = verify(shop.database, days)
    assert {day.result for day in verified} == {"verified"}
    assert shop.is_right()


@pytest.mark.parametrize("has_indexes", [True, False])
def test_facts_of_a_table_that_replaced_another_are_counted_after_migrate(shop: Shop, has_indexes: bool) -> None:
    as_owner(shop, SWAP if has_indexes else SWAP.replace("INCLUDING ALL", "INCLUDING DEFAULTS"))
    shop.product.add(*(Visit(at=now(), campaign_id=shop.campaign, session_id=f"new {n}") for n in range(50)))
    must_refuse_everything(shop, "same table: public.event_access_logs was renamed or replaced")

    done = migrate(shop.database)

    assert "public.event_access_logs was renamed or replaced" in done[0]
    assert len(done) == (1 if has_indexes else 3)
    assert rows(shop.database, VALID_BRIN) == [("event_access_logs", 2), ("event_survey_entries", 1)]
    must_be_right(shop)


def test_a_column_dropped_with_views_is_named_and_the_views_come_back_with_it(shop: Shop) -> None:
    as_owner(shop, "ALTER TABLE event_access_logs DROP COLUMN cid CASCADE")
    must_refuse_everything(shop, "view eventflow_stats.visit_facts is missing.*run `eventflow-stats migrate`")
    with pytest.raises(Refused, match=r"^column public\.event_access_logs\.cid is missing; it should be text$"):
        migrate(shop.database)

    as_owner(shop, "ALTER TABLE event_access_logs ADD COLUMN cid text")

    assert any("view eventflow_stats.visit_facts is missing" in line for line in migrate(shop.database))
    must_be_right(shop)


def test_the_product_changes_a_column_between_drop_views_and_migrate(shop: Shop, tmp_path: Path) -> None:
    change = "ALTER TABLE event_access_logs ALTER COLUMN session_id TYPE text USING upper(session_id)"
    rename = "ALTER TABLE event_access_logs DROP COLUMN utm_source; ALTER TABLE event_access_logs ADD utm_source text"
    with pytest.raises(psycopg.errors.DependentObjectsStillExist):
        as_owner(shop, rename)
    url = shop.database.url.render_as_string(hide_password=False)
    dropping = eventflow(tmp_path, "migrate", "--drop-views", EVENTFLOW_DATABASE_URL=url)
    assert dropping.returncode == 0
    assert "eventflow_stats.visit_facts" in dropping.stdout
    must_refuse_everything(shop, "view eventflow_stats.visit_facts is missing")
    assert drop_product_views(shop.database) == []

    as_owner(shop, f"{change}; {rename}")

    assert migrate(shop.database) != []
    assert migrate(shop.database) == []
    must_be_right(shop)


@pytest.mark.parametrize("kind", ["TABLE", "MATERIALIZED VIEW"])
def test_rows_copied_in_place_of_a_view_are_unverifiable(shop: Shop, kind: str) -> None:
    as_owner(
        shop,
        f"""CREATE {kind} eventflow_stats.copied AS SELECT * FROM eventflow_stats.conversion_facts;
        ALTER VIEW eventflow_stats.conversion_facts RENAME TO moved;
        ALTER {kind} eventflow_stats.copied RENAME TO conversion_facts;
        GRANT SELECT ON eventflow_stats.conversion_facts TO eventflow_stats_engine""",
    )
    must_refuse_everything(shop, "same table: view eventflow_stats.conversion_facts is missing")
    as_owner(
        shop,
        f"""DROP {kind} eventflow_stats.conversion_facts;
        ALTER VIEW eventflow_stats.moved RENAME TO conversion_facts""",
    )
    must_be_right(shop)


def test_views_that_something_else_reads_are_not_dropped(shop: Shop) -> None:
    as_owner(shop, "CREATE VIEW public.of_mine AS SELECT * FROM eventflow_stats.visit_facts")
    with pytest.raises(Refused, match=r"view of_mine depends on view eventflow_stats\.visit_facts"):
        drop_product_views(shop.database)
    must_be_right(shop)


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        (
            "CREATE OR REPLACE FUNCTION eventflow_stats.utm_value(stored text) RETURNS text LANGUAGE sql IMMUTABLE "
            "PARALLEL SAFE AS 'SELECT lower(stored)'",
            r"function eventflow_stats.utm_value\(stored text\) was changed",
        ),
        (
            "DROP FUNCTION eventflow_stats.fact_hash",
            r"function eventflow_stats.fact_hash\(.*\) is missing",
        ),
        (
            "CREATE OR REPLACE VIEW eventflow_stats.client_names AS SELECT id AS client_id, slug AS name, slug "
            "FROM clients",
            "view eventflow_stats.client_names was changed",
        ),
        (
            "ALTER FUNCTION eventflow_stats.readable_clients RESET search_path",
            r"function eventflow_stats.readable_clients\(\) was changed",
        ),
        ("ALTER FUNCTION eventflow_stats.utm_value STRICT", r"function eventflow_stats.utm_value\(.*\) was changed"),
    ],
)
def test_an_object_that_was_changed_is_created_again(shop: Shop, statements: str, found: str) -> None:
    as_owner(shop, statements)
    must_refuse_everything(shop, f"own objects: {found}")
    assert migrate(shop.database) != []
    must_be_right(shop)


OWNERS = "SELECT kind, name, owner FROM eventflow_stats.present_objects ORDER BY 1, 2"


def give_to(shop: Shop, what: str, owner: str) -> None:
    shop.product.connection.execute(sql.SQL("ALTER {} OWNER TO {}").format(sql.SQL(what), sql.Identifier(owner)))
    must_refuse_everything(shop, f"belongs to {owner}, and should belong to|nothing hidden|permission denied")


def test_a_view_that_a_stranger_owns_is_created_again(shop: Shop, stranger: str) -> None:
    owners = rows(shop.database, OWNERS)
    give_to(shop, "VIEW eventflow_stats.visit_facts", stranger)
    assert migrate(shop.database) != []
    assert rows(shop.database, OWNERS) == owners
    must_be_right(shop)


def test_a_definer_function_owned_by_the_tables_owner_is_given_back_to_the_reader(shop: Shop) -> None:
    owners = rows(shop.database, OWNERS)
    give_to(shop, "FUNCTION eventflow_stats.read_summary", str(shop.database.url.username))
    assert migrate(shop.database) != []
    assert rows(shop.database, OWNERS) == owners
    assert rows(
        shop.database, "SELECT has_schema_privilege('eventflow_stats_reader', 'eventflow_stats', 'CREATE')"
    ) == [(False,)]
    must_be_right(shop)


@pytest.mark.parametrize(
    "function", ["utm_value(stored text)", "read_links(client uuid, asked_from date, asked_to date)"]
)
def test_a_function_that_a_stranger_owns_is_reported_with_a_statement_for_a_superuser(
    shop: Shop, stranger: str, function: str
) -> None:
    owners = rows(shop.database, OWNERS)
    give_to(shop, f"FUNCTION eventflow_stats.{function}", stranger)
    with pytest.raises(Refused, match=f"belongs to {stranger}; as a superuser: ALTER") as refused:
        migrate(shop.database)
    shop.product.connection.execute(str(refused.value).partition("as a superuser: ")[2].encode())
    # Nothing is left to do.
    assert migrate(shop.database) == []
    assert rows(shop.database, OWNERS) == owners
    must_be_right(shop)


def test_ordinary_changes_of_the_product_break_no_assumption(shop: Shop) -> None:
    as_owner(
        shop,
        """ALTER TABLE event_access_logs ADD COLUMN more text;
        CREATE INDEX ON event_access_logs (more);
        ALTER TABLE event_access_logs RENAME COLUMN referrer TO referer;
        GRANT SELECT ON eventflow_stats.client_names TO service_role;
        GRANT EXECUTE ON FUNCTION public.marketing_summary TO service_role;
        CREATE VIEW public.of_mine AS SELECT * FROM eventflow_stats.client_names""",
    )
    shop.product.connection.execute("VACUUM FULL pg_rewrite, pg_proc, pg_class")
    must_be_right(shop)


FOREIGN = "CREATE FOREIGN DATA WRAPPER elsewhere; CREATE SERVER elsewhere FOREIGN DATA WRAPPER elsewhere;"


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        (
            "CREATE VIEW event_access_logs AS SELECT * FROM x_old",
            r"public.event_access_logs is a view, and should be an ordinary or partitioned table",
        ),
        (
            "CREATE MATERIALIZED VIEW event_access_logs AS SELECT * FROM x_old",
            "public.event_access_logs is a materialized view",
        ),
        (
            FOREIGN + "CREATE FOREIGN TABLE event_access_logs (id uuid) SERVER elsewhere",
            "public.event_access_logs is a foreign table",
        ),
        (
            FOREIGN + "CREATE TABLE event_access_logs (LIKE x_old) PARTITION BY RANGE (accessed_at);"
            "CREATE FOREIGN TABLE event_access_logs_2020 PARTITION OF event_access_logs "
            "FOR VALUES FROM ('2020-01-01') TO ('2021-01-01') SERVER elsewhere",
            r"event_access_logs_2020, a part of public.event_access_logs, is a foreign table",
        ),
        (
            "SET allow_system_table_mods = on; ALTER TABLE x_old RENAME TO event_access_logs;"
            'CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass, partmethod "char");'
            "GRANT SELECT ON pg_catalog.pg_dist_partition TO PUBLIC;"
            "INSERT INTO pg_catalog.pg_dist_partition VALUES ('public.event_access_logs', 'h')",
            "public.event_access_logs is distributed by Citus, which is not supported",
        ),
    ],
)
def test_a_table_of_a_kind_whose_rows_may_be_invisible_is_refused_by_name(
    shop: Shop, statements: str, found: str
) -> None:
    shop.product.connection.execute("ALTER TABLE event_access_logs RENAME TO x_old")
    shop.product.connection.execute(statements.encode())
    must_refuse_everything(shop, f"kind of table: .*{found}")
    if "pg_dist_partition" in statements:
        shop.product.connection.execute("DROP VIEW eventflow_stats.visit_facts")
    with pytest.raises(Refused, match=found):
        migrate(shop.database)


def test_a_role_s_name_is_quoted(shop: Shop) -> None:
    """The migrating user may have any name."""
    owner = sql.Identifier(str(shop.database.url.username))
    odd = 'Owner of "Ours"'
    run = shop.product.connection.execute
    try:
        run(sql.SQL("ALTER ROLE {} RENAME TO {}").format(owner, sql.Identifier(odd)))
        renamed = Database(
            shop.database.url.set(username=odd).render_as_string(hide_password=False), shop.database.settings
        )
        assert migrate(renamed) != []
        assert migrate(renamed) == []
    finally:
        run(sql.SQL("ALTER ROLE {} RENAME TO {}").format(sql.Identifier(odd), owner))


USED_BY_VIEWS = """
    SELECT DISTINCT t.relname, a.attname
    FROM pg_class AS v
    JOIN pg_rewrite AS w ON w.ev_class = v.oid
    JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
        AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
    JOIN pg_class AS t ON t.oid = d.refobjid AND t.relnamespace = 'public'::regnamespace
    JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
    WHERE v.relnamespace = 'eventflow_stats'::regnamespace
"""


def test_the_readme_lists_every_column_that_migrate_checks_and_that_a_view_reads(database: Database) -> None:
    readme = (Path(__file__).parents[3] / "sql" / "README.md").read_text(encoding="utf-8")
    listed: set[tuple[str, str]] = set()
    table_of_columns = readme.partition("| table | columns that our views and functions read |")[2].partition("\n\n")[0]
    for line in table_of_columns.splitlines()[2:]:
        _, tables, columns, _ = line.split("|")
        listed |= {(table, column) for table in names_in(tables) for column in names_in(columns)}
    asked_for = {(table, column) for table, columns in NEEDED_COLUMNS.items() for column in columns}
    read = {(table, column) for table, column in rows(database, USED_BY_VIEWS)}
    assert asked_for | read <= listed
    assert {table for table, _ in listed} - {"registrations"} == set(NEEDED_COLUMNS)


def names_in(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)
