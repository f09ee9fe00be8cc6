"""Prove days of the rollup against the facts, group by group, zero tolerance (engine.md, Operations)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection

from eventflow_stats.engine.assumptions import ASSUMPTION_NAMES
from eventflow_stats.engine.database import Database
from eventflow_stats.engine.day_state import DayState, FactCounts, Hold, Seal, day_state
from eventflow_stats.engine.each_day import each_day
from eventflow_stats.engine.guard import alerting, review
from eventflow_stats.engine.measure import Totals, measure_day, require_somebody
from eventflow_stats.engine.sealing import alert_edited_days, check_seal
from eventflow_stats.engine.second_count import SECOND_COUNT, check_second_count, record_second_count
from eventflow_stats.engine.sql import query
from eventflow_stats.engine.wrong_group_alerts import raise_owed_alerts
from eventflow_stats.errors import OnFailedDay

Verdict = Literal["proved", "stale", "wrong", "held", "sealed"]
RIGHT: tuple[Verdict, ...] = ("proved", "sealed")
"""Verdicts on a day whose numbers can be trusted."""
NAMED_GROUPS = 1000
"""How many differing groups of a day are returned by name; the ledger holds every wrong one."""


@dataclass(frozen=True)
class DifferingGroup:
    """One group in which table and facts disagree. A stored value of None: the table has no such row;
    a true value of None: the facts have no such group."""

    verdict: Verdict
    client_id: UUID
    client_name: str | None
    campaign_id: UUID | None
    link_id: UUID | None
    link_name: str | None
    utm_source: str | None
    utm_medium: str | None
    utm_campaign: str | None
    stored_visits: int | None
    true_visits: int | None
    stored_conversions: int | None
    true_conversions: int | None


@dataclass(frozen=True)
class ProvedDay:
    """The outcome of comparing one day.

    ``wrong_groups`` differ although the facts are those the table was computed from. A *stale* scope
    differs because facts moved since, or because it was never computed: rebuild it and prove again.
    ``visits_difference`` and ``conversions_difference`` are theirs in all, stored minus true.
    ``covered`` is False when the whole day, or one of the clients asked for, was never computed.
    ``hold``: too many of its facts disappeared, so that it is neither verified nor computed. ``seal``: it was compared
    with the checksum of its seal, whose totals these are, and not with facts.
    """

    day: date
    totals: Totals
    covered: bool
    proved_scopes: int
    stale_scopes: int
    wrong_scopes: int
    wrong_groups: int
    visits_difference: int
    conversions_difference: int
    differing: tuple[DifferingGroup, ...] = field(repr=False)
    hold: Hold | None = None
    seal: Seal | None = None

    @property
    def verdict(self) -> Verdict:
        """The worst of its scopes' verdicts; a day never computed is stale even without facts. A sealed day is wrong
        when its rows were edited."""
        if self.seal is not None:
            return "sealed" if self.seal.broken_at is None else "wrong"
        if self.wrong_scopes:
            return "wrong"
        if self.hold is not None:
            return "held"
        return "stale" if self.stale_scopes or not self.covered else "proved"


def prove(
    database: Database,
    days: Iterable[date],
    clients: Sequence[UUID] | None = None,
    only_unproved: bool = False,
    on_failed_day: OnFailedDay | None = None,
    most_named: int = NAMED_GROUPS,
) -> Iterator[ProvedDay]:
    """Compare the rollup with the facts, oldest day first, and record the outcome in the ledger.

    Each day is compared in one snapshot, every group, both directions. Proved scopes get the time of
    proof, stale ones become dirty, wrong groups become open discrepancies; the rollup itself is never
    written. Every wrong group raises one alert.

    Parameters: ``days`` in the bucket time zone; ``clients`` limits the comparison to theirs (then
    ``covered`` speaks of them alone, and the day as a whole becomes proved when nothing else of it is open), None
    compares everybody; ``only_unproved`` compares the scopes not proved since they were computed, which is what
    a refresh leaves to prove, and those known to be wrong; ``on_failed_day`` is told of a day that another run
    writes, or that the database gave up on, which is then passed over; ``most_named`` differing groups of a day are
    returned.

    Raises:
        InvalidInput: ``clients`` names nobody: comparing nothing would look like a proof.
        DayBusy: another run held a day longer than the lock timeout, and there is no ``on_failed_day``.
        Failed: the database gave up on a day, and there is no ``on_failed_day``.
        Refused: no connection, not migrated or permission denied.
    """
    require_somebody(clients)

    def work(connection: Connection, day: date) -> ProvedDay:
        of_day = _unproved_clients(connection, day) if only_unproved else clients
        return prove_day(connection, day, of_day, database.settings.max_deleted_share, most_named)

    with alerts_of(database) as seen:
        for _, outcome, _ in each_day(database, days, work, on_failed_day):
            seen(outcome)
            yield outcome


@contextmanager
def alerts_of(database: Database) -> Iterator[Callable[[ProvedDay], None]]:
    """Around a verification: raises the alerts of the wrong groups of each day it saw, and, when it ends, of the held
    days and edited sealed days."""
    edited: list[Seal] = []
    with alerting(database) as held:

        def see(day: ProvedDay) -> None:
            if day.wrong_groups:
                raise_owed_alerts(database)
            held.extend([day.hold] if day.hold is not None else [])
            edited.extend([day.seal] if day.seal is not None and day.seal.broken_at is not None else [])

        try:
            yield see
        finally:
            if edited:
                alert_edited_days(database)


def _unproved_clients(connection: Connection, day: date) -> Sequence[UUID] | None:
    """None, meaning all, where no scope of the day is proved: one look at the whole day is cheaper."""
    found = connection.execute(query("unproved_clients"), {"bucket_date": day}).one()
    return list(found.clients) if found.some_proved else None


def prove_day(
    connection: Connection,
    day: date,
    clients: Sequence[UUID] | None,
    percent: float,
    most_named: int = NAMED_GROUPS,
) -> ProvedDay:
    """One day of ``prove``; ``percent`` of its facts that may have disappeared. Must run inside
    ``Database.writing_day``, on prepared working tables."""
    state = day_state(connection, day)
    if state.seal is not None:
        return _checked(check_seal(connection, day, state))
    of_day: dict[str, Any] = {"bucket_date": day}
    scope = of_day | {"clients": None if clients is None else list(clients)}
    totals = measure_day(connection, day, clients)
    count = check_second_count(connection, day, clients)
    hold = state.hold if clients is not None else _reviewed(connection, day, state, totals, percent)
    connection.execute(query("compare_groups"), scope)
    connection.execute(query("judge_scopes"), scope)
    counts = connection.execute(query("count_verdicts"), scope).mappings().one()
    found = connection.execute(query("differing_groups"), {"most": most_named}).mappings()
    outcome = ProvedDay(day, totals, differing=tuple(DifferingGroup(**row) for row in found), hold=hold, **counts)
    # What an earlier proof found and this one did not is no longer wrong, whoever put it right.
    connection.execute(query("close_discrepancies_not_found"), scope)
    connection.execute(query("record_discrepancies"), of_day)
    connection.execute(query("record_proved_scopes"), of_day)
    connection.execute(query("record_stale_scopes"), of_day)
    if count is None:
        connection.execute(query("settle_day"), of_day)
    else:
        record_second_count(connection, day, count)
        connection.execute(
            query("record_proof_of_day"),
            of_day
            | {
                "proof_result": "stale" if outcome.verdict == "held" else outcome.verdict,
                "wrong_groups": outcome.wrong_groups,
                "stale_scopes": outcome.stale_scopes,
                "unresolved_facts": totals.unresolved_facts,
                "assumptions": [*ASSUMPTION_NAMES, SECOND_COUNT],
            },
        )
    return outcome


def _reviewed(connection: Connection, day: date, state: DayState, totals: Totals, percent: float) -> Hold | None:
    found = FactCounts(totals.facts - totals.unresolved_facts - totals.conversions, totals.conversions)
    return review(connection, day, state, found, percent)


def _checked(seal: Seal) -> ProvedDay:
    """The outcome of comparing a sealed day with its checksum: no fact was read."""
    totals = Totals(seal.groups, seal.visits, seal.conversions, facts=0, unresolved_facts=0)
    return ProvedDay(
        seal.day,
        totals,
        covered=True,
        proved_scopes=0,
        stale_scopes=0,
        wrong_scopes=0,
        wrong_groups=0,
        visits_difference=0,
        conversions_difference=0,
        differing=(),
        seal=seal,
    )
