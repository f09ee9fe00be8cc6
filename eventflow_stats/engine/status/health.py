"""Whether the rollup can be trusted right now: what is wrong, what to watch, and what to do about it."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from eventflow_stats.engine.assumptions.assumptions import BrokenAssumption, broken_for_any_day
from eventflow_stats.engine.assumptions.day_windows import today
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.read_only import ReadOnlyCause, read_only_cause
from eventflow_stats.engine.rollup.day_state import Hold, SealedSummary, held_days, sealed_summary
from eventflow_stats.engine.rollup.disappeared_facts import HOW_TO_GO_ON
from eventflow_stats.engine.rollup.seals import NO_REPAIR
from eventflow_stats.engine.status.known_changes import changes_message
from eventflow_stats.engine.status.ledger import LedgerSummary, ledger_summary, open_discrepancies
from eventflow_stats.engine.status.open_transactions import HeldBack, OpenTransaction, held_back
from eventflow_stats.engine.status.progress import (
    FRESH,
    TOO_OLD,
    Progress,
    StaleClientDays,
    read_progress,
    stale_client_days,
)
from eventflow_stats.formatting import counted, lasting, listed
from eventflow_stats.settings import Settings

NAMED = 5
"""How many days are named on screen; --json has them all."""
NO_TIME = timedelta(0)


@dataclass(frozen=True)
class Status:
    """Everything that is asked of the database, at one time."""

    settings: Settings
    progress: Progress
    days: LedgerSummary
    stale: list[StaleClientDays]
    open_discrepancies: dict[date, int]
    held_back: HeldBack
    unverifiable: list[BrokenAssumption]
    held: list[Hold]
    sealed: SealedSummary
    read_only: ReadOnlyCause | None

    @property
    def ticked(self) -> bool:
        """Whether the schedule ever ran. Where it never did, nothing new is looked for, and nothing heals itself."""
        return self.progress.ticked_at is not None

    @property
    def overlap(self) -> timedelta:
        return timedelta(seconds=self.settings.detection_overlap)


ProblemKind = Literal["stale", "held", "wrong", "unverifiable", "read_only"]


@dataclass(frozen=True)
class Problem:
    """Something that is not as it should be, and what to do about it.

    ``kind``: "wrong", a number is known not to equal the facts; "stale", nobody can know that all do; "held", too many
    facts of a day disappeared; "unverifiable", facts may be hidden; "read_only", the database cannot be written."""

    what: str
    remedy: str
    kind: ProblemKind = "stale"

    def __str__(self) -> str:
        return f"{self.what} ({self.remedy})"


def read_status(database: Database) -> Status:
    """Ask the database; Refused: no connection or not migrated."""
    day = today(database.settings)
    return Status(
        database.settings,
        read_progress(database, day),
        ledger_summary(database),
        stale_client_days(database, day),
        open_discrepancies(database),
        held_back(database),
        broken_assumptions_now(database),
        held_days(database),
        sealed_summary(database),
        read_only_cause(database),
    )


def broken_assumptions_now(database: Database) -> list[BrokenAssumption]:
    """The assumptions that do not hold: asked now, since the schedule that records it may not run."""
    with database.session() as connection:
        return broken_for_any_day(connection, database.settings)


def find_problems(status: Status) -> list[Problem]:
    """What a person has to be woken for."""
    found, days, at = [], status.days, status.progress.at
    for broken in status.unverifiable:
        what = f"unverifiable ({broken.assumption.name}): {'; '.join(broken.found)}; {broken.assumption.meaning}"
        found.append(Problem(what, broken.assumption.remedy, "unverifiable"))
    if status.read_only:
        found.append(Problem(f"read-only: {status.read_only.what}", status.read_only.remedy, "read_only"))
    if not days.computed_days:
        found.append(Problem("no day was computed yet", "run `eventflow-stats up`, or `backfill`"))
    if status.open_discrepancies:
        groups, wrong = sum(status.open_discrepancies.values()), sorted(status.open_discrepancies)
        found.append(
            Problem(
                f"{counted(groups, 'wrong group')} on {listed([str(day) for day in wrong], NAMED)}",
                _repair_of(wrong, status.settings.start_date),
                "wrong",
            )
        )
    elif wrong_days := days.wrong_days - len(status.sealed.edited_days):
        found.append(Problem(f"{counted(wrong_days, 'day')} wrong by the last verification", _again(days), "wrong"))
    found += _edited_days(status.sealed) + _held_days(status.held)
    if days.unverifiable_days:
        found.append(
            Problem(
                f"{counted(days.unverifiable_days, 'day')} unverifiable, the newest {days.unverifiable_reason}",
                "nothing of them is written or called verified until the views give every fact once",
                "unverifiable",
            )
        )
    checked, age = status.progress.detected_at, status.progress.age
    if unlooked := status.ticked and (checked is None or at - checked >= TOO_OLD):
        message = (
            "never looked for new facts" if checked is None else f"no look for new facts for {lasting(at - checked)}"
        )
        found.append(
            Problem(message, "is the daemon running, and the schedule every_five_minutes on? eventflow-stats up")
        )
    patience = TOO_OLD if status.ticked else NO_TIME
    late = [stale for stale in status.stale if stale.reach == "due" and at - stale.oldest_since >= patience]
    if late:
        first, last = min(stale.first_day for stale in late), max(stale.last_day for stale in late)
        found.append(
            Problem(
                f"{counted(sum(stale.client_days for stale in late), 'client-day')} stale, "
                f"for up to {lasting(at - min(stale.oldest_since for stale in late))}",
                f"why do the runs in the UI fail? by hand: eventflow-stats backfill --from {first} --to {last}",
            )
        )
    if status.ticked and not (late or unlooked) and age is not None and age >= TOO_OLD:
        found.append(
            Problem(
                f"facts of the last {lasting(age)} are not all in", "found after a pause: the next runs bring them in"
            )
        )
    unverified = days.stale_days + days.unverified_days
    if unverified and not status.ticked:
        found.append(Problem(f"{counted(unverified, 'day')} computed and not verified since", _again(days)))
    if status.progress.changes_overdue:
        found.append(
            Problem(
                changes_message(status.progress) or "",
                "are the schedule every_five_minutes and the sensor late_facts on, can every day be swept? by hand: "
                f"eventflow-stats verify --from {days.first_covered_day} --to {days.last_covered_day}",
            )
        )
    if _drift_is_too_old(status):
        found.append(
            Problem(
                f"{status.progress.drift_day} not verified whole for {lasting(status.progress.drift_age or NO_TIME)}",
                "is the schedule rolling_verification on? by hand: eventflow-stats verify "
                f"--from {days.first_covered_day} --to {days.last_covered_day}",
            )
        )
    return found


def _edited_days(sealed: SealedSummary) -> list[Problem]:
    if not sealed.edited_days:
        return []
    edited = listed([str(day) for day in sealed.edited_days], NAMED)
    return [
        Problem(f"rows of {counted(len(sealed.edited_days), 'sealed day')} were edited: {edited}", NO_REPAIR, "wrong")
    ]


def _held_days(held: list[Hold]) -> list[Problem]:
    if not held:
        return []
    named = listed([f"{hold.day}, {hold}" for hold in held], NAMED)
    return [Problem(f"{counted(len(held), 'day')} held: {named}", HOW_TO_GO_ON, "held")]


def _repair_of(wrong: list[date], start: date) -> str:
    command = f"eventflow-stats backfill --from {wrong[0]} --to {wrong[-1]}"
    if wrong[0] >= start:
        return f"repair: {command}"
    return (
        f"days before the start date {start} are answered from facts; to repair them set EVENTFLOW_START_DATE to "
        f"{wrong[0]} or earlier, then {command}"
    )


def _again(days: LedgerSummary) -> str:
    return f"eventflow-stats backfill --from {days.first_covered_day} --to {days.last_covered_day} --missing"


def _drift_is_too_old(status: Status) -> bool:
    age = status.progress.drift_age
    return age is not None and age > timedelta(hours=status.settings.max_drift_age)


def what_to_watch(status: Status) -> list[Problem]:
    """What is not wrong yet."""
    found = []
    age = status.progress.age
    if status.ticked and age is not None and FRESH <= age < TOO_OLD:
        found.append(Problem(f"facts of the last {lasting(age)} are not all in yet", "an alarm from 30 minutes on"))
    changes = changes_message(status.progress)
    if changes and not status.progress.changes_overdue:
        found.append(Problem(changes, "an alarm if later"))
    if status.sealed.late_facts:
        late = listed([str(day) for day in status.sealed.late_days], NAMED)
        found.append(
            Problem(
                f"{counted(status.sealed.late_facts, 'fact')} arrived for sealed days and are in no number: {late}",
                "where the facts of such a day are still there: eventflow-stats backfill --from DAY --to DAY --unseal",
            )
        )
    old = status.held_back.older_than(status.overlap)
    if old:
        found.append(
            Problem(
                f"{counted(len(old), 'transaction')} not ended for up to {lasting(status.held_back.at - old[0].since)}",
                "what they commit is found by the sweep and the rolling verification alone; end them, oldest: "
                + transaction_message(old[0]),
            )
        )
    return found


def overall(status: Status, wrong: list[Problem]) -> str:
    """The last line: what is wrong and what to do."""
    if wrong:
        return "not right: " + "; ".join(map(str, wrong))
    message = f"right: {counted(status.days.computed_days, 'day')} computed, nothing known wrong"
    if status.sealed.days:
        message += f"; {counted(status.sealed.days, 'day')} sealed, before {status.sealed.before}"
    if not status.ticked:
        message += "; the schedule never ran here, so nobody looks for new facts (eventflow-stats up)"
    if status.days.unresolved_facts:
        message += f"; {counted(status.days.unresolved_facts, 'fact')} of no client, in no number"
    if status.progress.facts_of_no_day:
        message += f"; {counted(status.progress.facts_of_no_day, 'fact')} of no day, in no number"
    return message + "".join(f"; watch: {problem}" for problem in what_to_watch(status))


def transaction_message(transaction: OpenTransaction) -> str:
    """Who it is, in a few words."""
    which = f"{'pid' if transaction.kind == 'open' else 'gid'} {transaction.name}"
    return ", ".join(filter(None, (which, transaction.owner, transaction.application, transaction.state)))
