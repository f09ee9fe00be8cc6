"""Manual adjustments: a signed ledger beside the measured numbers. Nothing here touches facts, rollup or verifications."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.errors import InvalidInput

LARGEST_CORRECTION = 1_000_000_000
"""Of visits or conversions, either way; what the ledger takes (sql/functions/08_adjustments.sql)."""


@dataclass(frozen=True)
class Group:
    """The group of numbers that an adjustment is about (semantics.md, Group); None is an absent dimension."""

    client_id: UUID
    bucket_date: date
    campaign_id: UUID | None = None
    link_id: UUID | None = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None


@dataclass(frozen=True)
class NewAdjustment:
    """What is to be added to a group's visits and conversions (negative: taken away), why, and who answers for it."""

    group: Group
    visits: int
    conversions: int
    reason: str
    author: str


@dataclass(frozen=True)
class Adjustment:
    """An adjustment as the ledger has it; instants are UTC.

    ``author`` and ``reverted_by`` are what people said, ``recorded_by`` and ``reverted_recorded_by`` the logins of the
    database. ``reverted_at`` is None as long as it is in force. Names are None where client or link are gone.
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
    def group(self) -> Group:
        return Group(
            self.client_id, self.bucket_date, self.campaign_id, self.link_id,
            self.utm_source, self.utm_medium, self.utm_campaign,
        )  # fmt: skip


@dataclass(frozen=True)
class AdjustedGroup:
    """A group as its facts say now, and the sums of its adjustments in force."""

    measured_visits: int
    measured_conversions: int
    adjustments: int
    visits_delta: int
    conversions_delta: int


@dataclass(frozen=True)
class Adjusted:
    """An adjustment just added or reverted, and its group after that."""

    adjustment: Adjustment
    after: AdjustedGroup

    @property
    def has_facts(self) -> bool:
        """Whether anything was measured in the group; else it consists of adjustments alone."""
        return bool(self.after.measured_visits or self.after.measured_conversions)


@dataclass(frozen=True)
class DayAdjustments:
    """Adjustments in force, of a day or several: how many, and what they add."""

    adjustments: int
    visits: int
    conversions: int


class AdjustmentLedger:
    """The ledger open for writing: one transaction, one writer at a time."""

    def __init__(self, database: Database, connection: Connection) -> None:
        self._first_day = database.settings.start_date
        self._connection = connection

    def add(self, adjustment: NewAdjustment, again: bool = False) -> Adjusted:
        """Add an adjustment; ``again`` also where the same one, by the same author, is in force already.

        Raises:
            InvalidInput: it cannot be, and what would be right.
        """
        if adjustment.group.bucket_date < self._first_day:
            raise InvalidInput(
                f"day {adjustment.group.bucket_date} cannot be corrected; days go from {self._first_day} (setting "
                "EVENTFLOW_START_DATE) to today"
            )
        return self._written("adjustments/add_adjustment", {**_parameters(adjustment), "again": again})

    def revert(self, adjustment_id: int, author: str, reason: str) -> Adjusted:
        """Revert an adjustment, once and for good; its row stays.

        Raises:
            InvalidInput: it cannot be, and what would be right.
        """
        return self._written(
            "adjustments/revert_adjustment", {"adjustment_id": adjustment_id, "author": author, "reason": reason}
        )

    def find_same(self, adjustment: NewAdjustment) -> Adjustment | None:
        """An adjustment of the same group, numbers and reason, whoever its author: one in force, else one reverted."""
        found = self._connection.execute(query("adjustments/find_same_adjustment"), _parameters(adjustment)).first()
        return None if found is None else self._row(found.adjustment_id)

    def _written(self, statement: str, parameters: dict[str, Any]) -> Adjusted:
        try:
            number = self._connection.scalar(query(statement), parameters)
        except DBAPIError as error:
            state = getattr(error.orig, "sqlstate", None) or ""
            if state.startswith("PT"):
                raise InvalidInput(str(error.orig.diag.message_primary)) from error  # type: ignore[union-attr]
            raise
        row = self._row(number)
        after = self._connection.execute(query("adjustments/adjusted_group"), asdict(row.group)).mappings().one()
        return Adjusted(row, AdjustedGroup(**after))

    def _row(self, number: int) -> Adjustment:
        (row,) = _listed(self._connection, adjustment_id=number)
        return row


@contextmanager
def open_ledger(database: Database, execute: bool) -> Iterator[AdjustmentLedger]:
    """The ledger for writing. What is written stands if ``execute`` is true and nothing is raised; else it is as if it
    had never been, so that a dry run is refused whatever the real one would be.

    Raises:
        Refused: no connection or not migrated.
        Failed: another writer held the ledger longer than the lock timeout.
    """
    with database.session() as connection:
        # Not REPEATABLE READ: what another writer committed while this one waited must be seen.
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
) -> list[Adjustment]:
    """The adjustments of days from first to last, both included, newest day first; None: no limit.

    Parameters: ``reverted``: reverted ones too.

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
    client_day = {"first_day": first, "last_day": last, "clients": None if clients is None else list(clients)}
    with database.session() as connection:
        return {
            row.bucket_date: DayAdjustments(row.adjustments, row.visits, row.conversions)
            for row in connection.execute(query("adjustments/adjustments_of_days"), client_day)
        }


def groups_below_zero(database: Database) -> list[Group]:
    """Groups of computed days that adjustments leave below zero, because facts disappeared since they were added.

    Raises:
        Refused: no connection or not migrated.
    """
    with database.session() as connection:
        return [Group(**row) for row in connection.execute(query("adjustments/groups_below_zero")).mappings()]


def _parameters(adjustment: NewAdjustment) -> dict[str, Any]:
    return {
        **asdict(adjustment.group),
        "visits": adjustment.visits,
        "conversions": adjustment.conversions,
        "reason": adjustment.reason,
        "author": adjustment.author,
    }


def _listed(
    connection: Connection,
    adjustment_id: int | None = None,
    first_day: date | None = None,
    last_day: date | None = None,
    clients: Sequence[UUID] | None = None,
    reverted: bool = True,
) -> list[Adjustment]:
    wanted = {
        "adjustment_id": adjustment_id,
        "first_day": first_day,
        "last_day": last_day,
        "clients": None if clients is None else list(clients),
        "reverted": reverted,
    }
    return [Adjustment(**row) for row in connection.execute(query("adjustments/list_adjustments"), wanted).mappings()]
