"""Counts every expected number of data quality in plain Python, from the product's rows.

Like ``oracle`` it shares nothing with the engine. It takes the client, link and day of a fact from there.
"""

from collections import defaultdict
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg import sql

from eventflow_stats_tests.facts import Entry, Visit, World
from eventflow_stats_tests.oracle import bucket_date, link_of, resolved


class Quality(NamedTuple):
    """The counts and rates of one client-day."""

    visit_facts: int
    visits: int
    sessionless_visits: int
    entries: int
    linked_entries: int
    visit_facts_with_utm: int
    entries_with_utm: int
    visit_facts_with_link: int
    entries_with_link: int
    tracked_entries: int
    unknown_facts: int
    linkage_rate: Decimal | None
    utm_fill_rate: Decimal | None
    attribution_rate: Decimal | None
    unknown_rate: Decimal | None
    tracking_success_rate: Decimal | None


Rows = dict[tuple[UUID, date], Quality]


def expected_quality(world: World, zone: str) -> Rows:
    """Return the row of every client-day that has facts."""
    facts: dict[tuple[UUID, date], list[Visit | Entry]] = defaultdict(list)
    for fact, client_id in resolved(world):
        if client_id is not None:
            facts[client_id, bucket_date(fact.at, zone)].append(fact)
    return {key: _quality(world, key[0], found) for key, found in facts.items()}


def _quality(world: World, client_id: UUID, facts: list[Visit | Entry]) -> Quality:
    named = {visit.entry_id for visit in world.visits.values()}
    visits = [fact for fact in facts if isinstance(fact, Visit)]
    entries = [fact for fact in facts if isinstance(fact, Entry)]
    utm = [fact for fact in facts if fact.utm_source or fact.utm_medium or fact.utm_campaign]
    linked = [fact for fact in facts if link_of(world, fact, client_id) is not None]
    known = [fact for fact in facts if fact in utm or fact in linked]
    tracked = len([entry for entry in entries if entry in known])
    entries_named = len([entry for entry in entries if entry.id in named])
    return Quality(
        len(visits),
        len({visit.session_id or str(visit.id) for visit in visits}),
        len([visit for visit in visits if not visit.session_id]),
        len(entries),
        entries_named,
        len([visit for visit in visits if visit in utm]),
        len([entry for entry in entries if entry in utm]),
        len([visit for visit in visits if visit in linked]),
        len([entry for entry in entries if entry in linked]),
        tracked,
        len(facts) - len(known),
        _percent(entries_named, len(entries)),
        _percent(len(utm), len(facts)),
        _percent(len(linked), len(facts)),
        _percent(len(facts) - len(known), len(facts)),
        _percent(tracked, len(entries)),
    )


def _percent(part: int, whole: int) -> Decimal | None:
    return (Decimal(part * 100) / Decimal(whole)).quantize(Decimal("0.01"), ROUND_HALF_UP) if whole else None


def stored_quality(connection: psycopg.Connection) -> Rows:
    """Read the rows of the table."""
    columns = sql.SQL(", ").join(map(sql.Identifier, Quality._fields))
    rows = connection.execute(
        sql.SQL("SELECT client_id, bucket_date, {} FROM eventflow_stats.marketing_data_quality_daily").format(columns)
    ).fetchall()
    return {(row[0], row[1]): Quality(*row[2:]) for row in rows}


def whole_quality_rows(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    """Read every column of every row, with system columns. Equal lists mean that no row was written again."""
    return connection.execute(
        "SELECT xmin::text, ctid::text, q.* FROM eventflow_stats.marketing_data_quality_daily AS q "
        "ORDER BY client_id, bucket_date"
    ).fetchall()
