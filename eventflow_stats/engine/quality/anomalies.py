"""Anomalies that an operator must check: no visits while entries arrive, traffic that stopped, links with more
conversions than visits. Each rule names the clients; its constants say how rarely it is wrong on healthy traffic.
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
"""An entry follows a visit of its session. That visit may be from before midnight and need not name the entry. So there
is no alarm in the first hour of a day. Later, one or two entries may still belong to such visits; three do not."""
WEEKS, LEAST_WEEKS = 8, 4
"""How many weeks back the same weekday is read, and how many of these days must be known."""
CHANCE = 1e-6
"""The highest probability that a day counts as stopped traffic by mere chance (see ``is_stopped``)."""
GONE_SHARE = 0.1
"""Stopped traffic has at most this share of the smallest same weekday. Even a large client sometimes has only half
of it."""
HOLIDAY_SHARE = 0.5
"""The probability is computed as if only half of the smallest were usual. In 40 simulated years of 34 healthy clients
this raised 0 false alarms. Without it there were 11, each on a holiday."""
LEAST_VISITS = math.ceil(-math.log(CHANCE) / HOLIDAY_SHARE)
"""28: of a client with fewer usual visits, even a day without any is no anomaly."""
LINK_DAYS = 7
LEAST_CONVERSIONS = 5
"""Over seven days. A session that visits before midnight and converts after it adds one conversion, not five."""


@dataclass(frozen=True)
class QualityFreshness:
    """When data quality was last computed, at ``at``; instants are UTC, None: never.

    ``day_started_at`` is the first instant of today."""

    at: datetime
    day_started_at: datetime
    today_computed_at: datetime | None
    yesterday_computed_at: datetime | None

    @property
    def is_yesterday_closed(self) -> bool:
        """Whether yesterday was computed after it ended. An earlier computation may lack the evening."""
        return self.yesterday_computed_at is not None and self.yesterday_computed_at >= self.day_started_at

    @property
    def elapsed(self) -> timedelta:
        return self.at - self.day_started_at


@dataclass(frozen=True)
class ClientWithoutVisits:
    """A client with ``entries`` and no visit today."""

    client_id: UUID
    client_name: str
    entries: int


@dataclass(frozen=True)
class UsualTraffic:
    """The usual traffic of a weekday: ``smallest`` visits or more on each of ``known_weeks`` days. ``left_out``
    consecutive days of an outage are not among them."""

    smallest: int
    known_weeks: int
    left_out: int


@dataclass(frozen=True)
class StoppedTraffic:
    """A client with too few ``visits`` compared with the ``usual`` traffic.

    ``span``: "yesterday" compares whole days, "today" the same part of each day, up to now."""

    client_id: UUID
    client_name: str
    span: Literal["yesterday", "today"]
    bucket_date: date
    visits: int
    usual: UsualTraffic

    @property
    def chance(self) -> float:
        """The probability of so few visits if half of the smallest day's visits are usual."""
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
    """All anomalies, and when data quality was last computed."""

    freshness: QualityFreshness
    without_visits: list[ClientWithoutVisits]
    stopped: list[StoppedTraffic]
    overrun_links: list[OverrunLink]


def find_anomalies(database: Database, today: date) -> Anomalies:
    """All anomalies, from one snapshot.

    Raises:
        Refused: no connection or not migrated.
    """
    with database.session() as connection:
        row = connection.execute(query("quality/quality_freshness"), {"today": today}).mappings().one()
        freshness = QualityFreshness(**row)
        yesterday = stopped_on(connection, today - timedelta(days=1)) if freshness.is_yesterday_closed else []
        return Anomalies(
            freshness,
            clients_without_visits(connection, today, freshness.elapsed),
            [*yesterday, *silent_until(connection, today, freshness.elapsed)],
            overrun_links(connection, today),
        )


def clients_without_visits(connection: Connection, today: date, elapsed: timedelta) -> list[ClientWithoutVisits]:
    """The clients without a visit today and with at least three entries that no earlier visit names, most entries
    first. Empty in the first hour of the day."""
    if elapsed < CARRIED_OVER:
        return []
    asked = {"bucket_date": today, "least_entries": LEAST_ENTRIES}
    return [
        ClientWithoutVisits(**row)
        for row in connection.execute(query("quality/clients_without_visits"), asked).mappings()
    ]


def stopped_on(connection: Connection, day: date) -> list[StoppedTraffic]:
    """The clients whose traffic stopped on a day that has ended, largest first."""
    found = connection.execute(query("quality/usual_traffic"), _days_before(day))
    return _stopped("yesterday", day, ((row.client_id, row.client_name, row.visits, row.earlier) for row in found))


def silent_until(connection: Connection, today: date, elapsed: timedelta) -> list[StoppedTraffic]:
    """The clients without a visit today, ``elapsed`` after its start, that usually have some by then, largest first.

    Facts are read only for clients that have no visits in the stored data quality."""
    rows = connection.execute(query("quality/usual_traffic"), _days_before(today))
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
        found = connection.execute(query("quality/traffic_until_time"), asked).all()
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
    return [
        OverrunLink(**row)
        for row in connection.execute(query("quality/links_with_too_many_conversions"), asked).mappings()
    ]


def usual_traffic(earlier: Sequence[int]) -> UsualTraffic | None:
    """The usual traffic, from the visits of the same weekdays before, oldest first. None if too few days are known, or
    if the smallest is too small for an alarm.

    One outage is left out: consecutive days whose traffic had stopped, compared with the other days. So the alarm stays
    while traffic is gone, and the weekday is checked again when traffic is back. At least four other days must be
    known; a longer outage means that the client has left. Two or more outages are a pattern of the client, such as an
    event every other week.
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
    """Whether so few visits mean that traffic stopped, if the same weekdays had ``smallest`` visits or more.

    They do if nine tenths of the smallest are missing *and* so few visits happen on less than one day in a million,
    with half of the smallest as the usual number (Poisson distribution). If visits come at random at a steady rate, the
    result is wrong less often than that, because the smallest of four or more days is never twice the usual number. For
    a day that has not ended, this holds for all checks of the day together: no visit until a later hour includes no
    visit until an earlier one.
    """
    return visits <= GONE_SHARE * smallest and poisson_tail(visits, HOLIDAY_SHARE * smallest) < CHANCE


def poisson_tail(most: int, expected: float) -> float:
    """The probability of ``most`` or fewer events if ``expected`` events are expected."""
    if not expected:
        return 1.0
    return math.fsum(
        math.exp(count * math.log(expected) - expected - math.lgamma(count + 1)) for count in range(most + 1)
    )


def _days_before(day: date) -> dict[str, object]:
    return {"bucket_date": day, "weeks": WEEKS, "least_weeks": LEAST_WEEKS, "least_visits": LEAST_VISITS}
