"""A database that does not fit is refused in one line, and left exactly as it was."""

from collections.abc import Iterator

import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import migrate, migration_names
from eventflow_stats.errors import Refused
from eventflow_stats.settings import Settings
from eventflow_stats_tests.engine.postgres.inspecting import connect, everything_in, run
from eventflow_stats_tests.engine.postgres.original_table import create_original


def assert_refused_unchanged(database: Database, line: str, seen_by: Database | None = None) -> None:
    seen_by = seen_by or database
    before = everything_in(seen_by)
    with pytest.raises(Refused, match=line) as refusal:
        migrate(database)
    assert "\n" not in str(refusal.value)
    assert everything_in(seen_by) == before


def test_a_database_without_product_tables_is_refused(empty_database: Database) -> None:
    assert_refused_unchanged(empty_database, "lacks EventFlow's product tables: public.event_access_logs, ")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("DROP TABLE public.webinars CASCADE", r"lacks EventFlow's product tables: public\.webinars;"),
        (
            "ALTER TABLE public.event_access_logs DROP COLUMN cid",
            r"column public\.event_access_logs\.cid is missing; it should be text",
        ),
        (
            "ALTER TABLE public.event_access_logs DROP COLUMN entry_id",
            r"column public\.event_access_logs\.entry_id is missing; it should be uuid",
        ),
        (
            "ALTER TABLE public.event_access_logs ALTER COLUMN accessed_at TYPE timestamp",
            r"accessed_at is timestamp without time zone; it should be timestamp with time zone",
        ),
        (
            "DROP INDEX public.event_survey_entries_registration_data_idx; "
            "ALTER TABLE public.event_survey_entries ALTER COLUMN registration_data TYPE text",
            r"column public\.event_survey_entries\.registration_data is text; it should be jsonb",
        ),
        (
            "DROP INDEX public.campaign_link_meta_client_cid_key",
            r"public\.campaign_link_meta has no unique key on \(cid, client_id\)",
        ),
        # A key that holds for some rows only is none.
        (
            "DROP INDEX public.campaign_link_meta_client_cid_key; CREATE UNIQUE INDEX "
            "ON public.campaign_link_meta (client_id, cid) WHERE status = 'active'",
            r"public\.campaign_link_meta has no unique key on \(cid, client_id\)",
        ),
        (
            "DROP INDEX public.campaign_link_meta_client_cid_key; CREATE UNIQUE INDEX "
            "ON public.campaign_link_meta (client_id, cid) WHERE start_date IS NOT NULL",
            r"public\.campaign_link_meta has no unique key on \(cid, client_id\)",
        ),
        (
            "ALTER TABLE public.webinars DROP CONSTRAINT webinars_pkey CASCADE",
            r"public\.webinars has no unique key on \(id\)",
        ),
        ("DROP FUNCTION auth.uid", r"function auth\.uid\(\) is missing"),
        (
            "CREATE TABLE public.marketing_stats_daily (something integer)",
            r"column public\.marketing_stats_daily\.id is missing; it should be uuid",
        ),
    ],
)
def test_product_tables_of_another_shape_are_refused(product_database: Database, change: str, line: str) -> None:
    run(product_database, change)
    assert_refused_unchanged(product_database, line)


def test_an_original_rollup_of_another_shape_is_refused(product_database: Database) -> None:
    create_original(product_database)
    run(product_database, "ALTER TABLE public.marketing_stats_daily ALTER COLUMN bucket_date TYPE text")
    assert_refused_unchanged(
        product_database, r"column public\.marketing_stats_daily\.bucket_date is text; it should be date"
    )


def test_a_rollup_that_is_a_view_is_refused(product_database: Database) -> None:
    create_original(product_database)
    run(
        product_database,
        "ALTER TABLE public.marketing_stats_daily RENAME TO old_stats; "
        "CREATE VIEW public.marketing_stats_daily AS SELECT * FROM public.old_stats",
    )
    assert_refused_unchanged(product_database, r"public\.marketing_stats_daily is not a table")


@pytest.fixture
def stranger(product_database: Database) -> Iterator[Database]:
    """The product's database, seen by a login user of its own that owns nothing in it."""
    name = product_database.url.database
    run(product_database, f"CREATE ROLE {name}_login LOGIN")
    url = product_database.url.set(username=f"{name}_login").render_as_string(hide_password=False)
    yield Database(url, Settings())
    run(product_database, f"DROP OWNED BY {name}_login CASCADE; DROP ROLE {name}_login")


def as_owner(database: Database, stranger: Database, but: str = "") -> None:
    """Hand the product's tables over to the login user, all but one."""
    run(
        database,
        f"""DO $$ DECLARE found regclass; BEGIN
        FOR found IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relname <> '{but}'
            AND relnamespace IN ('public'::regnamespace, 'auth'::regnamespace)
        LOOP EXECUTE format('ALTER TABLE %s OWNER TO {stranger.url.username}', found); END LOOP;
        END $$;
        GRANT CREATE, USAGE ON SCHEMA public TO {stranger.url.username};
        GRANT USAGE ON SCHEMA auth TO {stranger.url.username};
        GRANT CREATE ON DATABASE {database.url.database} TO {stranger.url.username};""",
    )


def test_a_user_from_whom_row_level_security_hides_rows_is_refused(
    product_database: Database, stranger: Database
) -> None:
    run(
        product_database,
        f"""GRANT SELECT ON ALL TABLES IN SCHEMA public TO {stranger.url.username};
        GRANT USAGE ON SCHEMA auth TO {stranger.url.username};""",
    )
    assert_refused_unchanged(
        stranger, r"cannot see all rows of agency_members, .*migrate as the tables' owner", product_database
    )


