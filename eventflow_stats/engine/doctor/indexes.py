"""Indexes that the engine's and the read API's plans need: there, valid, and used."""

from datetime import timedelta
from functools import cache, partial
from typing import Any

from eventflow_stats.engine.doctor.diagnosis import Diagnosis, Outcome, run_check
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.formatting import listed

AREA = "indexes"
OURS = {
    "event_access_logs_accessed_brin": ("event_access_logs", "accessed_at"),
    "event_access_logs_created_brin": ("event_access_logs", "created_at"),
    "event_survey_entries_created_brin": ("event_survey_entries", "created_at"),
}
PRODUCTS = {
    ("event_access_logs", ("campaign_id", "accessed_at")): "one client's visits of a day",
    ("event_access_logs", ("webinar_id", "accessed_at")): "one client's visits of a webinar",
    ("event_survey_entries", ("campaign_id", "created_at")): "one client's entries of a day",
    ("campaign_link_meta", ("client_id", "cid")): "the link of a cid",
}
"""Columns that an index must begin with, and what would read the whole table without."""
ROLLUPS = ("client_id", "bucket_date")
MANY_ROWS = 100_000
LONG_ENOUGH = timedelta(days=1)
"""For how long counters must have counted before an index that was never scanned says something."""
TABLES = ["event_access_logs", "event_survey_entries", "campaign_link_meta", "marketing_stats_daily"]


def examine_indexes(database: Database) -> list[Diagnosis]:
    indexes = cache(partial(_indexes, database))
    return [
        run_check(AREA, "of time upon facts", lambda: of_ours(database)),
        run_check(AREA, "of the product", lambda: of_the_product(indexes())),
        run_check(AREA, "of the rollup", lambda: of_the_rollup(indexes())),
        run_check(AREA, "validity", lambda: validity(indexes())),
        run_check(AREA, "use", lambda: use(indexes())),
    ]


def of_ours(database: Database) -> Outcome:
    with database.login_session() as connection:
        missing = list(connection.scalars(query("schema/fact_indexes_to_build")))
    if missing:
        return Outcome(
            "fail",
            f"missing, invalid or not attached: {listed(missing, 3)}; each look for new facts reads the whole table",
            "eventflow-stats migrate",
        )
    return Outcome("ok", f"{len(OURS)} BRIN indexes, on every partition")


def of_the_product(indexes: list[Any]) -> Outcome:
    missing = [
        f"{table} ({', '.join(columns)}), for {reads}"
        for (table, columns), reads in PRODUCTS.items()
        if not _begins(indexes, table, columns)
    ]
    if missing:
        return Outcome(
            "warn",
            f"no valid index upon {'; '.join(missing)}: a refresh of one client reads every client's rows",
            "CREATE INDEX CONCURRENTLY in the product's database, or ask who dropped it",
        )
    return Outcome("ok", f"{len(PRODUCTS)} paths that the plans take are there")


def of_the_rollup(indexes: list[Any]) -> Outcome:
    if not _begins(indexes, "marketing_stats_daily", ROLLUPS):
        return Outcome(
            "fail",
            f"no valid index upon marketing_stats_daily ({', '.join(ROLLUPS)})",
            "run sql/migrations/0003_marketing_stats_daily.sql and 0004_adopted_rollup.sql by psql as the table's "
            "owner, then eventflow-stats migrate",
        )
    return Outcome("ok", "the key by client and day is there")


def validity(indexes: list[Any]) -> Outcome:
    broken = [f"{row.table_name}.{row.index_name}" for row in indexes if not row.valid]
    if broken:
        return Outcome(
            "fail",
            f"invalid: {listed(broken)}; written on every insert and never read",
            f"REINDEX INDEX CONCURRENTLY {broken[0].split('.')[1]}, or drop it and create it again",
        )
    return Outcome("ok", "every index upon facts, links and rollup is valid")


def use(indexes: list[Any]) -> Outcome:
    indexes = [row for row in indexes if row.index_name in OURS or row.columns in _paths(row.table_name)]
    message = ", ".join(f"{row.index_name} {row.scans:,}" for row in indexes)
    unused = [
        row.index_name
        for row in indexes
        if row.index_name in OURS
        and not row.scans
        and row.rows_estimated >= MANY_ROWS
        and (row.counted_for is None or row.counted_for >= LONG_ENOUGH)
    ]
    if unused:
        return Outcome(
            "warn",
            f"never scanned although the table is large: {listed(unused)} (scans: {message})",
            "ANALYZE the table, and see whether the engine ran since the counters began",
        )
    return Outcome("ok", f"scans since the counters began: {message}" if message else "no index to count")


def _paths(table: str) -> list[list[str]]:
    return [list(columns) for its, columns in PRODUCTS if its == table]


def _begins(indexes: list[Any], table: str, columns: tuple[str, ...]) -> bool:
    return any(
        row.valid and row.method == "btree" and row.table_name == table and row.columns[: len(columns)] == list(columns)
        for row in indexes
    )


def _indexes(database: Database) -> list[Any]:
    with database.login_session() as connection:
        return list(connection.execute(query("doctor/index_state"), {"tables": TABLES}))
