"""The rollup: verifiable, fresh, verified, without gaps."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

from eventflow_stats.engine.assumptions.assumptions import ASSUMPTIONS, TIME_ZONE, BrokenAssumption
from eventflow_stats.engine.assumptions.day_windows import today
from eventflow_stats.engine.doctor.diagnosis import Diagnosis, Outcome, run_check
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
from eventflow_stats.formatting import counted, lasting, listed

AREA = "rollup"
NAMED = 5


def examine_rollup(database: Database) -> list[Diagnosis]:
    status = cache(partial(read_status, database))
    broken = cache(partial(broken_assumptions_now, database))
    return [
        *(
            run_check("assumptions", each.name, partial(assumption, broken, each.name))
            for each in (*ASSUMPTIONS, TIME_ZONE)
        ),
        run_check(AREA, "trust", lambda: trust(status())),
        run_check(AREA, "held days", lambda: held(status())),
        run_check(AREA, "sealed days", lambda: sealed(status())),
        run_check(AREA, "schedule", lambda: schedule(status())),
        run_check(AREA, "coverage", lambda: coverage(database)),
        run_check(AREA, "facts of no client", lambda: unresolved(status())),
        run_check(AREA, "facts of no day", lambda: of_no_day(status())),
    ]


def assumption(broken: Callable[[], list[BrokenAssumption]], name: str) -> Outcome:
    """Whether what every computation and verification rests on holds."""
    for each in broken():
        if each.assumption.name == name:
            found = f"{'; '.join(each.found)}: {each.assumption.meaning}"
            return Outcome("fail", f"unverifiable: {found}", each.assumption.remedy)
    return Outcome("ok", "holds")


def trust(status: Status) -> Outcome:
    """Freshness, stale client-days, discrepancies and age of verification, judged as `eventflow-stats status` does."""
    # Assumptions, held days and that nothing can be written have lines of their own; days that their own second count
    # makes unverifiable have not.
    wrong = [each for each in find_problems(replace(status, unverifiable=[])) if each.kind not in ("held", "read_only")]
    if wrong:
        message, remedies = "; ".join(each.what for each in wrong), "; ".join(each.remedy for each in wrong)
        return Outcome("fail", message, remedies)
    # Transactions and sealed days have checks of their own.
    watched = [
        each for each in find_warnings(status) if not any(name in each.what for name in ("transaction", "sealed"))
    ]
    if watched:
        return Outcome("warn", "; ".join(each.what for each in watched), "; ".join(each.remedy for each in watched))
    return Outcome("ok", f"{counted(status.days.computed_days, 'day')} computed, nothing known wrong or late")


def held(status: Status) -> Outcome:
    """Whether days wait for a person, because too many of their facts disappeared."""
    found = [each for each in find_problems(status) if each.kind == "held"]
    return Outcome("fail", found[0].what, found[0].remedy) if found else Outcome("ok", "none")


def sealed(status: Status) -> Outcome:
    """Whether sealed days are as they were sealed; an edit of one is reported by `trust`."""
    if not status.sealed.days:
        return Outcome("ok", "none")
    message = f"{counted(status.sealed.days, 'day')}, before {status.sealed.before}"
    late = [each for each in find_warnings(status) if "sealed" in each.what]
    return Outcome("warn", f"{message}; {late[0].what}", late[0].remedy) if late else Outcome("ok", message)


def schedule(status: Status) -> Outcome:
    progress = status.freshness
    if progress.ticked_at is None:
        return Outcome(
            "warn",
            "no tick was ever made here: nobody looks for new facts",
            "eventflow-stats up, or dagster-daemon run",
        )
    return Outcome(
        "ok", f"the last tick was due {lasting(progress.at - progress.ticked_at)} ago: {progress.tick_outcome}"
    )


def coverage(database: Database) -> Outcome:
    reach = fact_days(database)
    if reach is None:
        return Outcome("ok", "there are no facts yet")
    start, last = database.settings.start_date, min(reach[1], today(database.settings))
    first = max(reach[0], start)
    before = f"; facts before the start date {start} are in no number" if reach[0] < start else ""
    gaps = missing_days(database, first, last) if first <= last else []
    if gaps:
        return Outcome(
            "warn",
            f"{counted(len(gaps), 'day')} never computed between first and last fact: "
            f"{listed([str(day) for day in gaps], NAMED)}; answers for them are measured from facts{before}",
            f"eventflow-stats backfill --from {gaps[0]} --to {gaps[-1]} --missing",
        )
    if before:
        return Outcome(
            "warn", f"no gap from {first} to {last}{before}", "set EVENTFLOW_START_DATE earlier, if they count"
        )
    return Outcome("ok", f"no gap from {first}, the first fact's day, to {last}")


def unresolved(status: Status) -> Outcome:
    facts = status.days.unresolved_facts
    if facts:
        return Outcome(
            "warn", f"{counted(facts, 'fact')} of no client, in no number", "give their campaign or webinar a client"
        )
    return Outcome("ok", "none")


def of_no_day(status: Status) -> Outcome:
    progress = status.freshness
    if progress.facts_of_no_day:
        found = f"visits {progress.visits_of_no_day or 0:,}, entries {progress.entries_of_no_day or 0:,}"
        return Outcome(
            "warn",
            f"{counted(progress.facts_of_no_day, 'fact')} of no day ({found}): no time, or none of the calendar",
            "give accessed_at of event_access_logs, created_at of event_survey_entries a time of this calendar",
        )
    return Outcome(
        "ok", "none" if progress.visits_of_no_day is not None else "never counted: no tick was made here yet"
    )
