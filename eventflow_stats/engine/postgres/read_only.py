"""Whether the database can be written at all, and what has to change where it cannot."""

from dataclasses import dataclass

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query

SETTING = "default_transaction_read_only"


@dataclass(frozen=True)
class ReadOnlyCause:
    """What makes new sessions read-only, and the remedy: a statement where there is one."""

    what: str
    remedy: str


def read_only_cause(database: Database) -> ReadOnlyCause | None:
    """What makes new sessions of the database URL's user read-only; None where they may write.

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
    # In the order in which PostgreSQL lets one setting go before another.
    for is_set, where, statement in (
        (found.by_role_here, f"{login} in {name}", f"ALTER ROLE {found.login} IN DATABASE {found.database_name} RESET"),
        (found.by_role, login, f"ALTER ROLE {found.login} RESET"),
        (found.by_database, name, f"ALTER DATABASE {found.database_name} RESET"),
    ):
        if is_set:
            # The session that resets it would start read-only as well.
            return ReadOnlyCause(f"{SETTING} is on for {where}", f"SET {SETTING} = off; {statement} {SETTING}")
    return ReadOnlyCause(
        f"{SETTING} is on for the whole server", f"ALTER SYSTEM SET {SETTING} = off; SELECT pg_reload_conf()"
    )
