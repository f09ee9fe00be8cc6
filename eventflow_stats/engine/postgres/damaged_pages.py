"""Repeats a read with another plan where a page of a table is damaged.

PostgreSQL may read a whole table for the facts of one day, if that is the cheapest plan. One damaged page of an old day
would then make every day fail. So a read that failed is repeated once with a plan that reads only the pages it needs.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Literal, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from eventflow_stats.engine.postgres.database_errors import is_unreadable
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.errors import Failed

Answer = TypeVar("Answer")
Plan = Literal["rebuild/plan_by_index", "rebuild/plan_by_index_or_brin"]


def read_around_damage(
    connection: Connection, read: Callable[[], Answer], plan: Plan = "rebuild/plan_by_index"
) -> Answer:
    """The result of ``read``; repeated once, in a transaction of its own with that plan, where a page is damaged."""
    try:
        return read()
    except DBAPIError as error:
        if not is_unreadable(error.orig):
            raise
    connection.rollback()
    connection.execute(query(plan))
    return read()


def work_around_damage(
    connection: Connection, turn: Callable[[], AbstractContextManager[None]], work: Callable[[], Answer]
) -> Answer:
    """The result of ``work`` in a day's ``turn`` (the lock and transaction of the day); repeated in another turn, with
    a plan that reads only the pages it needs, where a page is damaged.

    Raises:
        DayBusy, Conflict, Failed, Unreachable, ReadOnly: as the turn does.
    """
    try:
        with turn():
            return work()
    except Failed as error:
        if not error.unreadable:
            raise
    with turn():
        connection.execute(query("rebuild/plan_by_index"))
        return work()
