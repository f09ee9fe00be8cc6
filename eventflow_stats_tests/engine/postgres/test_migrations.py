"""Migrations: every way to the newest schema ends in the same schema."""

import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import applied_migration, migrate, migration_names
from eventflow_stats.engine.postgres.sql import shipped
from eventflow_stats_tests.engine.postgres.inspecting import connect, everything_in, run, schema_of

NAMES = migration_names()
FILES = sorted(item.name for item in shipped("sql", "functions").iterdir())
RECORDS = ["eventflow_stats.own_objects"]
"""What changes whenever a view is made again, the same or not."""


@pytest.mark.parametrize("step", NAMES)
def test_migrating_from_any_earlier_step_ends_in_the_schema_of_migrating_from_zero(
    product_database: Database, newest_schema: str, step: str
) -> None:
    until = NAMES.index(step) + 1
    assert migrate(product_database, until=step) == NAMES[:until]
    assert applied_migration(product_database) == step
    assert migrate(product_database) == NAMES[until:]
    assert applied_migration(product_database) == NAMES[-1]
    assert schema_of(product_database) == newest_schema


def test_migrating_again_applies_nothing_and_changes_nothing(database: Database) -> None:
    before = everything_in(database)
    assert migrate(database) == []
    assert migrate(database, until=NAMES[0]) == []
    assert everything_in(database) == before


# View row_changes has other columns since: that file cannot run again, and `migrate` runs none twice.
@pytest.mark.parametrize("name", [name for name in NAMES if name != "0007_progress"])
def test_running_a_migration_file_by_hand_changes_nothing_that_migrate_does_not_put_right(
    database: Database, name: str
) -> None:
    run(
        database,
        """INSERT INTO public.marketing_stats_daily (id, client_id, bucket_date, visits)
        SELECT eventflow_stats.group_id(client, '2026-02-01', NULL, NULL, NULL, NULL, NULL), client,
            '2026-02-01', 3
        FROM gen_random_uuid() AS client""",
    )
    before = everything_in(database, but_rows_of=RECORDS)
    run_by_hand(database, name)
    # It may have made an older version of a view or function.
    migrate(database)
    assert everything_in(database, but_rows_of=RECORDS) == before
    assert migrate(database) == []


@pytest.mark.parametrize("name", FILES)
def test_running_a_function_file_twice_changes_nothing(database: Database, name: str) -> None:
    before = everything_in(database)
    for _ in range(2):
        with connect(database) as connection, connection.transaction():
            connection.execute(shipped("sql", "functions", name).read_text(encoding="utf-8").encode())
    assert everything_in(database) == before


def run_by_hand(database: Database, name: str) -> None:
    statements = shipped("sql", "migrations", f"{name}.sql").read_text(encoding="utf-8")
    with connect(database) as connection:
        connection.execute("SET eventflow_stats.bucket_timezone = 'UTC'")
        if statements.startswith("-- transactional: no"):
            for statement in statements.split(";\n"):
                connection.execute(statement.encode())
        else:
            with connection.transaction():
                connection.execute(statements.encode())


def test_the_applied_migration_is_none_before_the_first(product_database: Database) -> None:
    before = everything_in(product_database)
    assert applied_migration(product_database) is None
    assert everything_in(product_database) == before
