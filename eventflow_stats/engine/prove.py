"""Prove days of the rollup against the facts, group by group, zero tolerance (engine.md, Operations)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection

from eventflow_stats.engine.assumptions import ASSUMPTION_NAMES
from eventflow_stats.engine.database import Database
from eventflow_stats.engine.each_day import each_day
from eventflow_stats.engine.measure import Totals, measure_day, require_somebody
from eventflow_stats.engine.sql import query
from eventflow_stats.errors import OnFailedDay

Verdict = Literal["proved", "stale", "wrong"]
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

    @property
    def verdict(self) -> Verdict:
        """The worst of its scopes' verdicts; a day never computed is stale even without facts."""
        if self.wrong_scopes:
            return "wrong"
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
    written.

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
        return prove_day(connection, day, of_day, most_named)

    for _, outcome, _ in each_day(database, days, work, on_failed_day):
        yield outcome


def _unproved_clients(connection: Connection, day: date) -> Sequence[UUID] | None:
    """None, meaning all, where no scope of the day is proved: one look at the whole day is cheaper."""
    found = connection.execute(query("unproved_clients"), {"bucket_date": day}).one()
    return list(found.clients) if found.some_proved else None


def prove_day(
    connection: Connection, day: date, clients: Sequence[UUID] | None, most_named: int = NAMED_GROUPS
) -> ProvedDay:
    """One day of ``prove``. Must run inside ``Database.writing_day``, on prepared working tables."""
    of_day: dict[str, Any] = {"bucket_date": day}
    scope = of_day | {"clients": None if clients is None else list(clients)}
    totals = measure_day(connection, day, clients)
    connection.execute(query("compare_groups"), scope)
    connection.execute(query("judge_scopes"), scope)
    counts = connection.execute(query("count_verdicts"), scope).mappings().one()
    found = connection.execute(query("differing_groups"), {"most": most_named}).mappings()
    outcome = ProvedDay(day, totals, differing=tuple(DifferingGroup(**row) for row in found), **counts)
    # What an earlier proof found and this one did not is no longer wrong, whoever put it right.
    connection.execute(query("close_discrepancies_not_found"), scope)
    connection.execute(query("record_discrepancies"), of_day)
    connection.execute(query("record_proved_scopes"), of_day)
    connection.execute(query("record_stale_scopes"), of_day)
    if clients is not None:
        connection.execute(query("settle_day"), of_day)
    else:
        connection.execute(
            query("record_proof_of_day"),
            of_day
            | {
                "proof_result": outcome.verdict,
                "wrong_groups": outcome.wrong_groups,
                "stale_scopes": outcome.stale_scopes,
                "unresolved_facts": totals.unresolved_facts,
                "assumptions": ASSUMPTION_NAMES,
            },
        )
    return outcome
