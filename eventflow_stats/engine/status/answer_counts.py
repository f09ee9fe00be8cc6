"""How the read API's answers came about, by minute: from the rollup, or measured from facts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query

Source = Literal["aggregated", "raw"]
Counts = Mapping[tuple[datetime, Source], int]
"""Answers by the minute (UTC, its first second) they were given in and by their source."""
KEPT = timedelta(days=2)
DAYS_BY_DEFAULT = 30
"""The range of an answer for which no first day is given (sql/functions/07_read_functions.sql)."""


@dataclass(frozen=True)
class RawShare:
    """So many answers, of which so many were measured from facts, whole or in part."""

    answers: int
    raw: int

    @property
    def percent(self) -> float:
        """0 without answers."""
        return 100 * self.raw / self.answers if self.answers else 0.0


def count_answers(database: Database, counts: Counts) -> None:
    """Add answers to those of the other processes and of earlier calls; forget those of two days ago.

    All are added or, with an error, none; only where the connection is lost in the very commit can nobody tell.

    Raises:
        Refused: no connection or not migrated.
        Failed: a timeout, or another transaction in the way.
    """
    given = {
        "minutes": [minute for minute, _ in counts],
        "sources": [source for _, source in counts],
        "answers": list(counts.values()),
    }
    with database.session() as connection:
        # Not REPEATABLE READ: there, what another process added meanwhile is a conflict.
        connection.execution_options(isolation_level="READ COMMITTED")
        with connection.begin():
            connection.execute(query("status/count_answers"), given)
            connection.execute(query("status/delete_old_answers"), {"kept": KEPT})


def raw_share(database: Database, since: datetime) -> RawShare:
    """How many answers were given in the minutes that began at ``since`` or later, and how many of them were raw.

    Raises:
        Refused: no connection or not migrated.
    """
    with database.session() as connection:
        return RawShare(**connection.execute(query("status/raw_share"), {"since": since}).mappings().one())
