"""Held and sealed days in Dagster: messages, metadata, consent to change them, and sealing.

A held day lost too many facts; a sealed day may have lost its facts on purpose. A run leaves such a day unchanged and
does not fail: the other days of its range are done, and the day's partition shows the stored numbers with the reason.
The check of the run fails as long as a day is held.
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
from eventflow_stats.formatting import format_count, format_list
from eventflow_stats.orchestration.runs.retries import DayByDay

HOW_TO_UNSEAL = "to compute it again, launch a run with unseal: true in its config"


@dataclass(frozen=True)
class UnchangedDays:
    """All days that are held, and all sealed days whose rows were edited, whatever days the run covers."""

    held: Sequence[Hold]
    edited: Sequence[date]

    def __bool__(self) -> bool:
        return bool(self.held or self.edited)


def read_unchanged_days(database: Database) -> UnchangedDays:
    """Read the held days and the edited sealed days from the ledger.

    Raises:
        Refused: no connection or not migrated.
    """
    return UnchangedDays(held_days(database), sealed_summary(database).edited_days)


def unchanged_metadata(reason: Hold | Seal) -> dict[str, str]:
    """The metadata entry of a partition that a run left unchanged."""
    if isinstance(reason, Hold):
        return {"held": f"nothing was changed: {reason}; {HOW_TO_GO_ON.replace('DAY', str(reason.day))}"}
    return {"sealed": f"not recomputed: {reason}; {HOW_TO_UNSEAL}"}


def unchanged_line(rebuilt: RebuiltDay) -> str | None:
    """The line of a run's log about a day that it left unchanged; None when it was recomputed."""
    if rebuilt.left is None:
        return None
    return "; ".join(f"{name}, {why}" for name, why in unchanged_metadata(rebuilt.left).items())


def held_message(held: Sequence[Hold]) -> str:
    """The clause of a tick's message about held days."""
    return f"{format_count(len(held), 'day')} held, because too many facts disappeared"


def unchanged_messages(found: UnchangedDays) -> list[str]:
    """The clauses of a check's message about held days and edited sealed days."""
    messages = []
    if found.edited:
        days = format_list([str(day) for day in found.edited])
        messages.append(f"rows of sealed days were edited: {days}; {NO_REPAIR}")
    if found.held:
        named = format_list([f"{hold.day}, {hold}" for hold in found.held], 5)
        messages.append(f"{format_count(len(found.held), 'day')} held: {named}; {HOW_TO_GO_ON}")
    return messages


def sealed_messages(verified: Sequence[VerifiedDay]) -> list[str]:
    """The clause of a check's message about sealed days that equal their checksum."""
    sealed = [day for day in verified if day.result == "sealed"]
    if not sealed:
        return []
    groups = format_count(sum(day.totals.groups for day in sealed), "group")
    return [f"{format_count(len(sealed), 'day')} sealed: {groups} equal their checksum; no facts were read for them"]


def consent_of(by: str, decided_by: str, accept_deletion: bool, unseal: bool, of_whole_days: bool) -> OperatorApproval:
    """The consent that the config of a run gives.

    Raises:
        InvalidInput: the consent applies to whole days, and the run does not rebuild whole days.
    """
    if (accept_deletion or unseal) and not of_whole_days:
        raise InvalidInput("accept_deletion and unseal apply to whole days; leave out clients and client_days")
    return OperatorApproval(f"{decided_by} ({by})" if decided_by.strip() else by, accept_deletion, unseal)


def log_losses(database: Database, days: Sequence[date], log: dg.DagsterLogManager) -> None:
    """Log what each sealed day loses when it is unsealed."""
    for loss in preview_unsealing(database, days):
        log.warning(f"{loss}")


def seal_verified(
    database: Database, verified: Sequence[VerifiedDay], before: str, by: str, log: dg.DagsterLogManager
) -> list[SealedDay]:
    """Seal the verified days of a run that lie before a day (YYYY-MM-DD; empty: none); returns the sealed days.

    Raises:
        Failure: ``before`` is not a date.
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
        log.info(f"sealed: {format_list([str(day.day) for day in sealed])}")
    return sealed


def unchanged_counts(
    verified: Sequence[VerifiedDay], found: UnchangedDays, sealed: Sequence[SealedDay]
) -> dict[str, Any]:
    """Metadata of a check: how many days are held, sealed, and sealed with edited rows."""
    return {
        "held_days": len(found.held),
        "sealed_days": sum(day.result == "sealed" for day in verified) + len(sealed),
        "edited_sealed_days": len(found.edited),
    }
