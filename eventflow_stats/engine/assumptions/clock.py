"""Instants in the ledger that are later than the server's clock: it was ahead when they were written.

Such an instant is not used: it would hide the facts of the time up to it. Detection starts again from the last instant
that can be trusted, and what was computed or verified at such an instant counts as unverified since then.
"""

from sqlalchemy import Connection

from eventflow_stats.engine.postgres.sql import query

_STATEMENTS = (
    "clock/correct_sealed_days",
    "clock/correct_days",
    "clock/correct_client_days",
    "clock/correct_quality_days",
    "clock/correct_alerts",
    "clock/correct_unswept_changes",
    "clock/correct_progress",
)


def correct_future_instants(connection: Connection) -> str | None:
    """Take every instant later than the server's clock out of the ledger; what was found, None without any.

    Needs the lock of ``lock_progress``; commits.
    """
    found: str | None = connection.scalar(query("assumptions/clock"))
    if found is not None:
        trusted = connection.execute(query("clock/last_trusted_instant")).mappings().one()
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
