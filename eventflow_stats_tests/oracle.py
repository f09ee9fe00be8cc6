"""Counts every expected number in plain Python, by the definition in the README.

It shares nothing with the engine: it has no SQL and no import of the engine, and its days come from ``zoneinfo``. It is
as simple as possible, so that a reader can compare it with the definition.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from eventflow_stats_tests.facts import Entry, Visit, World

WHITESPACE = " \t\n\r\v\f"


class Group(NamedTuple):
    """The key of one group. None is a value of its own."""

    client_id: UUID
    bucket_date: date
    campaign_id: UUID | None
    link_id: UUID | None
    utm_source: str | None
    utm_medium: str | None
    utm_campaign: str | None


class Numbers(NamedTuple):
    visits: int
    conversions: int
    cvr: Decimal


def expected_groups(world: World, zone: str) -> dict[Group, Numbers]:
    """Return every group of every day that the facts give, with its numbers."""
    sessions: dict[Group, set[str]] = defaultdict(set)
    conversions: Counter[Group] = Counter()
    for fact, client_id in resolved(world):
        if client_id is None:
            continue
        group = Group(
            client_id,
            bucket_date(fact.at, zone),
            fact.campaign_id,
            link_of(world, fact, client_id),
            fact.utm_source or None,
            fact.utm_medium or None,
            fact.utm_campaign or None,
        )
        if isinstance(fact, Visit):
            sessions[group].add(fact.session_id or str(fact.id))
        else:
            conversions[group] += 1
    return {
        group: numbers(len(sessions.get(group, ())), conversions[group])
        for group in sessions.keys() | conversions.keys()
    }


def unresolved_facts(world: World, zone: str) -> Counter[date]:
    """Return how many facts of each day have no client."""
    return Counter(bucket_date(fact.at, zone) for fact, client_id in resolved(world) if client_id is None)


def bucket_date(instant: datetime, zone: str) -> date:
    """Return the calendar day of an instant."""
    return instant.astimezone(ZoneInfo(zone)).date()


def numbers(visits: int, conversions: int) -> Numbers:
    """Return both counts with their rate, rounded half up."""
    rate = Decimal(conversions * 100) / Decimal(visits) if visits else Decimal(0)
    return Numbers(visits, conversions, rate.quantize(Decimal("0.01"), ROUND_HALF_UP))


def resolved(world: World) -> Iterator[tuple[Visit | Entry, UUID | None]]:
    """Yield every fact with its client or None."""
    for visit in world.visits.values():
        if visit.campaign_id is not None:
            yield visit, world.campaigns[visit.campaign_id]
        else:
            assert visit.webinar_id is not None
            yield visit, world.webinars[visit.webinar_id]
    for entry in world.entries.values():
        yield entry, world.campaigns[entry.campaign_id]


def link_of(world: World, fact: Visit | Entry, client_id: UUID) -> UUID | None:
    """Return the link of a client's fact: the stored one, else the one of its cid."""
    if fact.link_id is not None:
        return fact.link_id
    return link_of_cid({link.cid: link.id for link in world.links if link.client_id == client_id}, fact.cid)


def link_of_cid(links: Mapping[str | None, UUID], cid: str | None) -> UUID | None:
    """Return which of a client's links a cid names; ``links`` are the ids by their stored cids.

    It is the link with exactly this cid. Otherwise it is the link whose cid is this one, trimmed and in upper case.
    Otherwise it is the first link whose own cid, trimmed and in upper case, is the same.
    """
    if cid is None:
        return None
    code = cid.strip(WHITESPACE).upper()
    alike = [id_ for stored, id_ in links.items() if stored and code and stored.strip(WHITESPACE).upper() == code]
    for stored in (cid, code):
        if stored in links and (code or stored == code):
            return links[stored]
    return min(alike, default=None)
