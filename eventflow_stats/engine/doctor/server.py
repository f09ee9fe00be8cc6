"""The server at work: settings that cut the engine short, statistics, transactions that hold knowledge back."""

from datetime import timedelta

from eventflow_stats.engine.doctor.diagnosis import Diagnosis, Outcome, run_check
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.read_only import read_only_cause
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.engine.status.open_transactions import read_open_transactions
from eventflow_stats.formatting import counted, lasting, listed

AREA = "server"
FACT_TABLES = ["event_access_logs", "event_survey_entries"]
MANY_ROWS = 10_000


def examine_server(database: Database) -> list[Diagnosis]:
    return [
        run_check(AREA, "counters", lambda: counters(database)),
        run_check(AREA, "statistics", lambda: statistics(database)),
        run_check(AREA, "writing", lambda: writing(database)),
        run_check(AREA, "transactions", lambda: transactions(database)),
    ]


def counters(database: Database) -> Outcome:
    with database.login_session() as connection:
        found = connection.execute(query("doctor/server_settings")).one()
    if not found.track_counts:
        return Outcome(
            "fail",
            "track_counts is off: changed and deleted facts of older days are found by the rolling verification alone",
            "set track_counts = on, and reload the server",
        )
    if not found.autovacuum:
        return Outcome("warn", "autovacuum is off: statistics and BRIN indexes grow old", "set autovacuum = on")
    return Outcome("ok", "track_counts and autovacuum are on")


def statistics(database: Database) -> Outcome:
    with database.login_session() as connection:
        found = connection.execute(query("doctor/fact_table_statistics"), {"tables": FACT_TABLES}).all()
    never = [row.table_name for row in found if row.analyzed_at is None and row.live_rows >= MANY_ROWS]
    without = [row.table_name for row in found if row.without_autovacuum]
    if never or without:
        message = [f"never analyzed: {listed(never)}"] if never else []
        message += [f"autovacuum is off for {listed(without)}"] if without else []
        remedies = [f"ANALYZE {', '.join(f'public.{name}' for name in never)}"] if never else []
        remedies += [f"ALTER TABLE public.{name} RESET (autovacuum_enabled)" for name in without]
        return Outcome("warn", "; ".join(message), "; ".join(remedies))
    return Outcome(
        "ok", ", ".join(f"{row.table_name} about {row.live_rows:,} rows" for row in found) or "no fact table"
    )


def writing(database: Database) -> Outcome:
    cause = read_only_cause(database)
    if cause is not None:
        return Outcome("fail", f"read-only: {cause.what}", cause.remedy)
    return Outcome("ok", "new transactions may write")


def transactions(database: Database) -> Outcome:
    held = read_open_transactions(database)
    overlap = timedelta(seconds=database.settings.detection_overlap)
    old = held.older_than(overlap)
    hidden = ""
    if held.hidden_sessions:
        hidden = f"; {counted(held.hidden_sessions, 'session')} of other users cannot be looked into"
    if old:
        oldest = old[0]
        since = lasting(held.at - oldest.since)
        end = f"SELECT pg_terminate_backend({oldest.name})"
        if oldest.kind == "prepared":
            end = f"COMMIT PREPARED or ROLLBACK PREPARED '{oldest.name}'"
        return Outcome(
            "warn",
            f"{counted(len(old), 'transaction')} not ended for longer than detection looks back "
            f"({lasting(overlap)}), the oldest for {since}: {oldest}{hidden}",
            f"what it commits is found by the sweep and the rolling verification alone; {end}",
        )
    if hidden:
        return Outcome("warn", f"none too old that can be seen{hidden}", "GRANT pg_read_all_stats to the login")
    return Outcome("ok", "none is older than detection looks back")
