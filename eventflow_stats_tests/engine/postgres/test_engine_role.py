"""The engine may read facts through the views and write its own tables, and nothing else."""

import psycopg
import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.errors import Refused
from eventflow_stats_tests.engine.postgres.inspecting import everything_in, rows, run
from eventflow_stats_tests.engine.reading.three_clients import (
    CAFE,
    GYM,
    OUR_VIEWS,
    PRODUCT_TABLES,
    ROLLUP,
    SHOP,
    writes,
)


def assert_engine_denied(connection: Connection, statement: str) -> None:
    with pytest.raises(DBAPIError) as refusal:
        connection.exec_driver_sql(statement)
    assert isinstance(refusal.value.orig, psycopg.errors.InsufficientPrivilege), statement
    connection.rollback()


def first_column(database: Database, table: str) -> str:
    [(column,)] = rows(
        database, f"SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum = 1"
    )
    return str(column)


def test_the_engine_neither_reads_nor_writes_a_product_table(shops: Database) -> None:
    before = everything_in(shops)
    with shops.session() as connection:
        for table in PRODUCT_TABLES:
            assert_engine_denied(connection, f"SELECT FROM {table}")
            for statement in writes(table, first_column(shops, table)):
                assert_engine_denied(connection, statement)
    assert everything_in(shops) == before


def test_the_engine_reads_facts_through_the_two_views(shops: Database) -> None:
    run(
        shops,
        f"""INSERT INTO event_survey_entries (campaign_id, client_id, phone_norm, survey_no, code6)
        VALUES ('{GYM}', '{GYM}', '1', 1, '000001')""",
    )
    with shops.session() as connection:
        visits = connection.exec_driver_sql("SELECT client_id::text FROM eventflow_stats.visit_facts ORDER BY 1")
        assert list(visits.scalars()) == [SHOP, CAFE, GYM]
        conversions = connection.exec_driver_sql("SELECT client_id::text FROM eventflow_stats.conversion_facts")
        assert list(conversions.scalars()) == [GYM]


def test_the_engine_cannot_write_facts_through_the_views(shops: Database) -> None:
    before = everything_in(shops)
    with shops.session() as connection:
        for view in OUR_VIEWS:
            column = first_column(shops, f"eventflow_stats.{view}")
            for statement in (
                f"INSERT INTO eventflow_stats.{view} ({column}) VALUES (gen_random_uuid())",
                f"UPDATE eventflow_stats.{view} SET {column} = {column}",
                f"DELETE FROM eventflow_stats.{view}",
            ):
                with pytest.raises(DBAPIError):
                    connection.exec_driver_sql(statement)
                connection.rollback()
    assert everything_in(shops) == before


def test_the_engine_cannot_alter_the_schema(shops: Database) -> None:
    before = everything_in(shops)
    with shops.session() as connection:
        for statement in (
            "CREATE TABLE public.mine ()",
            "CREATE TABLE eventflow_stats.mine ()",
            "CREATE SCHEMA mine",
            "CREATE ROLE mine",
            f"ALTER TABLE {ROLLUP} ADD COLUMN mine integer",
            f"ALTER TABLE {ROLLUP} DISABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {ROLLUP} DISABLE TRIGGER ALL",
            f"CREATE INDEX ON {ROLLUP} (visits)",
            f"CREATE POLICY mine ON {ROLLUP}",
            f"TRUNCATE {ROLLUP}",
            f"DROP TABLE {ROLLUP}",
            "ALTER TABLE public.event_access_logs ADD COLUMN mine integer",
            "CREATE INDEX ON public.event_access_logs (cid)",
            "CREATE OR REPLACE VIEW eventflow_stats.client_names AS SELECT 1",
            "DROP VIEW eventflow_stats.visit_facts",
            "DROP FUNCTION eventflow_stats.group_id",
            "DROP SCHEMA eventflow_stats CASCADE",
            "DELETE FROM eventflow_stats.deployment",
            "UPDATE eventflow_stats.deployment SET bucket_timezone = 'Asia/Seoul'",
            "DELETE FROM eventflow_stats.discrepancies",
            "INSERT INTO eventflow_stats.adjustments DEFAULT VALUES",
            "DELETE FROM eventflow_stats.superseded_rows",
            "UPDATE eventflow_stats.schema_version SET version_num = 'mine'",
        ):
            assert_engine_denied(connection, statement)
    assert everything_in(shops) == before


def test_a_statement_the_engine_may_not_run_is_reported_in_one_line(shops: Database) -> None:
    with pytest.raises(Refused, match="permission denied for table event_access_logs") as refusal:  # noqa: SIM117
        with shops.session() as connection:
            connection.exec_driver_sql("DELETE FROM public.event_access_logs")
    assert "\n" not in str(refusal.value)
