"""The server at work: settings that cut the engine short, statistics, transactions that hold knowledge back."""

from datetime import timedelta

from eventflow_stats.engine.database import Database
from eventflow_stats.engine.doctor.finding import Finding, Verdict, look
from eventflow_stats.engine.hold_back import hold_back
from eventflow_stats.engine.judging import told_transaction
from eventflow_stats.engine.sql import query
from eventflow_stats.settings import Settings
from eventflow_stats.words import counted, lasting, listed

AREA = "server"
FACT_TABLES = ["event_access_logs", "event_survey_entries"]
MANY_ROWS = 10_000
SHORTEST_PAUSE = 60_000
"""Milliseconds that a session may wait within a transaction: between two statements of a rebuild of many days."""


def examine_server(database: Database, settings: Settings) -> list[Finding]:
    """``settings``: of the engine at work."""
    return [
        look(AREA, "counters", lambda: counters(database)),
        look(AREA, "statistics", lambda: statistics(database)),
        look(AREA, "timeouts", lambda: timeouts(database, settings)),
        look(AREA, "transactions", lambda: transactions(database)),
    ]


def counters(database: Database) -> Verdict:
    with database.login_session() as connection:
        found = connection.execute(query("server_settings")).one()
    if found.standby:
        return Verdict("fail", "a standby, which cannot be written", "point EVENTFLOW_DATABASE_URL at the primary")
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


def timeouts(database: Database, settings: Settings) -> Verdict:
    with database.login_session() as connection:
        found = connection.execute(query("server_settings")).one()
    wrong, statement = [], settings.statement_timeout * 1000
    if 0 < found.idle_in_transaction_timeout < SHORTEST_PAUSE:
        wrong.append(f"idle_in_transaction_session_timeout is {found.idle_in_transaction_timeout:,} ms")
    if 0 < found.transaction_timeout < statement:
        wrong.append(
            f"transaction_timeout is {found.transaction_timeout:,} ms, below EVENTFLOW_STATEMENT_TIMEOUT "
            f"({statement:,.0f} ms)"
        )
    if wrong:
        return Verdict(
            "warn",
            f"{'; '.join(wrong)}: the server ends a long rebuild",
            "ALTER ROLE ... SET it to 0 for the engine's login",
        )
    return Verdict("ok", "nothing of the server's ends a rebuild before EVENTFLOW_STATEMENT_TIMEOUT")


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
