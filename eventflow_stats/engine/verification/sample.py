"""Verify a random part of the rollup, and say what that part tells of the whole.

What is drawn is verified as everything is (verify.py), each client's day whole, and recorded in the ledger.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import groupby
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection

from eventflow_stats.engine.alerts.wrong_groups import raise_owed_alerts
from eventflow_stats.engine.postgres.damaged_pages import work_around_damage
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.engine.rollup.day_locks import writing_day
from eventflow_stats.engine.rollup.measure import prepare_working_tables
from eventflow_stats.engine.verification.verify import NAMED_GROUPS, GroupDifference, VerifiedDay, verify_day
from eventflow_stats.errors import DayBusy, Failed, OnFailedDay

SampleUnit = Literal["groups", "client_days"]
SAMPLE_CLIENT_DAYS = 20
SAMPLE_FACTS = 100_000
"""What a tick's sample reads at the most, but for a single larger client-day: it is drawn every five minutes."""
SAMPLE_LOCK_WAIT_SECONDS = 0.5
EVERY_GROUP = 1_000_000_000
"""A drawn group is looked for among those of its client's day that differ: all of them are needed."""

Key = tuple[UUID | None, UUID | None, str | None, str | None, str | None]


@dataclass(frozen=True)
class SampledPlace:
    """One place drawn: a client-day, a row of the rollup by its key, or, with neither, whatever row a client-day may lack."""

    bucket_date: date
    client_id: UUID
    key: Key | None
    whole: bool


@dataclass(frozen=True)
class Sample:
    """A sample drawn uniformly, without replacement, out of ``population`` places.

    Of unit "client-days" a place is a client's day that the ledger knows or that has rows. Of unit "groups" it is a row of
    the rollup, or what a client's day may lack: the rows missing there are one place together, since nobody knows of
    them before looking. So a group of the facts without a row is found through its client's day.
    """

    unit: SampleUnit
    seed: int
    population: int
    places: tuple[SampledPlace, ...]


def draw_sample(
    database: Database,
    first: date,
    last: date,
    clients: Sequence[UUID] | None,
    unit: SampleUnit,
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
        rows = connection.execute(
            query("verify/sample_groups" if unit == "groups" else "verify/sample_whole_client_days"), drawing
        ).all()
    places = tuple(
        SampledPlace(
            row.bucket_date,
            row.client_id,
            (row.campaign_id, row.link_id, row.utm_source, row.utm_medium, row.utm_campaign) if row.is_row else None,
            unit == "client_days",
        )
        for row in rows
    )
    return Sample(unit, seed, rows[0].population if rows else 0, places)


def verify_drawn(
    database: Database, sample: Sample, on_failed_day: OnFailedDay | None = None
) -> Iterator[tuple[VerifiedDay, int]]:
    """Verify the clients' days of the places drawn, whole, oldest day first; yields each day, with all its
    differing groups, and how many of the places drawn differ (wrong or stale). ``on_failed_day`` is reported of a day that
    failed, which is then passed over.

    Raises:
        DayBusy: another run held a day longer than the lock timeout, and there is no ``on_failed_day``.
        Failed: a day failed, and there is no ``on_failed_day``.
        Refused: no connection, not migrated or permission denied.
    """
    drawn: dict[date, list[SampledPlace]] = {}
    for place in sample.places:
        drawn.setdefault(place.bucket_date, []).append(place)
    client_days = sorted({(place.bucket_date, place.client_id) for place in sample.places})
    with database.session() as connection:
        for day in _verify_client_days(database, connection, client_days, EVERY_GROUP, on_failed_day=on_failed_day):
            yield day, _different(day, drawn[day.day])


def verify_sample(
    database: Database, seed: int, most: int = SAMPLE_CLIENT_DAYS, on_failed_day: OnFailedDay | None = None
) -> Iterator[VerifiedDay]:
    """Verify a random sample of client-days, each with all its groups; yields their days, oldest first.

    The same seed over the same ledger draws the same client-days, so a sample can be replayed. Stale client-days are left out;
    the facts read are bounded, whatever the size of a client. Recorded in the ledger like every verification.

    Parameters: ``seed`` any 64-bit number; ``most`` client-days; ``on_failed_day`` is reported of a day that another run
    writes, or that the database gave up on, which is then passed over.

    Raises:
        DayBusy: another run was writing a day, and there is no ``on_failed_day``.
        Failed: the database gave up on a day, and there is no ``on_failed_day``.
        Refused: no connection, not migrated or permission denied.
    """
    drawing = {"seed": seed, "most": most, "facts": SAMPLE_FACTS}
    with database.session() as connection:
        drawn = connection.execute(query("verify/sample_client_days"), drawing).all()
        client_days = [(client_day.bucket_date, client_day.client_id) for client_day in drawn]
        yield from _verify_client_days(
            database, connection, client_days, NAMED_GROUPS, SAMPLE_LOCK_WAIT_SECONDS, on_failed_day
        )


def _verify_client_days(
    database: Database,
    connection: Connection,
    client_days: Sequence[tuple[date, UUID]],
    most_named: int,
    lock_wait: float | None = None,
    on_failed_day: OnFailedDay | None = None,
) -> Iterator[VerifiedDay]:
    """The client-days' days, oldest first."""
    connection.rollback()
    prepare_working_tables(connection)
    for day, of_day in groupby(client_days, key=lambda client_day: client_day[0]):
        try:
            clients = [client_id for _, client_id in of_day]
            percent = database.settings.max_deleted_share
            outcome = work_around_damage(
                connection,
                partial(writing_day, database, connection, day, lock_wait),
                partial(verify_day, connection, day, clients, percent, most_named),
            )
        except (DayBusy, Failed) as error:
            if on_failed_day is None:
                raise
            on_failed_day(day, error)
            continue
        if outcome.wrong_groups:
            raise_owed_alerts(database)
        yield outcome


def _different(day: VerifiedDay, drawn: Sequence[SampledPlace]) -> int:
    found = {(group.client_id, _key(group)) for group in day.differences}
    client_days = {group.client_id for group in day.differences}
    lacking = {group.client_id for group in day.differences if group.stored_visits is None}
    return sum(
        (place.client_id, place.key) in found if place.key is not None
        else place.client_id in (client_days if place.whole else lacking)
        for place in drawn
    )  # fmt: skip


def _key(group: GroupDifference) -> Key:
    return (group.campaign_id, group.link_id, group.utm_source, group.utm_medium, group.utm_campaign)
