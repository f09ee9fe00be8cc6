"""Turns PostgreSQL's errors, by their SQLSTATE, into ours: one line with the remedy."""

import psycopg

from eventflow_stats.errors import Conflict, EventflowError, Failed, ReadOnly, Refused, Unreachable

_CONFLICTS = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)
_MISSING = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedColumn,
)
_GAVE_UP = ("40", "53", "55P03", "57014", "58", "XX")
"""Errors that an operator can act on: conflicts, resources, locks, timeouts, the system, damaged pages (XX)."""


def is_unreadable(cause: BaseException | None) -> bool:
    """Whether stored data could not be read: a damaged page or index, or an error of the file system."""
    return isinstance(cause, psycopg.Error) and (cause.sqlstate or "").startswith(("XX", "58"))


def first_line(cause: BaseException) -> str:
    """The first line of an error's text; the name of its type where it has none."""
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]


def expected_error(cause: BaseException | None, where: str, statement_timeout: float) -> EventflowError | None:
    """Our error for one of the driver's; None for a bug of ours, which keeps its traceback.

    Parameters: ``where`` names the database; ``statement_timeout`` in seconds.
    """
    if not isinstance(cause, psycopg.Error):
        return None
    line, state = first_line(cause), cause.sqlstate or ""
    if isinstance(cause, psycopg.errors.InsufficientPrivilege):
        return Refused(f"{where}: {line}; log in as a user with that right")
    if isinstance(cause, psycopg.errors.ReadOnlySqlTransaction):
        return ReadOnly(
            f"{where} is read-only: {line}; nothing can be computed or recorded until it can be written "
            "(`eventflow-stats doctor` shows the cause)"
        )
    if isinstance(cause, _MISSING):
        return Refused(f"{where} is not migrated ({line}); run `eventflow-stats migrate`")
    # Without a SQLSTATE, libpq itself lost the connection.
    if state.startswith(("08", "57P")) or (isinstance(cause, psycopg.OperationalError) and not state):
        return Unreachable(f"no connection to {where}: {line}")
    if state.startswith(_GAVE_UP):
        remedy = "try again"
        if isinstance(cause, psycopg.errors.QueryCanceled):
            remedy = f"raise EVENTFLOW_STATEMENT_TIMEOUT (it is {statement_timeout:g} s) or try again"
        elif isinstance(cause, psycopg.errors.DataCorrupted | psycopg.errors.IndexCorrupted):
            remedy = "restore the damaged table, or reindex it, before you try again"
        message = f"{where} gave up: {line}; nothing was changed, {remedy}"
        return Conflict(message) if isinstance(cause, _CONFLICTS) else Failed(message, unreadable=is_unreadable(cause))
    return None


def error_of_day(
    cause: psycopg.Error, where: str, statement_timeout: float, lost: bool, read_only: bool
) -> EventflowError:
    """Our error for one of the driver's in the work of one day: that day failed, and the other days can go on.

    If the connection is ``lost`` or the session ``read_only``, all days fail. The SQLSTATE does not decide that: a
    trigger on one day's rows may raise any.
    """
    expected = expected_error(cause, where, statement_timeout)
    if lost:
        same = expected if isinstance(expected, Unreachable) else None
        return same or Unreachable(f"no connection to {where}: {first_line(cause)}")
    if isinstance(expected, Failed) or (read_only and isinstance(expected, ReadOnly)):
        return expected
    if expected is None or isinstance(expected, Unreachable | ReadOnly):
        state = f" (SQLSTATE {cause.sqlstate})" if cause.sqlstate else ""
        line = f"{where} gave up: {first_line(cause)}{state}; nothing was changed"
        return Failed(line, fault=expected is None, unreadable=is_unreadable(cause))
    return Failed(str(expected))
