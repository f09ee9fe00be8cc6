"""Migrations: every way to the newest schema ends in the same schema."""

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import FIRST_STEP, applied_migration, migrate, migration_names
from eventflow_stats.engine.postgres.sql import shipped
from eventflow_stats_tests.engine.postgres.inspecting import connect, everything_in, run, schema_of

NAMES = migration_names()
BASELINE = "0015_own_objects"
RECORDS = ["eventflow_stats.own_objects"]
"""What changes whenever a view is made again, the same or not."""


def test_a_database_migrated_step_by_step_has_the_schema_of_one_migrated_at_once(
    product_database: Database, newest_schema: str
) -> None:
    for name in NAMES:
        assert migrate(product_database, until=name) == [name]
        assert applied_migration(product_database) == name
    assert schema_of(product_database) == newest_schema


def test_numbers_of_versions_before_the_baseline_are_not_used_again() -> None:
    assert NAMES.index(BASELINE) == 14
    assert [name for name in NAMES if BASELINE < name < FIRST_STEP] == []


def test_migrating_again_applies_nothing_and_changes_nothing(database: Database) -> None:
    before = everything_in(database)
    assert migrate(database) == []
    assert migrate(database, until=NAMES[0]) == []
    assert everything_in(database) == before


def test_running_every_file_again_by_hand_changes_nothing(database: Database) -> None:
    run(
        database,
        """INSERT INTO public.marketing_stats_daily (id, client_id, bucket_date, visits)
        SELECT eventflow_stats.group_id(client, '2026-02-01', NULL, NULL, NULL, NULL, NULL), client,
            '2026-02-01', 3
        FROM gen_random_uuid() AS client""",
    )
    before = everything_in(database)
    for folder in ("migrations", "functions"):
        for file in sorted(shipped("sql", folder).iterdir(), key=lambda item: item.name):
            if file.name.endswith(".sql"):
                run_by_hand(database, file.read_text(encoding="utf-8"))
    assert everything_in(database) == before
    # The views are other rows of the catalog now, which `migrate` records.
    before = everything_in(database, but_rows_of=RECORDS)
    assert "view eventflow_stats.visit_facts was changed" in "".join(migrate(database))
    assert everything_in(database, but_rows_of=RECORDS) == before
    assert migrate(database) == []


def test_row_level_security_that_was_switched_off_is_on_again_after_migrate(database: Database) -> None:
    before = schema_of(database)
    run(database, "ALTER TABLE public.marketing_stats_daily DISABLE ROW LEVEL SECURITY")
    assert migrate(database) == ["made again (missing or changed: row-level security on public.marketing_stats_daily)"]
    assert schema_of(database) == before
    assert migrate(database) == []


def run_by_hand(database: Database, statements: str) -> None:
    with connect(database) as connection, connection.transaction():
        connection.execute(statements.encode())


def test_the_applied_migration_is_none_before_the_first(product_database: Database) -> None:
    before = everything_in(product_database)
    assert applied_migration(product_database) is None
    assert everything_in(product_database) == before
