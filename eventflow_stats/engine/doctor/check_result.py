"""The result of one check of the doctor: a state, what was found, and the remedy."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class CheckResult:
    """What one check found, and how to repair it: a command where there is one."""

    state: State
    found: str
    remedy: str | None = None


@dataclass(frozen=True)
class DoctorLine:
    """One line of the doctor: the result of check ``name`` of an area."""

    name: str
    area: str
    state: State
    found: str
    remedy: str | None


def as_line(area: str, name: str, result: CheckResult) -> DoctorLine:
    """The result with the names of its area and its check."""
    return DoctorLine(name, area, result.state, result.found, result.remedy)


def run_check(area: str, name: str, check: Callable[[], CheckResult]) -> DoctorLine:
    """Run a check. A check that raises has failed, and the others go on: never report "ok" for what was not checked."""
    try:
        return as_line(area, name, check())
    except Exception as error:  # noqa: BLE001 (whatever the error is, the other checks must run)
        message = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
        return not_checked(area, name, message.splitlines()[0])


def not_checked(area: str, name: str, why: str) -> DoctorLine:
    """The line of a check that could not run; such a check has failed."""
    return as_line(area, name, CheckResult("fail", f"could not be checked: {why}"))
