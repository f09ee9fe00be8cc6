"""What holds knowledge back: transactions that are still open, or prepared, and may commit facts of long ago.

Detection looks back by its overlap. A fact whose transaction stays open for longer commits unseen by it, and is
found by the sweep and the rolling verification alone.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query


@dataclass(frozen=True)
class OpenTransaction:
    """A transaction of this database that has not ended.

    ``name`` is the process id of an open one, the global id of a prepared one; ``since`` (UTC) is when it began, or
    was prepared; ``held_back`` how many transaction ids were given out since the oldest that it keeps from being
    final.
    """

    kind: Literal["open", "prepared"]
    name: str
    owner: str
    application: str
    state: str
    since: datetime
    held_back: int


@dataclass(frozen=True)
class OpenTransactions:
    """The transactions that have not ended at ``at`` (UTC), oldest first.

    ``hidden_sessions`` of other users may have more of them. ``in_flight`` counts the transaction ids since the
    oldest that is being written under on the whole server, hidden ones included.
    """

    at: datetime
    transactions: tuple[OpenTransaction, ...]
    hidden_sessions: int
    in_flight: int

    @property
    def held_back(self) -> int:
        """How many transaction ids the oldest snapshot or writer holds back."""
        return max([self.in_flight, *(transaction.held_back for transaction in self.transactions)])

    def older_than(self, span: timedelta) -> list[OpenTransaction]:
        """The transactions that began, or were prepared, longer ago than that."""
        return [transaction for transaction in self.transactions if self.at - transaction.since > span]


def held_back(database: Database) -> OpenTransactions:
    """The transactions that have not ended, as far as the database URL's own user may see.

    Raises:
        Refused: no connection.
    """
    with database.login_session() as connection:
        around = connection.execute(query("status/hidden_sessions")).one()
        found = connection.execute(query("status/open_transactions")).mappings().all()
    return OpenTransactions(
        around.at, tuple(OpenTransaction(**row) for row in found), around.hidden_sessions, around.in_flight
    )
