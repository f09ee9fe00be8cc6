"""Whether the rollup can be trusted now: problems, warnings, and what to do about each."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from eventflow_stats.engine.assumptions.assumptions import BrokenAssumption, broken_for_any_day
from eventflow_stats.engine.assumptions.day_windows import today
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.read_only import ReadOnlyCause, read_only_cause
from eventflow_stats.engine.rollup.day_holds import HOW_TO_GO_ON
from eventflow_stats.engine.rollup.day_seals import NO_REPAIR
from eventflow_stats.engine.rollup.held_and_sealed_days import Hold, SealedSummary, held_days, sealed_summary
from eventflow_stats.engine.status.day_summary import DaySummary, open_discrepancies, read_day_summary
from eventflow_stats.engine.status.due_work import StaleClientDays, stale_client_days
from eventflow_stats.engine.status.freshness import FRESH, TOO_OLD, RollupFreshness, read_freshness
from eventflow_stats.engine.status.open_transactions import OpenTransactions, read_open_transactions
from eventflow_stats.formatting import format_count, format_duration, format_list
from eventflow_stats.settings import Settings

NAMED = 5
"""How many days a message names; --json has them all."""
NO_TIME = timedelta(0)


@dataclass(frozen=True)
class Status:
    """The state of the system, read from the database."""

    settings: Settings
    freshness: RollupFreshness
    days: DaySummary
    stale: list[StaleClientDays]
    open_discrepancies: dict[date, int]
    open_transactions: OpenTransactions
    unverifiable: list[BrokenAssumption]
    held: list[Hold]
    sealed: SealedSummary
    read_only: ReadOnlyCause | None

    @property
    def ticked(self) -> bool:
        """Whether the schedule ever ran. If it never did, new facts are not detected and nothing is repaired."""
        return self.freshness.ticked_at is not None

    @property
    def overlap(self) -> timedelta:
        return timedelta(seconds=self.settings.detection_overlap)

    @property
    def span(self) -> str:
        """The options of a command for all computed days."""
        return f"--from {self.days.first_computed_day} --to {self.days.last_computed_day}"


ProblemKind = Literal["stale", "held", "wrong", "unverifiable", "read_only"]


@dataclass(frozen=True)
class HealthProblem:
    """Something that is wrong, or may become wrong, and what to do about it.

    ``kind``: "wrong": a number is known to differ from the facts; "stale": numbers may differ from the facts; "held":
    too many facts of a day disappeared; "unverifiable": facts may be hidden; "read_only": the database cannot be
    written."""

    what: str
    remedy: str
    kind: ProblemKind = "stale"

    def __str__(self) -> str:
        return f"{self.what} ({self.remedy})"


def read_status(database: Database) -> Status:
    """Read the status; raises Refused: no connection or not migrated."""
    day = today(database.settings)
    return Status(
        database.settings,
        read_freshness(database, day),
        read_day_summary(database),
        stale_client_days(database, day),
        open_discrepancies(database),
        read_open_transactions(database),
        broken_assumptions_now(database),
        held_days(database),
        sealed_summary(database),
        read_only_cause(database),
    )


def broken_assumptions_now(database: Database) -> list[BrokenAssumption]:
    """The assumptions that do not hold. They are checked now, because the schedule that records them may not run."""
    with database.session() as connection:
        return broken_for_any_day(connection, database.settings)


def find_problems(status: Status) -> list[HealthProblem]:
    """The problems that are an alarm."""
    return [
        *_unverifiable(status),
        *_wrong(status),
        *_edited_and_held_days(status),
        *_unverifiable_days(status),
        *_late(status),
        *_not_verified(status),
    ]


def _unverifiable(status: Status) -> list[HealthProblem]:
    found = []
    for broken in status.unverifiable:
        what = f"unverifiable ({broken.assumption.name}): {'; '.join(broken.found)}; {broken.assumption.meaning}"
        found.append(HealthProblem(what, broken.assumption.remedy, "unverifiable"))
    if status.read_only:
        found.append(HealthProblem(f"read-only: {status.read_only.what}", status.read_only.remedy, "read_only"))
    if not status.days.computed_days:
        found.append(HealthProblem("no day was computed yet", "run `eventflow-stats up`, or `backfill`"))
    return found


def _wrong(status: Status) -> list[HealthProblem]:
    if status.open_discrepancies:
        wrong = sorted(status.open_discrepancies)
        groups = format_count(sum(status.open_discrepancies.values()), "wrong group")
        what = f"{groups} on {format_list([str(day) for day in wrong], NAMED)}"
        return [HealthProblem(what, _repair_of(wrong, status.settings.start_date), "wrong")]
    days = status.days.wrong_days - len(status.sealed.edited_days)
    if not days:
        return []
    return [HealthProblem(f"{format_count(days, 'day')} wrong by the last verification", _backfill(status), "wrong")]


def _repair_of(wrong: list[date], start: date) -> str:
    command = f"eventflow-stats backfill --from {wrong[0]} --to {wrong[-1]}"
    if wrong[0] >= start:
        return f"repair: {command}"
    return (
        f"days before the start date {start} are answered from facts; to repair them set EVENTFLOW_START_DATE to "
        f"{wrong[0]} or earlier, then {command}"
    )


def _backfill(status: Status) -> str:
    return f"eventflow-stats backfill {status.span} --missing"


def _edited_and_held_days(status: Status) -> list[HealthProblem]:
    found = []
    if edited := status.sealed.edited_days:
        named = format_list([str(day) for day in edited], NAMED)
        what = f"rows of {format_count(len(edited), 'sealed day')} were edited: {named}"
        found.append(HealthProblem(what, NO_REPAIR, "wrong"))
    if status.held:
        named = format_list([f"{hold.day}, {hold}" for hold in status.held], NAMED)
        found.append(HealthProblem(f"{format_count(len(status.held), 'day')} held: {named}", HOW_TO_GO_ON, "held"))
    return found


def _unverifiable_days(status: Status) -> list[HealthProblem]:
    days = status.days
    if not days.unverifiable_days:
        return []
    what = f"{format_count(days.unverifiable_days, 'day')} unverifiable, the newest {days.unverifiable_reason}"
    remedy = "nothing of them is written or called verified until the views give every fact once"
    return [HealthProblem(what, remedy, "unverifiable")]


def _late(status: Status) -> list[HealthProblem]:
    """New facts that were not detected, or not added to the rollup, in time."""
    found = []
    at, age, detected_at = status.freshness.at, status.freshness.age, status.freshness.detected_at
    if undetected := status.ticked and (detected_at is None or at - detected_at >= TOO_OLD):
        what = "detection never ran" if detected_at is None else f"no detection for {format_duration(at - detected_at)}"
        remedy = "is the daemon running, and the schedule every_five_minutes on? eventflow-stats up"
        found.append(HealthProblem(what, remedy))
    allowed = TOO_OLD if status.ticked else NO_TIME
    late = [stale for stale in status.stale if stale.reach == "due" and at - stale.oldest_since >= allowed]
    if late:
        first, last = min(stale.first_day for stale in late), max(stale.last_day for stale in late)
        client_days = format_count(sum(stale.client_days for stale in late), "client-day")
        what = f"{client_days} stale, for up to {format_duration(at - min(stale.oldest_since for stale in late))}"
        remedy = f"why do the runs in the UI fail? by hand: eventflow-stats backfill --from {first} --to {last}"
        found.append(HealthProblem(what, remedy))
    if status.ticked and not (late or undetected) and age is not None and age >= TOO_OLD:
        what = f"facts of the last {format_duration(age)} are not all in the rollup"
        found.append(HealthProblem(what, "detected after a pause: the next runs add them"))
    return found


def _not_verified(status: Status) -> list[HealthProblem]:
    """Days that were not verified, or not swept, in time."""
    found = []
    freshness = status.freshness
    unverified = status.days.stale_days + status.days.unverified_days
    if unverified and not status.ticked:
        what = f"{format_count(unverified, 'day')} computed and not verified since"
        found.append(HealthProblem(what, _backfill(status)))
    if freshness.changes_overdue:
        remedy = (
            "are the schedule every_five_minutes and the sensor late_facts on, can every day be swept? by hand: "
            f"eventflow-stats verify {status.span}"
        )
        found.append(HealthProblem(freshness.changes_message or "", remedy))
    age = freshness.drift_age
    if age is not None and age > timedelta(hours=status.settings.max_drift_age):
        what = f"{freshness.drift_day} not verified whole for {format_duration(age)}"
        remedy = f"is the schedule rolling_verification on? by hand: eventflow-stats verify {status.span}"
        found.append(HealthProblem(what, remedy))
    return found


def find_warnings(status: Status) -> list[HealthProblem]:
    """What may become a problem."""
    found = []
    age, changes = status.freshness.age, status.freshness.changes_message
    if status.ticked and age is not None and FRESH <= age < TOO_OLD:
        what = f"facts of the last {format_duration(age)} are not all in the rollup yet"
        found.append(HealthProblem(what, "an alarm from 30 minutes on"))
    if changes and not status.freshness.changes_overdue:
        found.append(HealthProblem(changes, "an alarm after that time"))
    if status.sealed.late_facts:
        late = format_list([str(day) for day in status.sealed.late_days], NAMED)
        what = f"{format_count(status.sealed.late_facts, 'fact')} arrived for sealed days and are in no number: {late}"
        remedy = "if the facts of such a day are still there: eventflow-stats backfill --from DAY --to DAY --unseal"
        found.append(HealthProblem(what, remedy))
    if old := status.open_transactions.older_than(status.overlap):
        since = format_duration(status.open_transactions.at - old[0].since)
        what = f"{format_count(len(old), 'transaction')} not ended for up to {since}"
        remedy = "only the sweep and the rolling verification find what they commit; end them, the oldest is"
        found.append(HealthProblem(what, f"{remedy} {old[0]}"))
    return found


def format_summary(status: Status, problems: list[HealthProblem]) -> str:
    """The last line of the status: what is wrong and what to do."""
    if problems:
        return "not right: " + "; ".join(map(str, problems))
    message = f"right: {format_count(status.days.computed_days, 'day')} computed, nothing known wrong"
    if status.sealed.days:
        message += f"; {format_count(status.sealed.days, 'day')} sealed, before {status.sealed.before}"
    if not status.ticked:
        message += "; the schedule never ran here, so new facts are not detected (eventflow-stats up)"
    if status.days.unresolved_facts:
        message += f"; {format_count(status.days.unresolved_facts, 'fact')} of no client, in no number"
    if status.freshness.facts_of_no_day:
        message += f"; {format_count(status.freshness.facts_of_no_day, 'fact')} of no day, in no number"
    return message + "".join(f"; watch: {problem}" for problem in find_warnings(status))
