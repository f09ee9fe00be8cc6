"""Manual adjustments: signed changes beside the measured numbers. They change no fact and no row of the rollup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from eventflow_stats.engine.group_key import GroupKey
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.errors import InvalidInput

LARGEST_ADJUSTMENT = 1_000_000_000
"""The most visits or conversions that one adjustment adds or takes away. The ledger has the same limit."""


@dataclass(frozen=True)
class NewAdjustment:
    """Visits and conversions to add to a group (negative: to take away), the reason, and who is responsible."""

    group: GroupKey
    visits: int
    conversions: int
    reason: str
    author: str

    @property
    def parameters(self) -> dict[str, Any]:
        fields = asdict(self)
        return {**fields.pop("group"), **fields}


@dataclass(frozen=True)
class RecordedAdjustment:
    """An adjustment in the ledger; instants are UTC.

    ``author`` and ``reverted_by`` are names that people gave, ``recorded_by`` and ``reverted_recorded_by`` the database
    logins. ``reverted_at`` is None while the adjustment is in force. Names are None if the client or link was deleted.
    """

    adjustment_id: int
    client_id: UUID
    client_name: str | None
    bucket_date: date
    campaign_id: UUID | None
    link_id: UUID | None
    link_name: str | None
    utm_source: str | None
    utm_medium: str | None
    utm_campaign: str | None
    visits_delta: int
    conversions_delta: int
    reason: str
    author: str
    recorded_by: str | None
    created_at: datetime
    reverted_reason: str | None
    reverted_by: str | None
    reverted_recorded_by: str | None
    reverted_at: datetime | None

    @property
    def group(self) -> GroupKey:
        return GroupKey(
            self.client_id, self.bucket_date, self.campaign_id, self.link_id,
            self.utm_source, self.utm_medium, self.utm_campaign,
        )  # fmt: skip


@dataclass(frozen=True)
class AdjustedGroup:
    """A group as its facts give it now, and the sums of its adjustments in force."""

    measured_visits: int
    measured_conversions: int
    adjustments: int
    visits_delta: int
    conversions_delta: int


@dataclass(frozen=True)
class AdjustmentResult:
    """An adjustment that was added or reverted, and its group afterwards."""

    adjustment: RecordedAdjustment
    after: AdjustedGroup

    @property
    def has_facts(self) -> bool:
        """Whether anything was measured in the group. If not, it consists of adjustments alone."""
        return bool(self.after.measured_visits or self.after.measured_conversions)


@dataclass(frozen=True)
class DayAdjustments:
    """The adjustments in force of one or more days: how many, and the sums of what they add."""

    adjustments: int
    visits: int
    conversions: int


class AdjustmentLedger:
    """The ledger open for writing: one transaction, one writer at a time."""

    def __init__(self, database: Database, connection: Connection) -> None:
        self._first_day = database.settings.start_date
        self._connection = connection

    def add(self, adjustment: NewAdjustment, again: bool = False) -> AdjustmentResult:
        """Add an adjustment; ``again`` allows it even if the same one by the same author is in force.

        Raises:
            InvalidInput: the adjustment is refused; the message says what would be right.
        """
        if adjustment.group.bucket_date < self._first_day:
            raise InvalidInput(
                f"day {adjustment.group.bucket_date} cannot be adjusted; days go from {self._first_day} (setting "
                "EVENTFLOW_START_DATE) to today"
            )
        return self._write("adjustments/add_adjustment", {**adjustment.parameters, "again": again})

    def revert(self, adjustment_id: int, author: str, reason: str) -> AdjustmentResult:
        """Revert an adjustment; its row stays, and this cannot be undone.

        Raises:
            InvalidInput: the revert is refused; the message says what would be right.
        """
        wanted = {"adjustment_id": adjustment_id, "author": author, "reason": reason}
        return self._write("adjustments/revert_adjustment", wanted)

    def find_same(self, adjustment: NewAdjustment) -> RecordedAdjustment | None:
        """An adjustment of the same group, numbers and reason, by any author: one in force, else one reverted."""
        found = self._connection.execute(query("adjustments/find_same_adjustment"), adjustment.parameters).first()
        return None if found is None else self._row(found.adjustment_id)

    def _write(self, statement: str, parameters: dict[str, Any]) -> AdjustmentResult:
        try:
            number = self._connection.scalar(query(statement), parameters)
        except DBAPIError as error:
            state = getattr(error.orig, "sqlstate", None) or ""
            if state.startswith("PT"):
                raise InvalidInput(str(error.orig.diag.message_primary)) from error  # type: ignore[union-attr]
            raise
        row = self._row(number)
        after = self._connection.execute(query("adjustments/adjusted_group"), asdict(row.group)).mappings().one()
        return AdjustmentResult(row, AdjustedGroup(**after))

    def _row(self, number: int) -> RecordedAdjustment:
        (row,) = _listed(self._connection, adjustment_id=number)
        return row


@contextmanager
def open_ledger(database: Database, execute: bool) -> Iterator[AdjustmentLedger]:
    """The ledger for writing. The writes are committed if ``execute`` is true and no error was raised, else rolled
    back: a dry run is refused exactly when the real one would be.

    Raises:
        Refused: no connection or not migrated.
        Failed: another writer held the ledger longer than the lock timeout.
    """
    with database.session() as connection:
        # READ COMMITTED, to see what another writer committed while this one waited for the lock.
        connection.execution_options(isolation_level="READ COMMITTED")
        with connection.begin() as transaction:
            connection.execute(query("adjustments/lock_adjustments"))
            yield AdjustmentLedger(database, connection)
            if not execute:
                transaction.rollback()


def adjustments(
    database: Database,
    first: date | None = None,
    last: date | None = None,
    clients: Sequence[UUID] | None = None,
    reverted: bool = False,
) -> list[RecordedAdjustment]:
    """The adjustments of days from first to last, both included, newest day first; None: no limit.

    Parameters: ``reverted``: include reverted ones.

    Raises:
        Refused: no connection or not migrated.
    """
    with database.session() as connection:
        return _listed(connection, first_day=first, last_day=last, clients=clients, reverted=reverted)


def adjustments_of_days(
    database: Database, first: date, last: date, clients: Sequence[UUID] | None = None
) -> dict[date, DayAdjustments]:
    """The adjustments in force on each day from first to last, both included; days without any are left out.

    Raises:
        Refused: no connection or not migrated.
    """
    asked = {"first_day": first, "last_day": last, "clients": None if clients is None else list(clients)}
    with database.session() as connection:
        return {
            row.bucket_date: DayAdjustments(row.adjustments, row.visits, row.conversions)
            for row in connection.execute(query("adjustments/adjustments_of_days"), asked)
        }


def groups_below_zero(database: Database) -> list[GroupKey]:
    """The groups of computed days that adjustments bring below zero, because facts disappeared after they were added.

    Raises:
        Refused: no connection or not migrated.
    """
    with database.session() as connection:
        return [GroupKey(**row) for row in connection.execute(query("adjustments/groups_below_zero")).mappings()]


def _listed(
    connection: Connection,
    adjustment_id: int | None = None,
    first_day: date | None = None,
    last_day: date | None = None,
    clients: Sequence[UUID] | None = None,
    reverted: bool = True,
) -> list[RecordedAdjustment]:
    wanted = {
        "adjustment_id": adjustment_id,
        "first_day": first_day,
        "last_day": last_day,
        "clients": None if clients is None else list(clients),
        "reverted": reverted,
    }
    return [
        RecordedAdjustment(**row)
        for row in connection.execute(query("adjustments/list_adjustments"), wanted).mappings()
    ]
