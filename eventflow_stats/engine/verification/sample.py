"""Verify a random part of the rollup. Each client-day drawn is verified whole, and recorded like every verification."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection

from eventflow_stats.engine.alerts.wrong_groups import raise_owed_alerts
from eventflow_stats.engine.group_key import GroupKey
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.engine.rollup.day_locks import writing_day
from eventflow_stats.engine.rollup.day_loop import for_each_day
from eventflow_stats.engine.verification.verify import NAMED_GROUPS, VerifiedDay, verify_day
from eventflow_stats.errors import OnFailedDay

SampleUnit = Literal["groups", "client_days"]
SAMPLE_CLIENT_DAYS = 20
SAMPLE_FACTS = 100_000
"""The most facts that a tick's sample reads. A single larger client-day is an exception. The limit exists because a
sample is drawn every five minutes."""
SAMPLE_LOCK_WAIT_SECONDS = 0.5
EVERY_GROUP = 1_000_000_000
"""All differences of a client-day are needed, to find the drawn group among them."""


@dataclass(frozen=True)
class SampledPlace:
    """One place of a sample: a row of the rollup, by its ``key``. Without a key it is a client-day (``whole``), or the
    rows that a client-day may lack (not ``whole``)."""

    bucket_date: date
    client_id: UUID
    key: GroupKey | None
    whole: bool


@dataclass(frozen=True)
class Sample:
    """A sample drawn uniformly, without replacement, out of ``population`` places.

    With the unit "client_days" a place is a client-day in the ledger or with rows. With the unit "groups" a place is a
    row of the rollup, or all missing rows of a client-day together: which rows are missing is not known before the
    facts are read. So a group of the facts without a row is found through its client-day. A client-day with facts but
    without rows and ledger entry is never drawn: the sweep finds it.
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
    """Draw ``most`` places (all, if there are fewer) of the days from first to last, both included. Reads no fact.

    The same seed draws the same places while rollup and ledger stay the same.

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
    statement = "verify/sample_groups" if unit == "groups" else "verify/sample_whole_client_days"
    with database.session() as connection:
        rows = connection.execute(query(statement), drawing).all()
    places = []
    for row in rows:
        dimensions = (row.campaign_id, row.link_id, row.utm_source, row.utm_medium, row.utm_campaign)
        key = GroupKey(row.client_id, row.bucket_date, *dimensions) if row.is_row else None
        places.append(SampledPlace(row.bucket_date, row.client_id, key, whole=unit == "client_days"))
    return Sample(unit, seed, rows[0].population if rows else 0, tuple(places))


def verify_drawn(
    database: Database, sample: Sample, on_failed_day: OnFailedDay | None = None
) -> Iterator[tuple[VerifiedDay, int]]:
    """Verify the client-days of the places drawn, oldest day first; yields each day, with all its differences, and how
    many of the places drawn are wrong or stale. ``on_failed_day``: see ``for_each_day``.

    Raises:
        DayBusy, Failed, Refused: see ``for_each_day``.
    """
    drawn: dict[date, list[SampledPlace]] = {}
    for place in sample.places:
        drawn.setdefault(place.bucket_date, []).append(place)
    client_days = sorted({(place.bucket_date, place.client_id) for place in sample.places})
    for day in _verify_client_days(database, client_days, EVERY_GROUP, on_failed_day=on_failed_day):
        yield day, _count_different(day, drawn[day.day])


def verify_sample(
    database: Database, seed: int, most: int = SAMPLE_CLIENT_DAYS, on_failed_day: OnFailedDay | None = None
) -> Iterator[VerifiedDay]:
    """Verify a random sample of client-days, each with all its groups; yields their days, oldest first.

    The same seed draws the same client-days while the ledger stays the same, so a sample can be repeated. Stale
    client-days are left out. The number of facts read is bounded, whatever the size of a client.

    Parameters: ``seed`` any 64-bit number; ``most`` client-days; ``on_failed_day``: see ``for_each_day``.

    Raises:
        DayBusy, Failed, Refused: see ``for_each_day``.
    """
    drawing = {"seed": seed, "most": most, "facts": SAMPLE_FACTS}
    with database.session() as connection:
        drawn = connection.execute(query("verify/sample_client_days"), drawing).all()
    client_days = [(row.bucket_date, row.client_id) for row in drawn]
    yield from _verify_client_days(database, client_days, NAMED_GROUPS, SAMPLE_LOCK_WAIT_SECONDS, on_failed_day)


def _verify_client_days(
    database: Database,
    client_days: Iterable[tuple[date, UUID]],
    most_named: int,
    lock_wait: float | None = None,
    on_failed_day: OnFailedDay | None = None,
) -> Iterator[VerifiedDay]:
    """The days of the client-days after their verification, oldest first."""
    clients: dict[date, list[UUID]] = {}
    for day, client in client_days:
        clients.setdefault(day, []).append(client)

    def work(connection: Connection, day: date) -> VerifiedDay:
        return verify_day(connection, day, clients[day], database.settings.max_deleted_share, most_named)

    open_day = partial(writing_day, wait_seconds=lock_wait)
    for _, verified, _ in for_each_day(database, clients, work, on_failed_day, open_day=open_day):
        if verified.wrong_groups:
            raise_owed_alerts(database)
        yield verified


def _count_different(day: VerifiedDay, drawn: Sequence[SampledPlace]) -> int:
    keys = {
        GroupKey(
            group.client_id, day.day, group.campaign_id, group.link_id,
            group.utm_source, group.utm_medium, group.utm_campaign,
        )
        for group in day.differences
    }  # fmt: skip
    client_days = {group.client_id for group in day.differences}
    lacking = {group.client_id for group in day.differences if group.stored_visits is None}
    return sum(
        place.key in keys if place.key is not None
        else place.client_id in (client_days if place.whole else lacking)
        for place in drawn
    )  # fmt: skip
