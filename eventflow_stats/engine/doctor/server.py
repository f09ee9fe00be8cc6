"""The server at work: settings that cut the engine short, statistics, transactions that hold knowledge back."""

from datetime import timedelta

from eventflow_stats.engine.database import Database
from eventflow_stats.engine.doctor.finding import Finding, Verdict, look
from eventflow_stats.engine.hold_back import hold_back
from eventflow_stats.engine.judging import told_transaction
from eventflow_stats.engine.read_only import read_only_cause
from eventflow_stats.engine.sql import query
from eventflow_stats.words import counted, lasting, listed

AREA = "server"
FACT_TABLES = ["event_access_logs", "event_survey_entries"]
MANY_ROWS = 10_000


def examine_server(database: Database) -> list[Finding]:
    return [
        look(AREA, "counters", lambda: counters(database)),
        look(AREA, "statistics", lambda: statistics(database)),
        look(AREA, "writing", lambda: writing(database)),
        look(AREA, "transactions", lambda: transactions(database)),
    ]


def counters(database: Database) -> Verdict:
    with database.login_session() as connection:
        found = connection.execute(query("server_settings")).one()
    if not found.track_counts:
        return Verdict(
            "fail",
            "track_counts is off: changed and deleted facts of older days are found by the rolling proof alone",
            "set track_counts = on, and reload the server",
        )
    if not found.autovacuum:
        return Verdict("warn", "autovacuum is off: statistics and BRIN indexes grow old", "set autovacuum = on")
    return Verdict("ok", "track_counts and autovacuum are on")


def statistics(database: Database) -> Verdict:
    with database.login_session() as connection:
        found = connection.execute(query("fact_table_statistics"), {"tables": FACT_TABLES}).all()
    never = [row.table_name for row in found if row.analyzed_at is None and row.live_rows >= MANY_ROWS]
    without = [row.table_name for row in found if row.without_autovacuum]
    if never or without:
        told = [f"never analyzed: {listed(never)}"] if never else []
        told += [f"autovacuum is off for {listed(without)}"] if without else []
        remedies = [f"ANALYZE {', '.join(f'public.{name}' for name in never)}"] if never else []
        remedies += [f"ALTER TABLE public.{name} RESET (autovacuum_enabled)" for name in without]
        return Verdict("warn", "; ".join(told), "; ".join(remedies))
    return Verdict(
        "ok", ", ".join(f"{row.table_name} about {row.live_rows:,} rows" for row in found) or "no fact table"
    )


def writing(database: Database) -> Verdict:
    cause = read_only_cause(database)
    if cause is not None:
        return Verdict("fail", f"read-only: {cause.what}", cause.remedy)
    return Verdict("ok", "new transactions may write")


def transactions(database: Database) -> Verdict:
    held = hold_back(database)
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
        return Verdict(
            "warn",
            f"{counted(len(old), 'transaction')} not ended for longer than detection looks back "
            f"({lasting(overlap)}), the oldest for {since}: {told_transaction(oldest)}{hidden}",
            f"what it commits is found by the sweep and the rolling proof alone; {end}",
        )
    if hidden:
        return Verdict("warn", f"none too old that can be seen{hidden}", "GRANT pg_read_all_stats to the login")
    return Verdict("ok", "none is older than detection looks back")
