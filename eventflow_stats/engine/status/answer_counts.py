"""Count the read API's answers by minute and source: from the rollup ("aggregated"), or from facts ("raw")."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query

AnswerSource = Literal["aggregated", "raw"]
Counts = Mapping[tuple[datetime, AnswerSource], int]
"""Answers by source and by the minute (UTC, its first second) in which they were given."""
RETENTION = timedelta(days=2)
"""How long counts are stored."""
DAYS_BY_DEFAULT = 30
"""The range of an answer for which no first day is given. The SQL read functions use the same."""


@dataclass(frozen=True)
class RawShare:
    """How many answers were given, and how many of them were measured from facts, whole or in part."""

    answers: int
    raw: int

    @property
    def percent(self) -> float:
        """0 without answers."""
        return 100 * self.raw / self.answers if self.answers else 0.0


def count_answers(database: Database, counts: Counts) -> None:
    """Add the counts to those of the other processes and of earlier calls, and delete counts older than two days.

    On an error nothing is added. One case is unknown: the connection is lost during the commit.

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
        # In REPEATABLE READ, an addition by another process in the meantime would be a conflict.
        connection.execution_options(isolation_level="READ COMMITTED")
        with connection.begin():
            connection.execute(query("status/count_answers"), given)
            connection.execute(query("status/delete_old_answers"), {"retention": RETENTION})


def raw_share(database: Database, since: datetime) -> RawShare:
    """How many answers were given in the minutes that began at ``since`` or later, and how many of them were raw.

    Raises:
        Refused: no connection or not migrated.
    """
    with database.session() as connection:
        return RawShare(**connection.execute(query("status/raw_share"), {"since": since}).mappings().one())
