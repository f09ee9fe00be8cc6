"""Reading around damage: a page that cannot be read must stop no work that can do without it.

A statement about one day may well read a whole table, where that is the cheapest plan. One damaged page of long ago
would then fail every day. So what could not be read is asked for once more, by a plan that keeps to its own pages.
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
    """What ``read`` returns; asked once more, in a transaction of its own with that plan, where a page is damaged."""
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
    """What ``work`` returns in a day's ``turn``; one more turn is taken, by its own pages, where a page is damaged.

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
