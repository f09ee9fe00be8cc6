"""Measure one day: count its facts group by group into a working table, which rebuild and verification read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import Connection

from eventflow_stats.engine.assumptions.day_windows import day_window
from eventflow_stats.engine.postgres.row_security import reading_facts
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.engine.rollup.held_and_sealed_days import FactCounts
from eventflow_stats.errors import InvalidInput


@dataclass(frozen=True)
class MeasuredTotals:
    """Totals of one day's facts, over the clients asked for.

    ``groups`` with their ``visits`` (distinct sessions per group, summed) and ``conversions``;
    ``facts`` read; ``unresolved_facts`` of them belong to no client and to no group.
    """

    groups: int
    visits: int
    conversions: int
    facts: int
    unresolved_facts: int

    @property
    def of_known_clients(self) -> FactCounts:
        return FactCounts(self.facts - self.unresolved_facts - self.conversions, self.conversions)


NOTHING_READ = MeasuredTotals(groups=0, visits=0, conversions=0, facts=0, unresolved_facts=0)


def require_clients(clients: Sequence[UUID] | None) -> None:
    """Refuse an empty list of clients: None means all clients, and work on no client must not look done.

    Raises:
        InvalidInput: the list is empty.
    """
    if clients is not None and not clients:
        raise InvalidInput("no client is named; name at least one, or leave clients out to mean all of them")


def prepare_working_tables(connection: Connection) -> None:
    """Create the session's working tables. Every commit empties them."""
    for name in (
        "rebuild/create_measured_groups",
        "verify/create_group_differences",
        "verify/create_client_day_results",
    ):
        connection.execute(query(name))
    connection.commit()


def measure_day(connection: Connection, day: date, clients: Sequence[UUID] | None) -> MeasuredTotals:
    """Fill ``measured_groups`` with the day's groups, counted from the facts; returns their totals.

    Parameters: ``day`` is a day in the bucket time zone; ``clients`` limits the facts read, None reads all facts of
    the day, those of no client included. Must run inside ``writing_day``.
    """
    window = day_window(connection, day)
    with reading_facts(connection):
        connection.execute(
            query("rebuild/measure_groups"),
            {"bucket_date": day, "clients": None if clients is None else list(clients), **window},
        )
    return MeasuredTotals(**connection.execute(query("rebuild/measured_totals")).mappings().one())