def test_an_owner_whom_the_tables_own_rules_are_forced_on_is_refused(
    product_database: Database, stranger: Database
) -> None:
    as_owner(product_database, stranger)
    run(product_database, "ALTER TABLE public.event_access_logs FORCE ROW LEVEL SECURITY")
    assert_refused_unchanged(stranger, r"cannot see all rows of event_access_logs ", product_database)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("REVOKE CREATE ON DATABASE {database} FROM {user}", "permission denied for database .*; log in as"),
        ("REVOKE CREATE ON SCHEMA public FROM {user}", "lacks CREATE on schema public"),
        # The engine's role exists on this server, and the user may not give it to itself.
        ("SELECT", '(permission denied to grant|must have admin option on) role "eventflow_stats_engine".*; log in as'),
    ],
)
def test_an_owner_without_a_right_that_is_needed_is_refused(
    product_database: Database, stranger: Database, database: Database, change: str, line: str
) -> None:
    as_owner(product_database, stranger)
    run(product_database, change.format(database=product_database.url.database, user=stranger.url.username))
    assert_refused_unchanged(stranger, line, product_database)


@pytest.mark.parametrize("table", ["event_access_logs", "event_survey_entries", "marketing_stats_daily"])
def test_a_user_who_does_not_own_a_table_that_will_be_altered_is_refused(
    product_database: Database, stranger: Database, table: str
) -> None:
    create_original(product_database)
    as_owner(product_database, stranger, but=table)
    run(
        product_database,
        f"""ALTER ROLE {stranger.url.username} BYPASSRLS;
        GRANT ALL ON public.{table} TO {stranger.url.username};""",
    )
    assert_refused_unchanged(stranger, rf"lacks ownership of public\.{table}", product_database)


def test_a_user_who_cannot_read_a_dimension_is_refused(product_database: Database, stranger: Database) -> None:
    as_owner(product_database, stranger, but="campaign_link_meta")
    run(product_database, f"ALTER ROLE {stranger.url.username} BYPASSRLS")
    assert_refused_unchanged(stranger, r"lacks SELECT on public\.campaign_link_meta", product_database)


def test_a_hardened_schema_public_is_opened_to_the_engine_or_refused(
    product_database: Database, stranger: Database, database: Database
) -> None:
    as_owner(product_database, stranger)
    user = stranger.url.username
    run(
        product_database,
        f"""REVOKE ALL ON SCHEMA public FROM PUBLIC;
        GRANT eventflow_stats_engine, eventflow_stats_reader TO {user} WITH ADMIN OPTION;""",
    )
    assert_refused_unchanged(
        stranger, "cannot give eventflow_stats_engine USAGE on schema public; log in as", product_database
    )
    run(product_database, f"GRANT USAGE ON SCHEMA public TO {user} WITH GRANT OPTION")

    migrate(stranger)

    with stranger.session() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM public.marketing_stats_daily").scalar() == 0


def test_an_ordinary_owner_of_the_tables_migrates_and_works_as_the_engine(
    product_database: Database, stranger: Database, database: Database
) -> None:
    as_owner(product_database, stranger)
    # What PostgreSQL 16 and newer give to the user who creates a role: to administer it, not to use it.
    with connect(product_database) as connection:
        modern = connection.info.server_version >= 160000
    right = "WITH ADMIN TRUE, SET FALSE" if modern else "WITH ADMIN OPTION"
    run(product_database, f"GRANT eventflow_stats_engine, eventflow_stats_reader TO {stranger.url.username} {right}")
    assert migrate(stranger) == migration_names()
    with stranger.session() as connection:
        assert connection.exec_driver_sql("SELECT current_user").scalar() == "eventflow_stats_engine"
        assert connection.exec_driver_sql("SELECT count(*) FROM eventflow_stats.visit_facts").scalar() == 0


@pytest.mark.parametrize("until", [migration_names()[0], migration_names()[-1]])
def test_another_bucket_time_zone_than_the_recorded_one_is_refused(product_database: Database, until: str) -> None:
    migrate(product_database, until=until)
    assert_refused_unchanged(
        elsewhere(product_database), "EVENTFLOW_BUCKET_TIMEZONE is 'Asia/Seoul'.*'UTC'", product_database
    )


def test_a_session_in_another_bucket_time_zone_than_the_recorded_one_is_refused(database: Database) -> None:
    with (
        pytest.raises(Refused, match=r"EVENTFLOW_BUCKET_TIMEZONE is 'Asia/Seoul'.*'UTC'"),
        elsewhere(database).session(),
    ):
        pass


def elsewhere(database: Database) -> Database:
    """The same database with another time zone in the settings."""
    return Database(database.url.render_as_string(hide_password=False), Settings(bucket_timezone="Asia/Seoul"))


def test_a_database_of_a_newer_version_is_refused(database: Database) -> None:
    run(database, "UPDATE eventflow_stats.schema_version SET version_num = '9999_from_the_future'")
    assert_refused_unchanged(database, "9999_from_the_future, which this version of eventflow-stats does not have")


def test_a_session_on_a_database_that_is_not_migrated_is_refused(product_database: Database) -> None:
    before = everything_in(product_database)
    with pytest.raises(Refused, match="run `eventflow-stats migrate`"), product_database.session():
        pass
    assert everything_in(product_database) == before
