"""Corrects instants in the ledger that are later than the server's clock, which was ahead when they were written.

Such an instant would hide the facts ingested before it. So detection starts again from the last trusted time, and
client-days computed or verified at such an instant count as unverified since then.
"""

from sqlalchemy import Connection

from eventflow_stats.engine.postgres.sql import query

_CORRECTIONS = (
    "clock/correct_sealed_days",
    "clock/correct_days",
    "clock/correct_client_days",
    "clock/correct_quality_days",
    "clock/correct_alerts",
    "clock/correct_unswept_changes",
    "clock/correct_progress",
)


def correct_future_instants(connection: Connection) -> str | None:
    """Correct every instant that is later than the server's clock; returns a line about the latest, None without any.

    Needs the lock of ``lock_progress``; commits.
    """
    found: str | None = connection.scalar(query("assumptions/clock"))
    if found is not None:
        trusted = connection.execute(query("clock/last_trusted_instant")).mappings().one()
        for statement in _CORRECTIONS:
            connection.execute(query(statement), dict(trusted))
    connection.commit()
    return found


def clock_message(found: str) -> str:
    """The line for people about a clock that was wrong."""
    return (
        f"The server's clock was wrong: {found}. Detection started again from the last trusted time, and "
        "days dated in the future count as unverified. Nothing was lost; check the server's time service."
    )
