"""Verify days of the rollup: compare every group with the facts, in both directions, with zero tolerance."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection

from eventflow_stats.engine.alerts.wrong_groups import raise_owed_alerts
from eventflow_stats.engine.assumptions.assumptions import ASSUMPTION_NAMES
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.engine.rollup.day_holds import alerting_held_days, update_hold
from eventflow_stats.engine.rollup.day_loop import for_each_day
from eventflow_stats.engine.rollup.day_seals import alert_edited_days, check_seal
from eventflow_stats.engine.rollup.held_and_sealed_days import Hold, Seal, read_day_state
from eventflow_stats.engine.rollup.measure import MeasuredTotals, measure_day, require_clients
from eventflow_stats.engine.rollup.second_count import SECOND_COUNT, check_second_count, record_second_count
from eventflow_stats.errors import OnFailedDay

VerificationResult = Literal["verified", "stale", "wrong", "held", "sealed"]
TRUSTED_RESULTS: tuple[VerificationResult, ...] = ("verified", "sealed")
"""The results of a day whose numbers can be trusted."""
NAMED_GROUPS = 1000
"""The most differences of a day that are returned by name. The ledger holds every wrong group."""


@dataclass(frozen=True)
class GroupDifference:
    """One group in which the rollup differs from the facts. A stored value of None: the rollup has no such row; a true
    value of None: the facts have no such group."""

    result: VerificationResult
    client_id: UUID
    client_name: str | None
    campaign_id: UUID | None
    campaign_name: str | None
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
class VerifiedDay:
    """The outcome of the verification of one day.

    ``wrong_groups`` differ from facts that have not changed since the day was computed; ``visits_difference`` and
    ``conversions_difference`` are their sums, stored minus true. A *stale* client-day differs because its facts changed
    since, or because it was never computed: refresh it and verify again. ``computed`` is False if the whole day, or one
    of the clients asked for, was never computed. ``hold``: too many facts disappeared, so the day is neither verified
    nor computed. ``seal``: the rows were compared with the checksum of the seal, not with facts; ``totals`` are those
    of the seal.
    """

    day: date
    totals: MeasuredTotals
    computed: bool = True
    verified_client_days: int = 0
    stale_client_days: int = 0
    wrong_client_days: int = 0
    wrong_groups: int = 0
    visits_difference: int = 0
    conversions_difference: int = 0
    differences: tuple[GroupDifference, ...] = field(default=(), repr=False)
    hold: Hold | None = None
    seal: Seal | None = None

    @property
    def result(self) -> VerificationResult:
        """The worst result of its client-days. A day that was never computed is stale, even without facts. A sealed day
        is wrong if its rows were edited."""
        if self.seal is not None:
            return "sealed" if self.seal.broken_at is None else "wrong"
        if self.wrong_client_days:
            return "wrong"
        if self.hold is not None:
            return "held"
        return "stale" if self.stale_client_days or not self.computed else "verified"


def verify(
    database: Database,
    days: Iterable[date],
    clients: Sequence[UUID] | None = None,
    only_unverified: bool = False,
    on_failed_day: OnFailedDay | None = None,
    most_named: int = NAMED_GROUPS,
) -> Iterator[VerifiedDay]:
    """Verify days, oldest first, and record the outcome of each in the ledger.

    Each day is compared in one snapshot. The ledger records when client-days were verified, marks stale ones, and
    stores wrong groups as open discrepancies. The rollup itself is never written. The first 20 wrong groups of a day
    have an alert each, the rest share one.

    Parameters: ``days`` in the bucket time zone; ``clients`` limits the comparison to these clients (then ``computed``
    is about them alone, and the day as a whole becomes verified if nothing else of it is open), None compares all;
    ``only_unverified`` compares only the client-days that were not verified since they were computed (after a refresh,
    these are the refreshed ones) and those known to be wrong; at most ``most_named`` differences of a day are
    returned; ``on_failed_day``: see ``for_each_day``.

    Raises:
        InvalidInput: ``clients`` is empty: a comparison of nothing would look like a verification.
        DayBusy, Failed, Refused: see ``for_each_day``.
    """
    require_clients(clients)

    def work(connection: Connection, day: date) -> VerifiedDay:
        of_day = _unverified_clients(connection, day) if only_unverified else clients
        return verify_day(connection, day, of_day, database.settings.max_deleted_share, most_named)

    with alerting_results(database) as alert:
        for _, outcome, _ in for_each_day(database, days, work, on_failed_day):
            alert(outcome)
            yield outcome


@contextmanager
def alerting_results(database: Database) -> Iterator[Callable[[VerifiedDay], None]]:
    """A function to call with each verified day: it raises the alerts of the day's wrong groups. The alerts about held
    days and edited sealed days are raised at the end."""
    edited: list[Seal] = []
    with alerting_held_days(database) as held:

        def alert(day: VerifiedDay) -> None:
            if day.wrong_groups:
                raise_owed_alerts(database)
            if day.hold is not None:
                held.append(day.hold)
            if day.seal is not None and day.seal.broken_at is not None:
                edited.append(day.seal)

        try:
            yield alert
        finally:
            if edited:
                alert_edited_days(database)


def _unverified_clients(connection: Connection, day: date) -> Sequence[UUID] | None:
    """The clients of the day that are not verified. None (all) if no client-day is: one whole day is cheaper."""
    found = connection.execute(query("verify/unverified_clients"), {"bucket_date": day}).one()
    return list(found.clients) if found.some_verified else None


def verify_day(
    connection: Connection,
    day: date,
    clients: Sequence[UUID] | None,
    percent: float,
    most_named: int = NAMED_GROUPS,
) -> VerifiedDay:
    """Verify one day; ``percent`` of its facts may have disappeared. Must run inside ``writing_day``, with prepared
    working tables."""
    state = read_day_state(connection, day)
    if state.seal is not None:
        return _sealed_day(check_seal(connection, day, state))
    of_day: dict[str, Any] = {"bucket_date": day}
    client_day = of_day | {"clients": None if clients is None else list(clients)}
    totals = measure_day(connection, day, clients)
    count = check_second_count(connection, day, clients)
    hold = state.hold if clients is not None else update_hold(connection, day, state, totals.of_known_clients, percent)
    connection.execute(query("verify/compare_groups"), client_day)
    connection.execute(query("verify/fill_client_day_results"), client_day)
    counts = connection.execute(query("verify/count_results"), client_day).mappings().one()
    found = connection.execute(query("verify/group_differences"), {"most": most_named}).mappings()
    outcome = VerifiedDay(day, totals, differences=tuple(GroupDifference(**row) for row in found), hold=hold, **counts)
    # A discrepancy that this verification did not find again is repaired, whoever repaired it.
    connection.execute(query("verify/close_discrepancies_not_found"), client_day)
    connection.execute(query("verify/record_discrepancies"), of_day)
    connection.execute(query("verify/record_verified_client_days"), of_day)
    connection.execute(query("verify/record_stale_client_days"), of_day)
    if count is None:
        connection.execute(query("verify/record_verified_day"), of_day)
    else:
        record_second_count(connection, day, count)
        connection.execute(
            query("verify/record_verification_of_day"),
            of_day
            | {
                "verification_result": "stale" if outcome.result == "held" else outcome.result,
                "wrong_groups": outcome.wrong_groups,
                "stale_client_days": outcome.stale_client_days,
                "unresolved_facts": totals.unresolved_facts,
                "assumptions": [*ASSUMPTION_NAMES, SECOND_COUNT],
            },
        )
    return outcome


def _sealed_day(seal: Seal) -> VerifiedDay:
    """The outcome for a sealed day, which was compared with its checksum. No fact was read."""
    totals = MeasuredTotals(seal.groups, seal.visits, seal.conversions, facts=0, unresolved_facts=0)
    return VerifiedDay(seal.day, totals, seal=seal)
