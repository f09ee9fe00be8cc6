"""The rollup: verifiable, fresh, proved, without gaps."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

from eventflow_stats.engine.assumptions import ASSUMPTIONS, TIME_ZONE, BrokenAssumption
from eventflow_stats.engine.database import Database
from eventflow_stats.engine.doctor.finding import Finding, Verdict, look
from eventflow_stats.engine.judging import Status, broken_now, read_status, what_is_wrong, what_to_watch
from eventflow_stats.engine.ledger import fact_days
from eventflow_stats.engine.upkeep import today, uncovered_days
from eventflow_stats.words import counted, lasting, listed

AREA = "rollup"
NAMED = 5


def examine_rollup(database: Database) -> list[Finding]:
    status = cache(partial(read_status, database))
    broken = cache(partial(broken_now, database))
    return [
        *(look("assumptions", each.name, partial(assumption, broken, each.name)) for each in (*ASSUMPTIONS, TIME_ZONE)),
        look(AREA, "trust", lambda: trust(status())),
        look(AREA, "held days", lambda: held(status())),
        look(AREA, "sealed days", lambda: sealed(status())),
        look(AREA, "schedule", lambda: schedule(status())),
        look(AREA, "coverage", lambda: coverage(database)),
        look(AREA, "facts of no client", lambda: unresolved(status())),
        look(AREA, "facts of no day", lambda: of_no_day(status())),
    ]


def assumption(broken: Callable[[], list[BrokenAssumption]], name: str) -> Verdict:
    """Whether what every computation and verification rests on holds."""
    for each in broken():
        if each.assumption.name == name:
            found = f"{'; '.join(each.found)}: {each.assumption.meaning}"
            return Verdict("fail", f"unverifiable: {found}", each.assumption.remedy)
    return Verdict("ok", "holds")


def trust(status: Status) -> Verdict:
    """Freshness, dirty scopes, discrepancies and age of proof, judged as `eventflow-stats status` does."""
    # Assumptions, held days and that nothing can be written have lines of their own; days that their own second count
    # makes unverifiable have not.
    wrong = [each for each in what_is_wrong(replace(status, unverifiable=[])) if each.kind not in ("held", "read_only")]
    if wrong:
        told, remedies = "; ".join(each.what for each in wrong), "; ".join(each.remedy for each in wrong)
        return Verdict("fail", told, remedies)
    # Transactions and sealed days have checks of their own.
    watched = [
        each for each in what_to_watch(status) if not any(name in each.what for name in ("transaction", "sealed"))
    ]
    if watched:
        return Verdict("warn", "; ".join(each.what for each in watched), "; ".join(each.remedy for each in watched))
    return Verdict("ok", f"{counted(status.days.covered_days, 'day')} computed, nothing known wrong or late")


def held(status: Status) -> Verdict:
    """Whether days wait for a person, because too many of their facts disappeared."""
    found = [each for each in what_is_wrong(status) if each.kind == "held"]
    return Verdict("fail", found[0].what, found[0].remedy) if found else Verdict("ok", "none")


def sealed(status: Status) -> Verdict:
    """Whether sealed days are as they were sealed; an edit of one is told by `trust`."""
    if not status.sealed.days:
        return Verdict("ok", "none")
    told = f"{counted(status.sealed.days, 'day')}, before {status.sealed.before}"
    late = [each for each in what_to_watch(status) if "sealed" in each.what]
    return Verdict("warn", f"{told}; {late[0].what}", late[0].remedy) if late else Verdict("ok", told)


def schedule(status: Status) -> Verdict:
    stands = status.upkeep
    if stands.ticked_at is None:
        return Verdict(
            "warn",
            "no tick was ever made here: nobody looks for new facts",
            "eventflow-stats up, or dagster-daemon run",
        )
    return Verdict("ok", f"the last tick was due {lasting(stands.at - stands.ticked_at)} ago: {stands.tick_outcome}")


def coverage(database: Database) -> Verdict:
    reach = fact_days(database)
    if reach is None:
        return Verdict("ok", "there are no facts yet")
    start, last = database.settings.start_date, min(reach[1], today(database.settings))
    first = max(reach[0], start)
    before = f"; facts before the start date {start} are in no number" if reach[0] < start else ""
    gaps = uncovered_days(database, first, last) if first <= last else []
    if gaps:
        return Verdict(
            "warn",
            f"{counted(len(gaps), 'day')} never computed between first and last fact: "
            f"{listed([str(day) for day in gaps], NAMED)}; answers for them are measured from facts{before}",
            f"eventflow-stats backfill --from {gaps[0]} --to {gaps[-1]} --missing",
        )
    if before:
        return Verdict(
            "warn", f"no gap from {first} to {last}{before}", "set EVENTFLOW_START_DATE earlier, if they count"
        )
    return Verdict("ok", f"no gap from {first}, the first fact's day, to {last}")


def unresolved(status: Status) -> Verdict:
    facts = status.days.unresolved_facts
    if facts:
        return Verdict(
            "warn", f"{counted(facts, 'fact')} of no client, in no number", "give their campaign or webinar a client"
        )
    return Verdict("ok", "none")


def of_no_day(status: Status) -> Verdict:
    stands = status.upkeep
    if stands.facts_of_no_day:
        found = f"visits {stands.visits_of_no_day or 0:,}, entries {stands.entries_of_no_day or 0:,}"
        return Verdict(
            "warn",
            f"{counted(stands.facts_of_no_day, 'fact')} of no day ({found}): no time, or none of the calendar",
            "give accessed_at of event_access_logs, created_at of event_survey_entries a time of this calendar",
        )
    return Verdict("ok", "none" if stands.visits_of_no_day is not None else "never counted: no tick was made here yet")
