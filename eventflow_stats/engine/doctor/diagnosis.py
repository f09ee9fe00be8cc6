"""One line of the doctor: what was looked at, how it stands, what was found, and the remedy."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Outcome:
    """How a thing stands, what was found, and what to do about it: a command where there is one."""

    state: State
    found: str
    remedy: str | None = None


@dataclass(frozen=True)
class Diagnosis:
    """The result upon the check ``name`` of an area."""

    name: str
    area: str
    state: State
    found: str
    remedy: str | None


def diagnosis(area: str, name: str, outcome: Outcome) -> Diagnosis:
    return Diagnosis(name, area, outcome.state, outcome.found, outcome.remedy)


def run_check(area: str, name: str, check: Callable[[], Outcome]) -> Diagnosis:
    """What the check says. One that could not run has failed (semantics.md, promise 7) and hinders no other."""
    try:
        return diagnosis(area, name, check())
    except Exception as error:  # noqa: BLE001 (whatever it was, the other checks are to be made)
        message = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
        return diagnosis(area, name, Outcome("fail", f"could not be looked at: {message.splitlines()[0]}"))


def not_checked(area: str, name: str, why: str) -> Diagnosis:
    return diagnosis(area, name, Outcome("fail", f"could not be looked at: {why}"))
