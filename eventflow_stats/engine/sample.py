"""Prove a random part of the rollup, and say what that part tells of the whole.

What is drawn is proved as everything is (prove.py), each client's day whole, and recorded in the ledger.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import groupby
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection

from eventflow_stats.engine.damage import work_around_damage
from eventflow_stats.engine.database import Database
from eventflow_stats.engine.measure import prepare_working_tables
from eventflow_stats.engine.prove import NAMED_GROUPS, DifferingGroup, ProvedDay, prove_day
from eventflow_stats.engine.sql import query
from eventflow_stats.engine.wrong_group_alerts import raise_owed_alerts
from eventflow_stats.errors import DayBusy, Failed, OnFailedDay

Unit = Literal["groups", "scopes"]
SAMPLE_SCOPES = 20
SAMPLE_FACTS = 100_000
"""What a tick's sample reads at the most, but for a single larger scope: it is drawn every five minutes."""
SAMPLE_PATIENCE_SECONDS = 0.5
EVERY_GROUP = 1_000_000_000
"""A drawn group is looked for among those of its client's day that differ: all of them are needed."""

Key = tuple[UUID | None, UUID | None, str | None, str | None, str | None]


@dataclass(frozen=True)
class Drawn:
    """One place drawn: a scope, a row of the rollup by its key, or, with neither, whatever row a scope may lack."""

    bucket_date: date
    client_id: UUID
    key: Key | None
    whole: bool


@dataclass(frozen=True)
class Sample:
    """A sample drawn uniformly, without replacement, out of ``population`` places.

    Of unit "scopes" a place is a client's day that the ledger knows or that has rows. Of unit "groups" it is a row of
    the rollup, or what a client's day may lack: the rows missing there are one place together, since nobody knows of
    them before looking. So a group of the facts without a row is found through its client's day.
    """

    unit: Unit
    seed: int
    population: int
    places: tuple[Drawn, ...]


def draw_sample(
    database: Database,
    first: date,
    last: date,
    clients: Sequence[UUID] | None,
    unit: Unit,
    most: int,
    seed: int,
) -> Sample:
    """Draw so many places (all, where there are fewer) of the days from first to last, both included; the same for the
    same seed over the same rollup and ledger. Reads no fact.

    Raises:
        Refused: no connection, not migrated or permission denied.
    """
    drawing = {
        "first_day": first,
        "last_day": last,
        "clients": None if clients is None else list(clients),
        "most": most,
        "seed": seed,
    }
    with database.session() as connection:
        rows = connection.execute(query("sample_groups" if unit == "groups" else "sample_whole_scopes"), drawing).all()
    places = tuple(
        Drawn(
            row.bucket_date,
            row.client_id,
            (row.campaign_id, row.link_id, row.utm_source, row.utm_medium, row.utm_campaign) if row.is_row else None,
            unit == "scopes",
        )
        for row in rows
    )
    return Sample(unit, seed, rows[0].population if rows else 0, places)


def prove_drawn(
    database: Database, sample: Sample, on_failed_day: OnFailedDay | None = None
) -> Iterator[tuple[ProvedDay, int]]:
    """Prove the clients' days of the places drawn, whole, oldest day first; yields each day, with all its
    differing groups, and how many of the places drawn differ (wrong or stale). ``on_failed_day`` is told of a day that
    failed, which is then passed over.

    Raises:
        DayBusy: another run held a day longer than the lock timeout, and there is no ``on_failed_day``.
        Failed: a day failed, and there is no ``on_failed_day``.
        Refused: no connection, not migrated or permission denied.
    """
    drawn: dict[date, list[Drawn]] = {}
    for place in sample.places:
        drawn.setdefault(place.bucket_date, []).append(place)
    scopes = sorted({(place.bucket_date, place.client_id) for place in sample.places})
    with database.session() as connection:
        for day in _prove_scopes(database, connection, scopes, EVERY_GROUP, on_failed_day=on_failed_day):
            yield day, _differing(day, drawn[day.day])


def prove_sample(
    database: Database, seed: int, most: int = SAMPLE_SCOPES, on_failed_day: OnFailedDay | None = None
) -> Iterator[ProvedDay]:
    """Prove a random sample of scopes, each with all its groups; yields their days, oldest first.

    The same seed over the same ledger draws the same scopes, so a sample can be replayed. Dirty scopes are left out;
    the facts read are bounded, whatever the size of a client. Recorded in the ledger like every proof.

    Parameters: ``seed`` any 64-bit number; ``most`` scopes; ``on_failed_day`` is told of a day that another run
    writes, or that the database gave up on, which is then passed over.

    Raises:
        DayBusy: another run was writing a day, and there is no ``on_failed_day``.
        Failed: the database gave up on a day, and there is no ``on_failed_day``.
        Refused: no connection, not migrated or permission denied.
    """
    drawing = {"seed": seed, "most": most, "facts": SAMPLE_FACTS}
    with database.session() as connection:
        drawn = connection.execute(query("sample_scopes"), drawing).all()
        scopes = [(scope.bucket_date, scope.client_id) for scope in drawn]
        yield from _prove_scopes(database, connection, scopes, NAMED_GROUPS, SAMPLE_PATIENCE_SECONDS, on_failed_day)


def _prove_scopes(
    database: Database,
    connection: Connection,
    scopes: Sequence[tuple[date, UUID]],
    most_named: int,
    patience: float | None = None,
    on_failed_day: OnFailedDay | None = None,
) -> Iterator[ProvedDay]:
    """The scopes' days, oldest first."""
    connection.rollback()
    prepare_working_tables(connection)
    for day, of_day in groupby(scopes, key=lambda scope: scope[0]):
        try:
            clients = [client_id for _, client_id in of_day]
            percent = database.settings.max_deleted_share
            outcome = work_around_damage(
                connection,
                partial(database.writing_day, connection, day, patience),
                partial(prove_day, connection, day, clients, percent, most_named),
            )
        except (DayBusy, Failed) as error:
            if on_failed_day is None:
                raise
            on_failed_day(day, error)
            continue
        if outcome.wrong_groups:
            raise_owed_alerts(database)
        yield outcome


def _differing(day: ProvedDay, drawn: Sequence[Drawn]) -> int:
    found = {(group.client_id, _key(group)) for group in day.differing}
    scopes = {group.client_id for group in day.differing}
    lacking = {group.client_id for group in day.differing if group.stored_visits is None}
    return sum(
        (place.client_id, place.key) in found if place.key is not None
        else place.client_id in (scopes if place.whole else lacking)
        for place in drawn
    )  # fmt: skip


def _key(group: DifferingGroup) -> Key:
    return (group.campaign_id, group.link_id, group.utm_source, group.utm_medium, group.utm_campaign)
