"""The expected answers of the read functions, in plain Python from the oracle's groups."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from eventflow_stats_tests.facts import World
from eventflow_stats_tests.oracle import expected_groups, numbers


@dataclass(frozen=True)
class OwnLink:
    """A link as its client sees it."""

    name: str
    status: str = "active"
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None


@dataclass(frozen=True)
class Labelled:
    """One group with the labels that a reader sees: a missing UTM value is the one of the link."""

    day: date
    link_id: UUID | None
    source: str | None
    medium: str | None
    campaign: str | None
    visits: int
    conversions: int

    @property
    def untracked(self) -> bool:
        return self.link_id is None and self.source is None and self.medium is None and self.campaign is None


def labelled(world: World, zone: str, client: UUID, links: dict[UUID, OwnLink], days: list[date]) -> list[Labelled]:
    """The groups of a client's days. ``links`` are the client's own; a link of another client is only an id."""
    nothing = OwnLink("")
    return [
        Labelled(
            group.bucket_date,
            group.link_id,
            group.utm_source or (links.get(group.link_id, nothing) if group.link_id else nothing).utm_source or None,
            group.utm_medium or (links.get(group.link_id, nothing) if group.link_id else nothing).utm_medium or None,
            group.utm_campaign
            or (links.get(group.link_id, nothing) if group.link_id else nothing).utm_campaign
            or None,
            found.visits,
            found.conversions,
        )
        for group, found in expected_groups(world, zone).items()
        if group.client_id == client and group.bucket_date in days
    ]


def rate(visits: int, conversions: int) -> float:
    return float(numbers(visits, conversions).cvr)


def expected_summary(groups: list[Labelled], links: dict[UUID, OwnLink], days: list[date]) -> dict[str, Any]:
    visits, conversions = totals(groups)
    untracked = sum(group.conversions for group in groups if group.untracked)
    success = f"{(conversions - untracked) * 100 / conversions:.6f}" if conversions else "0.0"
    return {
        "total_conversions": conversions,
        "total_visits": visits,
        "avg_cvr": rate(visits, conversions),
        "active_links": sum(link.status == "active" for link in links.values()),
        "conversions_by_source": [
            {"source": source, "count": count, "visits": seen, "is_untracked": untracked}
            for (source, untracked), seen, count in listed(groups, lambda g: (g.source, g.untracked))
        ],
        "conversions_by_medium": [
            {"medium": medium, "count": count, "visits": seen}
            for (medium,), seen, count in listed(groups, lambda g: (g.medium,))
        ],
        "conversions_by_campaign": [
            {"campaign": campaign, "count": count, "visits": seen}
            for (campaign,), seen, count in listed(groups, lambda g: (g.campaign,))
        ],
        "conversions_by_combo": [
            {"source": a, "medium": b, "campaign": c, "count": count, "visits": seen, "cvr": rate(seen, count)}
            for (a, b, c), seen, count in listed(groups, lambda g: (g.source, g.medium, g.campaign))
        ],
        "conversions_by_link": [
            {"link_id": link_id, "link_name": name, "count": count, "visits": seen, "cvr": rate(seen, count)}
            for (name, link_id), seen, count in listed(
                groups,
                lambda g: (
                    links[g.link_id].name if g.link_id in links else None,
                    str(g.link_id) if g.link_id else None,
                ),
            )
        ],
        "tracking_metadata": {
            "tracked_count": conversions - untracked,
            "untracked_count": untracked,
            "tracking_success_rate": success,
        },
        "date_range": {"from": days[0].isoformat(), "to": days[-1].isoformat()},
    }


def expected_link_stats(groups: list[Labelled], link_id: UUID, link: OwnLink, days: list[date]) -> dict[str, Any]:
    own = [group for group in groups if group.link_id == link_id]
    visits, conversions = totals(own)
    return {
        "link_id": str(link_id),
        "link_name": link.name,
        "stats": {"visits": visits, "conversions": conversions, "cvr": rate(visits, conversions)},
        "daily_data": [
            {"date": day.isoformat(), "visits": seen, "conversions": count, "cvr": rate(seen, count)}
            for day in days
            for seen, count in [totals(group for group in own if group.day == day)]
        ],
        "date_range": {"from": days[0].isoformat(), "to": days[-1].isoformat()},
    }


def expected_link_numbers(groups: list[Labelled], links: dict[UUID, OwnLink]) -> dict[str | None, tuple[int, int]]:
    """Visits and conversions of every link of the client, and of the groups without a link (None)."""
    found: dict[str | None, tuple[int, int]] = {
        str(link_id): totals(group for group in groups if group.link_id == link_id) for link_id in links
    }
    return found | {None: totals(group for group in groups if group.link_id not in links)}


def totals(groups: Iterable[Labelled]) -> tuple[int, int]:
    """Visits and conversions."""
    found = list(groups)
    return sum(group.visits for group in found), sum(group.conversions for group in found)


def range_of(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def listed(
    groups: list[Labelled], labels: Callable[[Labelled], tuple[Any, ...]]
) -> list[tuple[tuple[Any, ...], int, int]]:
    """Each label with its visits and conversions: most conversions first, then by label, None last."""
    seen: Counter[tuple[Any, ...]] = Counter()
    count: Counter[tuple[Any, ...]] = Counter()
    for group in groups:
        seen[labels(group)] += group.visits
        count[labels(group)] += group.conversions
    order = sorted(seen, key=lambda label: (-count[label], [(part is None, part or "") for part in label]))
    return [(label, seen[label], count[label]) for label in order]
