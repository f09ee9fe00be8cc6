"""Healthy traffic raises no alarm: by exact probability, and in a simulated year of many clients."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import psycopg
import pytest
from sqlalchemy import text

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.quality.anomalies import (
    CHANCE,
    LEAST_WEEKS,
    clients_without_visits,
    is_stopped,
    overrun_links,
    poisson_tail,
    silent_until,
    stopped_on,
)
from eventflow_stats.engine.quality.goals import goal_results
from eventflow_stats_tests.engine.quality.quality_rows import COLUMNS
from eventflow_stats_tests.facts import Product, connect

SIZES = (0.3, 1, 4, 8, 12, 16, 20, 25, 30, 45, 60, 90, 150, 300, 800, 3000, 20_000)
"""Visits of a usual weekday."""
WITH_FACTS = (16, 25, 60)
"""For these clients the facts exist too, so that alarms during the day are tested."""
FIRST, DAYS, DAYS_WITH_FACTS = date(2024, 6, 1), 365, 120


def test_a_false_alarm_is_less_likely_than_promised_whatever_the_usual_traffic() -> None:
    """The exact probability, for steady traffic of any rate and the fewest known weeks."""

    limits = {m: max((v for v in range(m // 10 + 1) if is_stopped(v, m)), default=-1) for m in range(300)}
    for rate in (3, 10, 14, 20, 28, 32, 40, 60, 100, 150):
        at_least = [1.0, *(1 - poisson_tail(number, rate) for number in range(300))]
        chance = sum(
            (at_least[m] ** LEAST_WEEKS - at_least[m + 1] ** LEAST_WEEKS) * poisson_tail(limit, rate)
            for m, limit in limits.items()
            if limit >= 0
        )
        assert chance < CHANCE, rate


@pytest.mark.slow
def test_a_year_of_healthy_traffic_of_clients_of_many_sizes_raises_no_alarm(database: Database) -> None:
    """Weekends with half of the traffic or none, days that differ by a third, growth, mailings and holidays."""
    draw = np.random.default_rng(7)
    days = [FIRST + timedelta(days=number) for number in range(DAYS)]
    holidays = set(draw.choice(DAYS, 12, replace=False))
    with connect(database) as connection:
        product = Product(connection)
        clients = [(product.client(), size, rests) for size in SIZES for rests in (False, True)]
        campaigns = {client: product.campaign(client) for client, size, _ in clients if size in WITH_FACTS}
        rows: dict[date, list[tuple[Any, ...]]] = {day: [] for day in days}
        links: list[tuple[Any, ...]] = []
        seen: list[tuple[Any, ...]] = []
        through_the_day: dict[date, list[tuple[UUID, Any, Any, Any]]] = {day: [] for day in days}
        for client, size, rests in clients:
            carried = np.empty(0)
            for number, day in enumerate(days):
                usual = size * (1 + number / DAYS) * draw.lognormal(0, 0.3)
                usual *= (0.0 if rests else 0.5) if day.weekday() >= 5 else 1.0
                usual *= (0.3 if number in holidays else 1.0) * (8 if draw.random() < 0.03 else 1)
                visits = int(draw.poisson(usual))
                # A form is filled in within minutes: for the last visits of a day this is on the next day.
                visited = draw.normal(13, 3.5, visits) % 24
                entered = visited[draw.random(visits) < 0.12]
                entered = entered + draw.exponential(0.2, len(entered))
                entered, carried = np.concatenate([entered[entered < 24], carried]), entered[entered >= 24] - 24
                entries = len(entered)
                facts = visits + int(draw.poisson(visits * 0.4))
                linked, utm, link = (int(draw.binomial(entries, share)) for share in (0.92, 0.85, 0.7))
                with_utm, with_link = (int(draw.binomial(facts, share)) for share in (0.85, 0.7))
                tracked, unknown = int(draw.binomial(entries, 0.95)), int(draw.binomial(facts, 0.04))
                if facts or entries:
                    counts = (facts, visits, 0, entries, linked, with_utm, utm, with_link, link, tracked, unknown)
                    rows[day].append((client, day, *counts))
                links.append((uuid4(), client, day, client, visits, entries))
                if number >= DAYS - DAYS_WITH_FACTS:
                    through_the_day[day].append((client, visited, entered, entered[:linked]))
                    if client in campaigns:
                        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
                        for hour in visited:
                            at = start + timedelta(hours=float(hour))
                            seen.append((campaigns[client], str(uuid4()), at, at))
        copy_into(connection, "event_access_logs (campaign_id, session_id, accessed_at, created_at)", seen)
        stats = "(id, client_id, bucket_date, marketing_campaign_link_id, visits, conversions)"
        copy_into(connection, f"marketing_stats_daily {stats}", links)
        connection.execute("VACUUM ANALYZE event_access_logs")
        connection.execute("ANALYZE marketing_stats_daily")

    quality = text(
        "INSERT INTO eventflow_stats.marketing_data_quality_daily "
        f"(client_id, bucket_date, computed_at, {', '.join(COLUMNS)}) "
        f"VALUES (:client, :day, now(), {', '.join(f':{name}' for name in COLUMNS)})"
    )
    alarms: dict[str, list[Any]] = {"silent": [], "stopped": [], "without": [], "links": []}
    looks, looks_by_hour = 0, {True: 0, False: 0}
    with database.session() as engine:
        for number, day in enumerate(days):
            if number >= DAYS - DAYS_WITH_FACTS + 56:
                for hour in draw.uniform(0, 24, 4):
                    looks += 1
                    alarms["silent"] += silent_until(engine, day, timedelta(hours=float(hour)))
            for hour in (*draw.uniform(0, 2, 4), *draw.uniform(2, 24, 2)) if through_the_day[day] else ():
                looks_by_hour[float(hour) < 1] += 1
                so_far = engine.begin_nested()
                for client, *times in through_the_day[day]:
                    so_many = (int((at < hour).sum()) for at in times)
                    until = dict(zip(("visits", "entries", "linked_entries"), so_many, strict=True))
                    engine.execute(quality, {"client": client, "day": day, **dict.fromkeys(COLUMNS, 0), **until})
                alarms["without"] += clients_without_visits(engine, day, timedelta(hours=float(hour)))
                so_far.rollback()
            named = [dict(zip(("client", "day", *COLUMNS), row, strict=True)) for row in rows[day]]
            engine.execute(quality, named)
            engine.execute(text("INSERT INTO eventflow_stats.quality_days VALUES (:day, now())"), {"day": day})
            alarms["stopped"] += stopped_on(engine, day)
            alarms["without"] += clients_without_visits(engine, day, timedelta(hours=24))
            alarms["links"] += overrun_links(engine, day)
        engine.commit()
    missed = {day.goal: (day.missed_client_days, day.checked > 1000) for day in goal_results(database, days, 1)}

    assert {name: len(message) for name, message in alarms.items()} == dict.fromkeys(alarms, 0)
    # Of 50 facts with 4 % unknown, more than 10 % are unknown by chance once in 70 days: a warning for the
    # smallest clients.
    assert missed.pop("unknown_rate")[0] <= 20
    assert missed == dict.fromkeys(("linkage_rate", "tracking_success_rate", "utm_fill_rate"), (0, True))
    assert looks == 4 * (DAYS_WITH_FACTS - 56)
    assert sum(looks_by_hour.values()) == 6 * DAYS_WITH_FACTS


def copy_into(connection: psycopg.Connection, table: str, rows: list[tuple[Any, ...]]) -> None:
    with connection.cursor().copy(f"COPY {table} FROM STDIN".encode()) as copying:
        for row in rows:
            copying.write_row(row)
