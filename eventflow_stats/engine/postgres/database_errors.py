"""What PostgreSQL's errors mean here, told by their SQLSTATE: in one line, with what to do about it."""

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
"""What an operator can act on: conflicts, resources, locks, timeouts, the system, damaged pages and indexes (XX)."""


def is_unreadable(cause: BaseException | None) -> bool:
    """Whether something stored could not be read: a damaged page or index, an error of the file system."""
    return isinstance(cause, psycopg.Error) and (cause.sqlstate or "").startswith(("XX", "58"))


def first_line(cause: BaseException) -> str:
    """The first line of an error's text; its kind where it has none."""
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]


def expected_error(cause: BaseException | None, where: str, statement_timeout: float) -> EventflowError | None:
    """Our error for one of the driver's; None for a fault of ours, which keeps its traceback.

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
            "(`eventflow-stats doctor` says what makes it so)"
        )
    if isinstance(cause, _MISSING):
        return Refused(f"{where} is not migrated ({line}); run `eventflow-stats migrate`")
    # Without a state: libpq lost the connection by itself.
    if state.startswith(("08", "57P")) or (isinstance(cause, psycopg.OperationalError) and not state):
        return Unreachable(f"no connection to {where}: {line}")
    if state.startswith(_GAVE_UP):
        remedy = "try it again"
        if isinstance(cause, psycopg.errors.QueryCanceled):
            remedy = f"raise EVENTFLOW_STATEMENT_TIMEOUT (it is {statement_timeout:g} s) or try again"
        elif isinstance(cause, psycopg.errors.DataCorrupted | psycopg.errors.IndexCorrupted):
            remedy = "restore the damaged table, or reindex it, before you try it again"
        message = f"{where} gave up: {line}; its transaction left nothing, {remedy}"
        return Conflict(message) if isinstance(cause, _CONFLICTS) else Failed(message, unreadable=is_unreadable(cause))
    return None


def error_of_day(
    cause: psycopg.Error, where: str, statement_timeout: float, lost: bool, read_only: bool
) -> EventflowError:
    """Our error for one within a day's turn: the day has failed, whatever it is, and the others can go on.

    Not so where the connection is ``lost`` or the session ``read_only``. Neither is reported by the SQLSTATE here: a
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
        line = f"{where} gave up: {first_line(cause)}{state}; its transaction left nothing"
        return Failed(line, fault=expected is None, unreadable=is_unreadable(cause))
    return Failed(str(expected))
