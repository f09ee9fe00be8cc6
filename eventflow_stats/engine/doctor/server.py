"""Checks of the running server: settings that hide changes, statistics, write access, old open transactions."""

from datetime import timedelta

from eventflow_stats.engine.doctor.check_result import CheckResult, DoctorLine, run_check
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.read_only import read_only_cause
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.engine.status.open_transactions import read_open_transactions
from eventflow_stats.formatting import format_count, format_duration, format_list

AREA = "server"
FACT_TABLES = ["event_access_logs", "event_survey_entries"]
MANY_ROWS = 10_000


def check_server(database: Database) -> list[DoctorLine]:
    return [
        run_check(AREA, "counters", lambda: check_counters(database)),
        run_check(AREA, "statistics", lambda: check_statistics(database)),
        run_check(AREA, "writing", lambda: check_writing(database)),
        run_check(AREA, "transactions", lambda: check_transactions(database)),
    ]


def check_counters(database: Database) -> CheckResult:
    with database.login_session() as connection:
        found = connection.execute(query("doctor/server_settings")).one()
    if not found.track_counts:
        return CheckResult(
            "fail",
            "track_counts is off: only the rolling verification finds changed and deleted facts of older days",
            "set track_counts = on, and reload the server",
        )
    if not found.autovacuum:
        return CheckResult("warn", "autovacuum is off: statistics and BRIN indexes grow old", "set autovacuum = on")
    return CheckResult("ok", "track_counts and autovacuum are on")


def check_statistics(database: Database) -> CheckResult:
    with database.login_session() as connection:
        found = connection.execute(query("doctor/fact_table_statistics"), {"tables": FACT_TABLES}).all()
    never = [row.table_name for row in found if row.analyzed_at is None and row.live_rows >= MANY_ROWS]
    without = [row.table_name for row in found if row.without_autovacuum]
    if never or without:
        message = [f"never analyzed: {format_list(never)}"] if never else []
        message += [f"autovacuum is off for {format_list(without)}"] if without else []
        remedies = [f"ANALYZE {', '.join(f'public.{name}' for name in never)}"] if never else []
        remedies += [f"ALTER TABLE public.{name} RESET (autovacuum_enabled)" for name in without]
        return CheckResult("warn", "; ".join(message), "; ".join(remedies))
    return CheckResult(
        "ok", ", ".join(f"{row.table_name} about {row.live_rows:,} rows" for row in found) or "no fact table"
    )


def check_writing(database: Database) -> CheckResult:
    cause = read_only_cause(database)
    if cause is not None:
        return CheckResult("fail", f"read-only: {cause.what}", cause.remedy)
    return CheckResult("ok", "new transactions may write")


def check_transactions(database: Database) -> CheckResult:
    """Check for transactions that are open for longer than detection looks back."""
    held = read_open_transactions(database)
    overlap = timedelta(seconds=database.settings.detection_overlap)
    old = held.older_than(overlap)
    hidden = ""
    if held.hidden_sessions:
        hidden = f"; {format_count(held.hidden_sessions, 'session')} of other users cannot be seen"
    if old:
        oldest = old[0]
        since = format_duration(held.at - oldest.since)
        end = f"SELECT pg_terminate_backend({oldest.name})"
        if oldest.kind == "prepared":
            end = f"COMMIT PREPARED or ROLLBACK PREPARED '{oldest.name}'"
        return CheckResult(
            "warn",
            f"{format_count(len(old), 'transaction')} open for longer than EVENTFLOW_DETECTION_OVERLAP "
            f"({format_duration(overlap)}), the oldest for {since}: {oldest}{hidden}",
            f"only the sweep and the rolling verification find what it commits; to end it: {end}",
        )
    if hidden:
        return CheckResult(
            "warn", f"none of those that can be seen is too old{hidden}", "GRANT pg_read_all_stats TO the login"
        )
    return CheckResult("ok", "none is older than EVENTFLOW_DETECTION_OVERLAP")
