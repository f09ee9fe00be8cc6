"""Held and sealed days in Dagster: what a run says of a day that it left as it is, and what a check does.

A run does not fail by such a day: the others of its range are done, and the day's partition carries the numbers that
stand with the reason. The check of the run fails as long as a day is held.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.day_holds import HOW_TO_GO_ON
from eventflow_stats.engine.rollup.day_seals import NO_REPAIR
from eventflow_stats.engine.rollup.held_and_sealed_days import Hold, Seal, held_days, sealed_summary
from eventflow_stats.engine.rollup.rebuild import OperatorApproval, RebuiltDay
from eventflow_stats.engine.verification.sealing import SealedDay, preview_unsealing, seal
from eventflow_stats.engine.verification.verify import VerifiedDay
from eventflow_stats.errors import InvalidInput, OnFailedDay
from eventflow_stats.formatting import counted, listed
from eventflow_stats.orchestration.runs.retries import DayByDay

TO_UNSEAL = "to compute it again, launch it with unseal: true in its config"


@dataclass(frozen=True)
class LeftAlone:
    """All days that are held, and all sealed ones whose rows were edited, whatever a run was about."""

    held: Sequence[Hold]
    edited: Sequence[date]

    def __bool__(self) -> bool:
        return bool(self.held or self.edited)


def read_left_alone(database: Database) -> LeftAlone:
    """Ask the ledger.

    Raises:
        Refused: no connection or not migrated.
    """
    return LeftAlone(held_days(database), sealed_summary(database).edited_days)


def left_metadata(left: Hold | Seal) -> dict[str, str]:
    """What a partition carries that was left as it is, beside the numbers that stand."""
    if isinstance(left, Hold):
        return {"held": f"nothing was changed: {left}; {HOW_TO_GO_ON.replace('DAY', str(left.day))}"}
    return {"sealed": f"not recomputed: {left}; {TO_UNSEAL}"}


def left_line(rebuilt: RebuiltDay) -> str | None:
    """The line of a run's log about such a day; None where it was recomputed."""
    return (
        None
        if rebuilt.left is None
        else "; ".join(f"{name}, {why}" for name, why in left_metadata(rebuilt.left).items())
    )


def left_messages(found: LeftAlone) -> list[str]:
    """What a check says of held days and of edited sealed ones."""
    message = []
    if found.edited:
        message.append(f"rows of sealed days were edited: {listed([str(day) for day in found.edited])}; {NO_REPAIR}")
    if found.held:
        named = listed([f"{hold.day}, {hold}" for hold in found.held], 5)
        message.append(f"{counted(len(found.held), 'day')} held: {named}; {HOW_TO_GO_ON}")
    return message


def sealed_messages(verified: Sequence[VerifiedDay]) -> list[str]:
    """What a check says of sealed days that it found as they were."""
    sealed = [day for day in verified if day.result == "sealed"]
    if not sealed:
        return []
    groups = counted(sum(day.totals.groups for day in sealed), "group")
    return [
        f"{counted(len(sealed), 'day')} sealed, {groups} as they were when last verified; no fact was read for them"
    ]


def consent_of(by: str, decided_by: str, accept_deletion: bool, unseal: bool, of_whole_days: bool) -> OperatorApproval:
    """What the config of a run allows.

    Raises:
        InvalidInput: it allows something that is of whole days, and the run is not.
    """
    if (accept_deletion or unseal) and not of_whole_days:
        raise InvalidInput("accept_deletion and unseal are of whole days; leave clients out, and client-days at all")
    return OperatorApproval(f"{decided_by} ({by})" if decided_by.strip() else by, accept_deletion, unseal)


def log_losses(database: Database, days: Sequence[date], log: dg.DagsterLogManager) -> None:
    """Say of each sealed day what it loses when it is unsealed, before it is."""
    for loss in preview_unsealing(database, days):
        log.warning(f"{loss}")


def seal_verified(
    database: Database, verified: Sequence[VerifiedDay], before: str, by: str, log: dg.DagsterLogManager
) -> list[SealedDay]:
    """Seal the days before a day (YYYY-MM-DD; empty: none) that a run verified; those that are sealed now.

    Raises:
        Failure: ``before`` is no day.
    """
    if not before:
        return []
    try:
        first_kept = date.fromisoformat(before)
    except ValueError as error:
        raise dg.Failure(description=f"seal_before should be YYYY-MM-DD: {error}") from None
    days = [day.day for day in verified if day.result == "verified" and day.day < first_kept]

    def work(todo: Sequence[date], on_failed_day: OnFailedDay) -> Iterator[SealedDay]:
        return seal(database, todo, by, on_failed_day)

    sealed = [day for day in DayByDay(work, days, log) if day.seal is not None]
    if sealed:
        log.info(f"sealed: {listed([str(day.day) for day in sealed])}")
    return sealed


def left_numbers(verified: Sequence[VerifiedDay], found: LeftAlone, sealed: Sequence[SealedDay]) -> dict[str, Any]:
    """Metadata of a check."""
    return {
        "held_days": len(found.held),
        "sealed_days": sum(day.result == "sealed" for day in verified) + len(sealed),
        "edited_sealed_days": len(found.edited),
    }
