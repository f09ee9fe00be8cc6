"""The expected explanation of a group, counted in plain Python from the facts, as simply as possible."""

from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from eventflow_stats_tests.facts import Entry, Visit, World
from eventflow_stats_tests.oracle import WHITESPACE, bucket_date, link_of_cid

DIMENSIONS = ("campaign_id", "link_id", "utm_source", "utm_medium", "utm_campaign")
Key = tuple[UUID | None, UUID | None, str | None, str | None, str | None]


class ClientsFacts:
    """The facts of one client, with their days and groups."""

    def __init__(self, world: World, client: UUID, zone: str) -> None:
        self.client, self.zone = client, zone
        self.links = {link.cid: link.id for link in world.links if link.client_id == client}
        self.facts: list[Visit | Entry] = [
            *(v for v in world.visits.values() if client in (world.campaigns.get(_of(v)), world.webinars.get(_of(v)))),
            *(e for e in world.entries.values() if world.campaigns[e.campaign_id] == client),
        ]

    def named(self, fact: Visit | Entry) -> UUID | None:
        """The link that the fact's cid names."""
        return link_of_cid(self.links, fact.cid) if fact.cid else None

    def key(self, fact: Visit | Entry) -> Key:
        link = fact.link_id or self.named(fact)
        return (fact.campaign_id, link, fact.utm_source or None, fact.utm_medium or None, fact.utm_campaign or None)

    def of(self, day: date) -> list[Visit | Entry]:
        return [fact for fact in self.facts if bucket_date(fact.at, self.zone) == day]

    def keys(self, day: date) -> set[Key]:
        return {self.key(fact) for fact in self.of(day)}

    def explained(self, day: date, key: Key, begins: datetime, ends: datetime) -> dict[str, Any]:
        """The numbers of an explanation. ``begins`` and ``ends``: the instants of the day."""
        own = [fact for fact in self.of(day) if self.key(fact) == key]
        rest = [fact for fact in self.of(day) if self.key(fact) != key]
        seen = Counter(_session(fact) for fact in own if isinstance(fact, Visit))
        entries = [fact for fact in own if isinstance(fact, Entry)]
        shared = [fact for fact in rest if isinstance(fact, Visit) and _session(fact) in seen]
        like = [f for f in rest if f not in shared and self.key(f)[:1] + self.key(f)[2:] == key[:1] + key[2:]]
        return {
            "counted": {
                "visit_rows": sum(seen.values()),
                "visits": len(seen),
                "sessions": len({f.session_id for f in own if isinstance(f, Visit) and f.session_id}),
                "repeated_sessions": sum(times > 1 for times in seen.values()),
                "folded_rows": sum(times - 1 for times in seen.values()),
                "rows_without_session": sum(isinstance(f, Visit) and not f.session_id for f in own),
                "entries": len(entries),
                "entries_completed_on_another_day": sum(
                    bucket_date(e.completed_at or e.at, self.zone) != day for e in entries
                ),
            },
            "link_rules": {
                "stored_link_id": sum(f.link_id is not None for f in own),
                "cid_of_visit": sum(f.link_id is None and self.named(f) is not None for f in own if f not in entries),
                "cid_in_registration": sum(f.link_id is None and self.named(f) is not None for f in entries),
                "unknown_cid": sum(f.link_id is None and self.named(f) is None and _has_cid(f) for f in own),
                "none": sum(f.link_id is None and not _has_cid(f) for f in own),
                "stored_over_another_cid": sum(
                    f.link_id is not None and self.named(f) not in (None, f.link_id) for f in own
                ),
                "stored_link_unknown": sum(f.link_id is not None and f.link_id not in self.links.values() for f in own),
            },
            "elsewhere": {
                **_both(rest),
                "same_session": _both(shared),
                "other_link": _both(like),
                "other": _both([f for f in rest if f not in shared and f not in like]),
            },
            "neighbours": self._neighbours(rest, key, seen),
            "neighbouring_days": [
                self._neighbouring(day + timedelta(days=n), key, seen, begins, ends) for n in (-1, 1)
            ],
        }

    def _neighbours(self, rest: list[Visit | Entry], key: Key, seen: Counter[str]) -> dict[Key, dict[str, Any]]:
        found = {}
        for other in {self.key(fact) for fact in rest}:
            there = [fact for fact in rest if self.key(fact) == other]
            differs = [name for name, ours, theirs in zip(DIMENSIONS, key, other, strict=True) if ours != theirs]
            sessions = {_session(fact) for fact in there if isinstance(fact, Visit)} & seen.keys()
            overruled = any(f.link_id and key[1] is not None and self.named(f) == key[1] for f in there)
            if sessions or overruled or len(differs) == 1:
                found[other] = {**_both(there), "shared_sessions": len(sessions), "differs_in": differs}
        return found

    def _neighbouring(
        self, day: date, key: Key, seen: Counter[str], begins: datetime, ends: datetime
    ) -> dict[str, Any]:
        there, hour = self.of(day), timedelta(hours=1)
        same = [fact for fact in there if isinstance(fact, Visit) and _session(fact) in seen]
        close = [f for f in there if self.key(f) == key and begins - hour <= f.at < ends + hour]
        return {
            "day": str(day),
            "visit_rows_of_same_sessions": len(same),
            "shared_sessions": len({_session(visit) for visit in same}),
            "visit_rows_within_an_hour": _both(close)["visit_rows"],
            "entries_within_an_hour": _both(close)["entries"],
            "entries_completed_on_the_day": sum(
                isinstance(f, Entry) and self.key(f) == key and begins <= (f.completed_at or f.at) < ends for f in there
            ),
        }


def _of(visit: Visit) -> UUID:
    found = visit.campaign_id or visit.webinar_id
    assert found is not None
    return found


def _session(visit: Visit) -> str:
    return visit.session_id or str(visit.id)


def _has_cid(fact: Visit | Entry) -> bool:
    return bool(fact.cid and fact.cid.strip(WHITESPACE))


def _both(facts: list[Any]) -> dict[str, int]:
    return {
        "visit_rows": sum(isinstance(fact, Visit) for fact in facts),
        "entries": sum(isinstance(fact, Entry) for fact in facts),
    }
