"""Instants in the ledger that are later than the server's clock: it was ahead when they were written.

Such an instant is not used: it would hide the facts of the time up to it. Detection starts again from the last instant
that can be trusted, and what was computed or verified at such an instant counts as unverified since then.
"""

from sqlalchemy import Connection

from eventflow_stats.engine.postgres.sql import query

_STATEMENTS = (
    "clock/sealed_days",
    "clock/days",
    "clock/client_days",
    "clock/quality",
    "clock/alerts",
    "clock/row_changes",
    "clock/progress",
)


def distrust_future_instants(connection: Connection) -> str | None:
    """Take every instant later than the server's clock out of the ledger; what was found, None without any.

    Needs the lock of ``lock_progress``; commits.
    """
    found: str | None = connection.scalar(query("assumptions/clock"))
    if found is not None:
        trusted = connection.execute(query("clock/trusted_instant")).mappings().one()
        for statement in _STATEMENTS:
            connection.execute(query(statement), dict(trusted))
    connection.commit()
    return found


def clock_message(found: str) -> str:
    """One line for people."""
    return (
        f"The server's clock was wrong: {found}. Detection started again from the last time that can be trusted, and "
        "days dated in the future count as unverified. Nothing was lost; check the server's time service."
    )
