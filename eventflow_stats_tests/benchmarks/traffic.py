"""EventFlow at work: steady, bursty, late, slow, changed and deleted facts of several clients, all in one thread.

One fact of each batch is a probe (see ``lag``). No other fact has its UTM campaign, so a reading of the rollup shows
whether it has arrived. Only probes that have arrived are changed and deleted later.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import psycopg

from eventflow_stats_tests.benchmarks.lag import Probe, record_seen
from eventflow_stats_tests.facts import Entry, Product, Visit

CLIENTS = 5
BURST = 1_500
STEADY, BURSTY, LATE, SLOW = "steady", "in a burst of 1,500", "late, by 3 to 35 days", "in a slow transaction"
CHANGED, DELETED, OLD_DELETED = "changed", "deleted", "deleted on an older day"
FOUND_BY_TICK = (STEADY, BURSTY, SLOW, CHANGED, DELETED)
"""Kinds of yesterday and today, which the schedule refreshes. The sensor refreshes late ones."""
_MARKS = """
SELECT DISTINCT utm_campaign FROM public.marketing_stats_daily
WHERE client_id = ANY (%s) AND utm_campaign = ANY (%s)
"""


@dataclass
class _Slow:
    """An open transaction and when it will be committed."""

    due: float
    connection: psycopg.Connection
    probe: Probe


class Traffic:
    """Writes facts through its own connections. Each call of ``step`` does what is due and reads the rollup once.

    ``url`` is of the database, with the login of the tables' owner. ``seed`` is of everything drawn.
    """

    def __init__(self, url: str, seed: int) -> None:
        self.url = url
        self.random = random.Random(seed)
        self.product = Product(psycopg.connect(url, autocommit=True))
        self.reader = psycopg.connect(url, autocommit=True)
        self.clients = [self.product.client(f"busy client {number}") for number in range(CLIENTS)]
        self.campaigns = {client: [self.product.campaign(client) for _ in range(2)] for client in self.clients}
        self.webinars = {client: self.product.webinar(client) for client in self.clients}
        for campaigns in self.campaigns.values():
            for campaign in campaigns:
                self.product.link(campaign, f"CID{campaign.hex[:8].upper()}")
        self.probes: list[Probe] = []
        self.visits: dict[str, Visit] = {}
        self.slow: list[_Slow] = []
        self.facts = 0
        self.readings = 0
        self.widest_gap = 0.0
        self._checked: float | None = None
        # Each action and its interval in seconds.
        self._plan: list[tuple[Callable[[], None], float]] = [
            (self._steady, 1), (self._late, 6), (self._burst, 45), (self._start_slow, 20),
            (self._change, 7), (self._delete, 11), (self._delete_old, 60),
        ]  # fmt: skip
        self._due = {action: time.time() + every for action, every in self._plan}

    def step(self, *, writing: bool = True) -> None:
        """Write what is due, commit the slow transactions that are due, and record which probes have arrived."""
        for action, every in self._plan if writing else ():
            if self._due[action] <= time.time():
                action()
                self._due[action] = time.time() + every
        for slow in [slow for slow in self.slow if slow.due <= time.time()]:
            slow.connection.commit()
            slow.probe.committed = time.time()
            slow.connection.close()
            self.slow.remove(slow)
        self._check()

    def missing(self) -> list[Probe]:
        """Return the probes that are not in the rollup yet."""
        return [probe for probe in self.probes if probe.seen is None]

    def close(self) -> None:
        """Close every connection. Open transactions are rolled back."""
        for connection in (self.product.connection, self.reader, *(slow.connection for slow in self.slow)):
            connection.close()

    def _check(self) -> None:
        waiting = [probe for probe in self.missing() if probe.committed is not None]
        rows = self.reader.execute(_MARKS, [self.clients, [probe.mark for probe in waiting]]).fetchall()
        at = time.time()
        record_seen(waiting, {row[0] for row in rows}, at)
        self.readings += 1
        self.widest_gap = max(self.widest_gap, at - (self._checked or at))
        self._checked = at

    def _visit(self, at: datetime | None = None) -> Visit:
        now = datetime.now(UTC)
        client = self.random.choice(self.clients)
        campaign = self.random.choice(self.campaigns[client])
        visit = Visit(
            at=at or now,
            ingested_at=now,
            campaign_id=campaign,
            session_id=f"s{self.random.randrange(3000)}",
            cid=f" cid{campaign.hex[:8]}" if self.random.random() < 0.5 else None,
            utm_source=self.random.choice(("google", "naver", "", None)),
            utm_medium=self.random.choice(("cpc", None)),
            utm_campaign=self.random.choice(("spring", "autumn", None)),
        )
        if self.random.random() < 0.05:
            return replace(visit, campaign_id=None, webinar_id=self.webinars[client])
        return visit

    def _marked(self, kind: str, visit: Visit, *, gone: bool = False) -> tuple[Probe, Visit]:
        mark = f"probe {len(self.probes)}"
        probe, visit = Probe(kind, mark, gone), replace(visit, utm_campaign=mark)
        self.probes.append(probe)
        self.visits[mark] = visit
        return probe, visit

    def _write(self, kind: str, visits: list[Visit], entries: list[Entry]) -> None:
        probe, visits[0] = self._marked(kind, visits[0])
        self.product.add(*visits, *entries)
        probe.committed = time.time()
        self.facts += len(visits) + len(entries)

    def _steady(self) -> None:
        visits = [self._visit() for _ in range(3 * CLIENTS)]
        # One in ten happened up to 20 hours ago and is written only now.
        visits = [
            replace(visit, at=visit.at - timedelta(hours=self.random.random() * 20))
            if self.random.random() < 0.1
            else visit
            for visit in visits
        ]
        campaign = self.random.choice([one for campaigns in self.campaigns.values() for one in campaigns])
        self._write(STEADY, visits, [Entry(at=datetime.now(UTC), campaign_id=campaign, utm_source="google")])

    def _burst(self) -> None:
        self._write(BURSTY, [self._visit() for _ in range(BURST)], [])

    def _late(self) -> None:
        at = datetime.now(UTC) - timedelta(days=self.random.randint(3, 35))
        self._write(LATE, [self._visit(at) for _ in range(20)], [])

    def _start_slow(self) -> None:
        connection = psycopg.connect(self.url)
        # Not in autocommit, so that the fact stays in the open transaction.
        connection.execute("SELECT")
        probe, visit = self._marked(SLOW, self._visit())
        Product(connection).add(visit)
        self.facts += 1
        self.slow.append(_Slow(time.time() + self.random.uniform(5, 90), connection, probe))

    def _arrived(self, kind: str) -> Probe | None:
        found = [probe for probe in self.probes if probe.kind == kind and probe.seen and probe.mark in self.visits]
        return self.random.choice(found) if found else None

    def _change(self) -> None:
        old = self._arrived(STEADY)
        if old is None:
            return
        probe, _ = self._marked(CHANGED, self.visits[old.mark])
        self.visits[probe.mark] = self.product.change(self.visits.pop(old.mark), utm_campaign=probe.mark)
        probe.committed = time.time()

    def _delete(self, kind: str = STEADY, message: str = DELETED) -> None:
        old = self._arrived(kind)
        if old is None:
            return
        self.product.delete([self.visits.pop(old.mark)])
        self.probes.append(Probe(message, old.mark, gone=True, committed=time.time()))

    def _delete_old(self) -> None:
        self._delete(LATE, OLD_DELETED)
