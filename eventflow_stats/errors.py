"""Errors a person reads: one line, what was wrong and what would be right, and the exit code it means."""

from collections.abc import Callable, Sequence
from datetime import date

FAILED = 1
"""The work was done and the outcome is bad: wrong numbers, a failed run."""
MISUSED = 2
"""The call was wrong: an unknown option, a date that is none (click's own code for usage)."""
REFUSED = 3
"""The surroundings do not allow it: settings, connection, permission, schema."""
INTERRUPTED = 130
"""Ctrl-C or a signal ended it; what was committed stands (the shell's own code: 128 and SIGINT's number)."""


class EventflowError(Exception):
    """An expected failure, told in one line."""

    exit_code = FAILED


class InvalidInput(EventflowError):
    """What the caller passed cannot be used."""

    exit_code = MISUSED


class Refused(EventflowError):
    """A setting, the database or the machine does not allow it; nothing was changed."""

    exit_code = REFUSED


class OtherTimezone(Refused):
    """The settings count days in another time zone than the database was migrated with; the line names both."""


class Unverifiable(Refused):
    """An assumption that every number rests on does not hold (engine/assumptions.py), so facts may be hidden.

    ``broken`` names the assumptions; the line says what was found and the remedy.
    """

    def __init__(self, broken: Sequence[str], found: str) -> None:
        super().__init__(f"unverifiable, nothing was written: {found}")
        self.broken = tuple(broken)


class Unreachable(Refused):
    """The server does not answer, or the connection to it was lost; a moment later it may work."""


class ReadOnly(Refused):
    """The database, or the whole server, cannot be written now; the line says what to do. No retry helps."""


class Failed(EventflowError):
    """The database gave up in the middle (timeout, full disk, a damaged page); its transaction left nothing.

    ``fault``: of an error that is not expected of a database at work. Its cause has the traceback, for the log.
    ``unreadable``: something stored could not be read. Another plan may do without it.
    """

    def __init__(self, line: str, *, fault: bool = False, unreadable: bool = False) -> None:
        super().__init__(line)
        self.fault = fault
        self.unreadable = unreadable


class Conflict(Failed):
    """Another transaction was in the way (deadlock, concurrent update); the next try may find it gone."""


class DayBusy(EventflowError):
    """Another writer held a day longer than the lock timeout."""

    def __init__(self, day: date, seconds: float) -> None:
        super().__init__(
            f"{day} is being written by another run and was still busy after {seconds:g} s; "
            "nothing was changed, try it again"
        )
        self.day = day


class UnverifiableDay(Failed):
    """The facts of one day, as the views give them, are not as many as the product's tables have. Nothing of the day
    is written or called verified; other days go on. What fails for every day is ``Unverifiable``."""

    def __init__(self, day: date, found: str) -> None:
        super().__init__(f"{day} is unverifiable, nothing of it was written: {found}")
        self.day = day
        self.found = found


FailedDays = dict[date, DayBusy | Failed]
"""Days that were passed over, and why."""
OnFailedDay = Callable[[date, DayBusy | Failed], None]
"""Told of a day that is passed over, and why; what it raises ends the work."""
