"""Errors with a message of one line for people (what is wrong and what would be right) and an exit code."""

from collections.abc import Callable, Sequence
from datetime import date

FAILED = 1
"""The command worked and its result is bad: wrong numbers, a failed run."""
MISUSED = 2
"""The command was called incorrectly: an unknown option, an invalid date (click's own code)."""
REFUSED = 3
"""Settings, connection, permissions or schema do not allow it."""
INTERRUPTED = 130
"""Ctrl-C or a signal ended it. Committed work is kept. (The shell's own code: 128 plus SIGINT's number.)"""


class EventflowError(Exception):
    """An expected failure with a message of one line."""

    exit_code = FAILED


class InvalidInput(EventflowError):
    """An argument is invalid."""

    exit_code = MISUSED


class Refused(EventflowError):
    """A setting, the database or the machine does not allow it. Nothing was changed."""

    exit_code = REFUSED


class OtherTimezone(Refused):
    """The time zone of the settings is not the one of the database's first migration. The message names both."""


class Unverifiable(Refused):
    """An assumption of the verification does not hold (engine/assumptions), so facts may be hidden.

    ``broken`` names the assumptions. The message contains the finding and the remedy.
    """

    def __init__(self, broken: Sequence[str], found: str) -> None:
        super().__init__(f"unverifiable, nothing was written: {found}")
        self.broken = tuple(broken)


class Unreachable(Refused):
    """The server does not answer, or the connection was lost. A retry may work."""


class ReadOnly(Refused):
    """The database, or the whole server, cannot be written now. A retry does not help; the message says what does."""


class Failed(EventflowError):
    """The database canceled the work (timeout, full disk, a damaged page). The transaction was rolled back.

    ``fault``: the error is unexpected; its cause has the traceback for the log.
    ``unreadable``: stored data could not be read. Another query plan may not need it.
    """

    def __init__(self, line: str, *, fault: bool = False, unreadable: bool = False) -> None:
        super().__init__(line)
        self.fault = fault
        self.unreadable = unreadable


class Conflict(Failed):
    """Another transaction was in the way (deadlock, concurrent update). A retry may work."""


class DayBusy(EventflowError):
    """Another run wrote the day for longer than the lock timeout."""

    def __init__(self, day: date, seconds: float) -> None:
        super().__init__(
            f"{day} is being written by another run and was still busy after {seconds:g} s; "
            "nothing was changed, try it again"
        )
        self.day = day


class UnverifiableDay(Failed):
    """The views return another number of facts of one day than the product's tables have. The day is neither written
    nor verified. Other days go on. If all days are affected, the error is ``Unverifiable``."""

    def __init__(self, day: date, found: str) -> None:
        super().__init__(f"{day} is unverifiable, nothing of it was written: {found}")
        self.day = day
        self.found = found


FailedDays = dict[date, DayBusy | Failed]
"""Days that were skipped, and the reasons."""
OnFailedDay = Callable[[date, DayBusy | Failed], None]
"""Called with each skipped day and the reason. If it raises an error, the work ends."""
