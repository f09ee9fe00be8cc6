"""Checks of the indexes that the engine and the read API need: they exist, are valid, and are used."""

from datetime import timedelta
from functools import cache, partial
from typing import Any

from eventflow_stats.engine.doctor.check_result import CheckResult, DoctorLine, run_check
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.formatting import format_list

AREA = "indexes"
FACT_INDEXES = (
    "event_access_logs_accessed_brin",
    "event_access_logs_created_brin",
    "event_survey_entries_created_brin",
)
PRODUCT_INDEXES = {
    ("event_access_logs", ("campaign_id", "accessed_at")): "one client's visits of a day",
    ("event_access_logs", ("webinar_id", "accessed_at")): "one client's visits of a webinar",
    ("event_survey_entries", ("campaign_id", "created_at")): "one client's entries of a day",
    ("campaign_link_meta", ("client_id", "cid")): "the link of a cid",
}
"""Table and first columns of an index, and what reads the whole table without it."""
ROLLUP_COLUMNS = ("client_id", "bucket_date")
MANY_ROWS = 100_000
LONG_ENOUGH = timedelta(days=1)
"""How long the counters must have counted before an index without a scan means anything."""
TABLES = ["event_access_logs", "event_survey_entries", "campaign_link_meta", "marketing_stats_daily"]


def check_indexes(database: Database) -> list[DoctorLine]:
    indexes = cache(partial(_indexes, database))
    return [
        run_check(AREA, "fact indexes", lambda: check_fact_indexes(database)),
        run_check(AREA, "product's indexes", lambda: check_product_indexes(indexes())),
        run_check(AREA, "rollup's index", lambda: check_rollup_index(indexes())),
        run_check(AREA, "validity", lambda: check_validity(indexes())),
        run_check(AREA, "use", lambda: check_use(indexes())),
    ]


def check_fact_indexes(database: Database) -> CheckResult:
    """Check our indexes of the times of facts."""
    with database.login_session() as connection:
        missing = list(connection.scalars(query("schema/fact_indexes_to_build")))
    if missing:
        return CheckResult(
            "fail",
            f"missing, invalid or not attached: {format_list(missing, 3)}; "
            "each search for new facts reads the whole table",
            "eventflow-stats migrate",
        )
    return CheckResult("ok", f"{len(FACT_INDEXES)} BRIN indexes, on every partition")


def check_product_indexes(indexes: list[Any]) -> CheckResult:
    missing = [
        f"{table} ({', '.join(columns)}), for {reads}"
        for (table, columns), reads in PRODUCT_INDEXES.items()
        if not _has_index(indexes, table, columns)
    ]
    if missing:
        return CheckResult(
            "warn",
            f"no valid index on {'; '.join(missing)}: a refresh of one client reads every client's rows",
            "CREATE INDEX CONCURRENTLY in the product's database, or ask who dropped it",
        )
    return CheckResult("ok", f"{len(PRODUCT_INDEXES)} that the engine uses are there")


def check_rollup_index(indexes: list[Any]) -> CheckResult:
    if not _has_index(indexes, "marketing_stats_daily", ROLLUP_COLUMNS):
        return CheckResult(
            "fail",
            f"no valid index on marketing_stats_daily ({', '.join(ROLLUP_COLUMNS)})",
            "run sql/migrations/0003_marketing_stats_daily.sql and 0004_adopted_rollup.sql by psql as the table's "
            "owner, then eventflow-stats migrate",
        )
    return CheckResult("ok", "the key by client and day is there")


def check_validity(indexes: list[Any]) -> CheckResult:
    broken = [f"{row.table_name}.{row.index_name}" for row in indexes if not row.valid]
    if broken:
        return CheckResult(
            "fail",
            f"invalid: {format_list(broken)}; PostgreSQL writes such an index on every insert and never reads it",
            f"REINDEX INDEX CONCURRENTLY {broken[0].split('.')[1]}, or drop it and create it again",
        )
    return CheckResult("ok", "every index of facts, links and rollup is valid")


def check_use(indexes: list[Any]) -> CheckResult:
    """Report how often each index was scanned. An index of ours on a large table that is never scanned is a warning."""
    used = [row for row in indexes if row.index_name in FACT_INDEXES or row.columns in _columns_of(row.table_name)]
    message = ", ".join(f"{row.index_name} {row.scans:,}" for row in used)
    unused = [
        row.index_name
        for row in used
        if row.index_name in FACT_INDEXES
        and not row.scans
        and row.rows_estimated >= MANY_ROWS
        and (row.counted_for is None or row.counted_for >= LONG_ENOUGH)
    ]
    if unused:
        return CheckResult(
            "warn",
            f"never scanned although the table is large: {format_list(unused)} (scans: {message})",
            "ANALYZE the table, and check that the engine has run since PostgreSQL's counters were last reset",
        )
    return CheckResult("ok", f"scans since the counters were reset: {message}" if message else "no index to count")


def _columns_of(table: str) -> list[list[str]]:
    return [list(columns) for its, columns in PRODUCT_INDEXES if its == table]


def _has_index(indexes: list[Any], table: str, columns: tuple[str, ...]) -> bool:
    """Whether a valid b-tree index of the table begins with these columns."""
    return any(
        row.valid and row.method == "btree" and row.table_name == table and row.columns[: len(columns)] == list(columns)
        for row in indexes
    )


def _indexes(database: Database) -> list[Any]:
    with database.login_session() as connection:
        return list(connection.execute(query("doctor/index_state"), {"tables": TABLES}))
