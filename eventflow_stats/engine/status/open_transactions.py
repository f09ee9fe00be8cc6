"""Transactions that are open or prepared, and may still commit facts of long ago.

Detection checks facts that were ingested within its overlap. A transaction that is open for longer commits facts that
detection does not find. Only the sweep and the rolling verification find them.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query


@dataclass(frozen=True)
class OpenTransaction:
    """A transaction of this database that has not ended.

    ``name`` is the process id of an open one, the global id of a prepared one. ``since`` (UTC) is when it began, or was
    prepared. ``held_back_ids`` is how many transaction ids were assigned since the oldest one that it holds back.
    """

    kind: Literal["open", "prepared"]
    name: str
    owner: str
    application: str
    state: str
    since: datetime
    held_back_ids: int

    def __str__(self) -> str:
        which = f"{'pid' if self.kind == 'open' else 'gid'} {self.name}"
        return ", ".join(filter(None, (which, self.owner, self.application, self.state)))


@dataclass(frozen=True)
class OpenTransactions:
    """The transactions that have not ended at ``at`` (UTC), oldest first.

    ``hidden_sessions`` of other users may have more of them. ``in_flight`` is how many transaction ids were assigned
    since the oldest one that still writes, on the whole server, hidden sessions included.
    """

    at: datetime
    transactions: tuple[OpenTransaction, ...]
    hidden_sessions: int
    in_flight: int

    @property
    def held_back_ids(self) -> int:
        """How many transaction ids the oldest snapshot or writer holds back."""
        return max([self.in_flight, *(transaction.held_back_ids for transaction in self.transactions)])

    def older_than(self, span: timedelta) -> list[OpenTransaction]:
        """The transactions that began, or were prepared, longer ago than that."""
        return [transaction for transaction in self.transactions if self.at - transaction.since > span]


def read_open_transactions(database: Database) -> OpenTransactions:
    """The transactions that have not ended, as far as the database URL's own user may see them.

    Raises:
        Refused: no connection.
    """
    with database.login_session() as connection:
        server = connection.execute(query("status/hidden_sessions")).one()
        found = connection.execute(query("status/open_transactions")).mappings().all()
    transactions = tuple(OpenTransaction(**row) for row in found)
    return OpenTransactions(server.at, transactions, server.hidden_sessions, server.in_flight)
