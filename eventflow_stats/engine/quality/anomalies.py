"""What somebody must look at now: no visits while entries arrive, traffic that stopped, links with more conversions
than visits. Each rule says which clients, and how seldom it is wrong where traffic is as it always was.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.row_security import reading_facts
from eventflow_stats.engine.postgres.sql import query

LEAST_ENTRIES, CARRIED_OVER = 3, timedelta(hours=1)
"""An entry follows a visit of its session, maybe one of before midnight, which does not always name it: nothing is said
in the first hour; later one or two may, three do not."""
WEEKS, LEAST_WEEKS = 8, 4
"""The same weekday of how many weeks is looked at, and how many of them must be known."""
CHANCE = 1e-6
"""How often, at most, a client's day may be taken for stopped traffic by mere chance (see ``is_stopped``)."""
GONE_SHARE = 0.1
"""What is left of traffic that stopped, of the smallest same weekday; a client of any size has days of half of it."""
HOLIDAY_SHARE = 0.5
"""Chance is reckoned as if only half of the smallest were to come: in 40 simulated years of 34 healthy clients that
made 0 false alarms; reckoning with all of it made 11, each of them on a holiday."""
LEAST_VISITS = math.ceil(-math.log(CHANCE) / HOLIDAY_SHARE)
"""28: where fewer are usual, even none at all is no news."""
LINK_DAYS = 7
LEAST_CONVERSIONS = 5
"""Over a week: a session that visits before midnight and converts after it is one conversion too many, not five."""


@dataclass(frozen=True)
class QualityFreshness:
    """How far data quality is computed at ``at``; instants are UTC, None where it never was.

    ``day_started_at``: the first instant of today."""

    at: datetime
    day_started_at: datetime
    today_computed_at: datetime | None
    yesterday_computed_at: datetime | None

    @property
    def is_yesterday_closed(self) -> bool:
        """Whether yesterday was computed since it ended: what was computed earlier may lack its evening."""
        return self.yesterday_computed_at is not None and self.yesterday_computed_at >= self.day_started_at

    @property
    def elapsed(self) -> timedelta:
        return self.at - self.day_started_at


@dataclass(frozen=True)
class ClientWithoutVisits:
    """A client with so many entries today and not one visit."""

    client_id: UUID
    client_name: str
    entries: int


@dataclass(frozen=True)
class UsualTraffic:
    """What is usual on a weekday: ``smallest`` visits or more on each of ``known_weeks`` days, and ``left_out``
    neighbouring ones of an outage are not counted."""

    smallest: int
    known_weeks: int
    left_out: int


@dataclass(frozen=True)
class StoppedTraffic:
    """A client with so few ``visits``, for what is ``usual``.

    ``span``: "yesterday" is the whole day, "today" goes as far as the day has come, on each of the days compared."""

    client_id: UUID
    client_name: str
    span: Literal["yesterday", "today"]
    bucket_date: date
    visits: int
    usual: UsualTraffic

    @property
    def chance(self) -> float:
        """How likely so few visits are where half of the smallest day's are to come."""
        return poisson_tail(self.visits, HOLIDAY_SHARE * self.usual.smallest)


@dataclass(frozen=True)
class OverrunLink:
    """A link with more conversions than visits."""

    client_id: UUID
    client_name: str
    link_id: UUID
    link_name: str
    visits: int
    conversions: int


@dataclass(frozen=True)
class Anomalies:
    """What was found, and how far data quality was computed then."""

    clock: QualityFreshness
    without_visits: list[ClientWithoutVisits]
    stopped: list[StoppedTraffic]
    overrun_links: list[OverrunLink]


def find_anomalies(database: Database, today: date) -> Anomalies:
    """All alarms as they stand, in one snapshot.

    Raises:
        Refused: no connection or not migrated.
    """
    with database.session() as connection:
        clock = QualityFreshness(
            **connection.execute(query("quality/quality_clock"), {"today": today}).mappings().one()
        )
        yesterday = stopped_on(connection, today - timedelta(days=1)) if clock.is_yesterday_closed else []
        return Anomalies(
            clock,
            clients_without_visits(connection, today, clock.elapsed),
            [*yesterday, *silent_until(connection, today, clock.elapsed)],
            overrun_links(connection, today),
        )


def clients_without_visits(connection: Connection, today: date, elapsed: timedelta) -> list[ClientWithoutVisits]:
    """The clients with not one visit today and at least three entries that no visit of before names, most entries
    first; none in its first hour."""
    if elapsed < CARRIED_OVER:
        return []
    asked = {"bucket_date": today, "least_entries": LEAST_ENTRIES}
    return [
        ClientWithoutVisits(**row)
        for row in connection.execute(query("quality/clients_without_visits"), asked).mappings()
    ]


