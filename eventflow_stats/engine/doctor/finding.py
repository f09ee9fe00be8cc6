"""One line of the doctor: what was looked at, how it stands, what was found, and the remedy."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Verdict:
    """How a thing stands, what was found, and what to do about it: a command where there is one."""

    state: State
    found: str
    remedy: str | None = None


@dataclass(frozen=True)
class Finding:
    """The verdict upon the check ``name`` of an area."""

    name: str
    area: str
    state: State
    found: str
    remedy: str | None


def finding(area: str, name: str, verdict: Verdict) -> Finding:
    return Finding(name, area, verdict.state, verdict.found, verdict.remedy)


def look(area: str, name: str, check: Callable[[], Verdict]) -> Finding:
    """What the check says. One that could not run has failed (semantics.md, promise 7) and hinders no other."""
    try:
        return finding(area, name, check())
    except Exception as error:  # noqa: BLE001 (whatever it was, the other checks are to be made)
        told = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
        return finding(area, name, Verdict("fail", f"could not be looked at: {told.splitlines()[0]}"))


def not_looked_at(area: str, name: str, why: str) -> Finding:
    return finding(area, name, Verdict("fail", f"could not be looked at: {why}"))
