"""Finds why a database cannot be written, and what to change."""

from dataclasses import dataclass

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query

SETTING = "default_transaction_read_only"


@dataclass(frozen=True)
class ReadOnlyCause:
    """Why new sessions are read-only, and the remedy: a statement where there is one."""

    what: str
    remedy: str


def read_only_cause(database: Database) -> ReadOnlyCause | None:
    """Why new sessions of the database URL's user are read-only; None where they may write.

    Raises:
        Refused: no connection.
    """
    with database.login_session() as connection:
        found = connection.execute(query("status/read_only_state")).one()
    if found.standby:
        return ReadOnlyCause("the server is a standby", "point EVENTFLOW_DATABASE_URL at the primary, or promote it")
    if not found.read_only:
        return None
    login, name = f"role {found.login}", f"database {found.database_name}"
    # In PostgreSQL's order of precedence.
    for is_set, where, statement in (
        (found.by_role_here, f"{login} in {name}", f"ALTER ROLE {found.login} IN DATABASE {found.database_name} RESET"),
        (found.by_role, login, f"ALTER ROLE {found.login} RESET"),
        (found.by_database, name, f"ALTER DATABASE {found.database_name} RESET"),
    ):
        if is_set:
            # The session that resets the setting starts read-only itself.
            return ReadOnlyCause(f"{SETTING} is on for {where}", f"SET {SETTING} = off; {statement} {SETTING}")
    return ReadOnlyCause(
        f"{SETTING} is on for the whole server", f"ALTER SYSTEM SET {SETTING} = off; SELECT pg_reload_conf()"
    )