def stopped_on(connection: Connection, day: date) -> list[StoppedTraffic]:
    """The clients whose traffic had stopped on a day that is over, largest first."""
    found = connection.execute(query("quality/usual_traffic"), _days_looked_back(day))
    return _stopped("yesterday", day, ((row.client_id, row.client_name, row.visits, row.earlier) for row in found))


def silent_until(connection: Connection, today: date, elapsed: timedelta) -> list[StoppedTraffic]:
    """The clients without any visit on a day so far that has come as far as ``elapsed``, where there usually are some
    by then, largest first. Only of clients that are stored without visits are facts read."""
    rows = connection.execute(query("quality/usual_traffic"), _days_looked_back(today))
    silent = {row.client_id: row for row in rows if row.visits == 0 and usual_traffic(row.earlier)}
    if not silent:
        return []
    asked = {
        "bucket_date": today,
        "elapsed": elapsed,
        "weeks": WEEKS,
        "clients": list(silent),
        "first_days": [row.first_day for row in silent.values()],
    }
    with reading_facts(connection):
        found = connection.execute(query("quality/traffic_until"), asked).all()
    return _stopped(
        "today",
        today,
        ((row.client_id, silent[row.client_id].client_name, 0, row.earlier) for row in found if row.visits == 0),
    )


def _stopped(
    span: Literal["yesterday", "today"], day: date, traffic: Iterable[tuple[UUID, str, int, Sequence[int]]]
) -> list[StoppedTraffic]:
    found = []
    for client_id, name, visits, earlier in traffic:
        usual = usual_traffic(earlier)
        if usual and is_stopped(visits, usual.smallest):
            found.append(StoppedTraffic(client_id, name, span, day, visits, usual))
    return sorted(found, key=lambda client: (-client.usual.smallest, client.client_name, client.client_id))


def overrun_links(connection: Connection, today: date) -> list[OverrunLink]:
    """The links with more conversions than visits over the last seven days, today included, five or more."""
    asked = {
        "first_day": today - timedelta(days=LINK_DAYS - 1),
        "last_day": today,
        "least_conversions": LEAST_CONVERSIONS,
    }
    return [OverrunLink(**row) for row in connection.execute(query("quality/overrun_links"), asked).mappings()]


def usual_traffic(earlier: Sequence[int]) -> UsualTraffic | None:
    """What is usual, by the visits of the same weekdays before, oldest first; None where too few are known or the
    smallest is too small for its absence to mean anything.

    One outage is left out, a run of neighbouring days whose traffic had stopped for what is usual on the others: the
    alarm stays while traffic is gone, and the weekday is watched again when it is back. As long as four others are
    known: who had none for longer has left. Two or more runs are the client's way, such as an event every other week.
    """
    number = len(earlier)
    runs = [(0, 0), *((first, end) for first in range(number) for end in range(first + 1, number + 1))]
    found = []
    for first, end in runs:
        others = [*earlier[:first], *earlier[end:]]
        if len(others) < LEAST_WEEKS or min(others) < LEAST_VISITS:
            continue
        usual = UsualTraffic(min(others), len(others), end - first)
        if all(is_stopped(visits, usual.smallest) for visits in earlier[first:end]):
            found.append(usual)
    return max(found, key=lambda usual: (usual.smallest, usual.known_weeks), default=None)


def is_stopped(visits: int, smallest: int) -> bool:
    """Whether so few visits mean that traffic stopped, where the same weekdays had ``smallest`` or more.

    They do when nine tenths of the smallest are gone *and* so few would come less often than once in a million days
    where half of the smallest is the usual number (Poisson). Where visits come by chance at a steady rate, whatever the
    rate, it is wrong less often than that, for the smallest of four days or more is never twice the usual. Of a day
    that is not over the same holds for all looks together: no visit by a later hour means none by an earlier one.
    """
    return visits <= GONE_SHARE * smallest and poisson_tail(visits, HOLIDAY_SHARE * smallest) < CHANCE


def poisson_tail(most: int, expected: float) -> float:
    """How likely ``most`` or fewer events are where so many are expected."""
    if not expected:
        return 1.0
    return math.fsum(
        math.exp(count * math.log(expected) - expected - math.lgamma(count + 1)) for count in range(most + 1)
    )


def _days_looked_back(day: date) -> dict[str, object]:
    return {"bucket_date": day, "weeks": WEEKS, "least_weeks": LEAST_WEEKS, "least_visits": LEAST_VISITS}
