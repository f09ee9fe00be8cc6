"""Checks of the rollup: its assumptions hold, it is fresh and verified, and no day is missing."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

from eventflow_stats.engine.assumptions.assumptions import ASSUMPTIONS, TIME_ZONE, BrokenAssumption
from eventflow_stats.engine.assumptions.day_windows import today
from eventflow_stats.engine.doctor.check_result import CheckResult, DoctorLine, run_check
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.status.day_summary import fact_days
from eventflow_stats.engine.status.due_work import missing_days
from eventflow_stats.engine.status.health import (
    Status,
    broken_assumptions_now,
    find_problems,
    find_warnings,
    read_status,
)
from eventflow_stats.formatting import format_count, format_duration, format_list

AREA = "rollup"
NAMED = 5


def check_rollup(database: Database) -> list[DoctorLine]:
    status = cache(partial(read_status, database))
    broken = cache(partial(broken_assumptions_now, database))
    return [
        *(
            run_check("assumptions", each.name, partial(check_assumption, broken, each.name))
            for each in (*ASSUMPTIONS, TIME_ZONE)
        ),
        run_check(AREA, "trust", lambda: check_trust(status())),
        run_check(AREA, "held days", lambda: check_held_days(status())),
        run_check(AREA, "sealed days", lambda: check_sealed_days(status())),
        run_check(AREA, "schedule", lambda: check_schedule(status())),
        run_check(AREA, "coverage", lambda: check_coverage(database)),
        run_check(AREA, "facts of no client", lambda: check_unresolved_facts(status())),
        run_check(AREA, "facts of no day", lambda: check_facts_of_no_day(status())),
    ]


def check_assumption(broken: Callable[[], list[BrokenAssumption]], name: str) -> CheckResult:
    """Check one of the assumptions that every computation and verification needs."""
    for each in broken():
        if each.assumption.name == name:
            found = f"{'; '.join(each.found)}: {each.assumption.meaning}"
            return CheckResult("fail", f"unverifiable: {found}", each.assumption.remedy)
    return CheckResult("ok", "holds")


def check_trust(status: Status) -> CheckResult:
    """Check freshness, stale client-days, discrepancies and age of verification, like `eventflow-stats status`."""
    # Assumptions, held days and read-only databases have lines of their own.
    wrong = [each for each in find_problems(replace(status, unverifiable=[])) if each.kind not in ("held", "read_only")]
    if wrong:
        message, remedies = "; ".join(each.what for each in wrong), "; ".join(each.remedy for each in wrong)
        return CheckResult("fail", message, remedies)
    # Transactions and sealed days have lines of their own.
    watched = [
        each for each in find_warnings(status) if not any(name in each.what for name in ("transaction", "sealed"))
    ]
    if watched:
        return CheckResult("warn", "; ".join(each.what for each in watched), "; ".join(each.remedy for each in watched))
    return CheckResult("ok", f"{format_count(status.days.computed_days, 'day')} computed, nothing known wrong or late")


def check_held_days(status: Status) -> CheckResult:
    """Check for days that wait for an operator because too many of their facts disappeared."""
    found = [each for each in find_problems(status) if each.kind == "held"]
    return CheckResult("fail", found[0].what, found[0].remedy) if found else CheckResult("ok", "none")


def check_sealed_days(status: Status) -> CheckResult:
    """Check for facts that arrived for sealed days; `trust` reports an edited sealed day."""
    if not status.sealed.days:
        return CheckResult("ok", "none")
    message = f"{format_count(status.sealed.days, 'day')}, before {status.sealed.before}"
    late = [each for each in find_warnings(status) if "sealed" in each.what]
    return CheckResult("warn", f"{message}; {late[0].what}", late[0].remedy) if late else CheckResult("ok", message)


def check_schedule(status: Status) -> CheckResult:
    progress = status.freshness
    if progress.ticked_at is None:
        return CheckResult(
            "warn",
            "the schedule never ran here, so new facts are not found",
            "eventflow-stats up, or dagster-daemon run -w workspace.yaml",
        )
    return CheckResult(
        "ok", f"the last tick was {format_duration(progress.at - progress.ticked_at)} ago: {progress.tick_outcome}"
    )


def check_coverage(database: Database) -> CheckResult:
    reach = fact_days(database)
    if reach is None:
        return CheckResult("ok", "there are no facts yet")
    start, last = database.settings.start_date, min(reach[1], today(database.settings))
    first = max(reach[0], start)
    before = f"; facts before the start date {start} are in no number" if reach[0] < start else ""
    gaps = missing_days(database, first, last) if first <= last else []
    if gaps:
        return CheckResult(
            "warn",
            f"{format_count(len(gaps), 'day')} never computed between the first and the last fact: "
            f"{format_list([str(day) for day in gaps], NAMED)}; answers for them are counted from facts{before}",
            f"eventflow-stats backfill --from {gaps[0]} --to {gaps[-1]} --missing",
        )
    if before:
        return CheckResult(
            "warn", f"no gap from {first} to {last}{before}", "set EVENTFLOW_START_DATE earlier, if they count"
        )
    return CheckResult("ok", f"no gap from {first}, the first fact's day, to {last}")


def check_unresolved_facts(status: Status) -> CheckResult:
    facts = status.days.unresolved_facts
    if facts:
        return CheckResult(
            "warn",
            f"{format_count(facts, 'fact')} of no client, in no number",
            "give their campaign or webinar a client",
        )
    return CheckResult("ok", "none")


def check_facts_of_no_day(status: Status) -> CheckResult:
    progress = status.freshness
    if progress.facts_of_no_day:
        found = f"visits {progress.visits_of_no_day or 0:,}, entries {progress.entries_of_no_day or 0:,}"
        return CheckResult(
            "warn",
            f"{format_count(progress.facts_of_no_day, 'fact')} of no day ({found}): "
            "no time, or no time of this calendar",
            "correct accessed_at in event_access_logs, created_at in event_survey_entries",
        )
    return CheckResult(
        "ok", "none" if progress.visits_of_no_day is not None else "never counted: the schedule did not run here yet"
    )
