"""Made-up facts of many clients, from thousands to tens of millions of rows, never personal data.

They are like real traffic: a few clients have most of it, sessions repeat, some dimensions are absent, some visits
belong only to a webinar, and some facts arrive days late. The same seed makes the same facts.
"""

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from psycopg import Connection, Cursor
from sqlalchemy import text

from eventflow_stats.engine.postgres.database import Database, driver_connection
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.errors import InvalidInput
from eventflow_stats.local.product_tables import LOCAL_AUTHOR, require_local_facts

CHUNK = 20_000
ENTRY_SHARE = 0.04
REPEAT_SHARE = 0.4
LATE_SHARE = 0.02
WEBINAR_SHARE = 0.05
SOURCES = ("google", "naver", "kakao", "facebook", "linkedin", "newsletter", r"\N")
MEDIUMS = ("cpc", "email", "social", "referral", r"\N")
# Visits by hour of the day, as of a business audience.
HOURS = (1, 1, 1, 1, 1, 2, 3, 6, 12, 16, 15, 13, 10, 13, 14, 13, 11, 9, 8, 8, 7, 5, 3, 2)


@dataclass(frozen=True)
class SampleSize:
    """How much to make: ``visits`` rows over ``days`` days ending at ``until``, for ``clients`` clients."""

    visits: int
    clients: int
    days: int
    until: date
    seed: int


@dataclass(frozen=True)
class Sampled:
    """How many rows were made, and their first and last day."""

    clients: int
    visits: int
    conversions: int
    first_day: date
    last_day: date


class _Maker:
    """Draws everything from one seeded generator and writes COPY rows."""

    def __init__(self, size: SampleSize) -> None:
        self.size = size
        self.random = random.Random(f"eventflow-stats sample {size.seed}")
        self.landings: list[str] = []
        self.weights: list[float] = []
        self.campaigns: list[str] = []
        self.campaign_clients: dict[str, str] = {}
        self.entry_numbers: dict[str, Iterator[int]] = {}
        self.sessions = [self._session() for _ in range(50)]

    def uuid(self) -> str:
        return str(UUID(int=self.random.getrandbits(128), version=4))

    def _session(self) -> tuple[str, str]:
        return (f"s{self.random.getrandbits(64):016x}", "")

    def dimensions(self, cursor: Cursor) -> None:
        """Make clients, campaigns, webinars and links, and record every landing that a visit can have."""
        clients, campaigns, webinars, links = [], [], [], []
        for number in range(1, self.size.clients + 1):
            client = self.uuid()
            clients.append(f"{client}\tSample client {number} of seed {self.size.seed}\t"
                           f"sample-{self.size.seed}-{number}")  # fmt: skip
            # Zipf: the tenth client has a tenth of the first one's traffic.
            share = 1 / number
            webinar = self.uuid()
            webinars.append(f"{webinar}\tWebinar {number}\t{client}\tsample-{self.size.seed}-{number}")
            self._landing(r"\N", webinar, self._utm(), r"\N", r"\N", share * WEBINAR_SHARE)
            for index in range(1, self.random.randint(2, 6)):
                campaign = self.uuid()
                kind = "survey" if index % 2 else "registration"
                title = f"Campaign {number}.{index}"
                row = (campaign, client, title, f"campaign-{index}", "published", kind, LOCAL_AUTHOR)
                campaigns.append("\t".join(row))
                self.campaigns.append(campaign)
                self.campaign_clients[campaign] = client
                self.entry_numbers[campaign] = itertools.count(1)
                self._landing(campaign, r"\N", (r"\N",) * 3, r"\N", r"\N", share / index * 0.3)
                for link_number in range(self.random.randint(1, 8)):
                    link, cid = self.uuid(), f"{self.random.getrandbits(40):08X}"[-8:]
                    utm = self._utm()
                    links.append("\t".join((link, client, f"Link {number}.{index}.{link_number}", campaign, *utm, cid)))
                    # Half of the visits have the link's id, the other half only its cid, as people type it.
                    typed = cid.lower() if link_number % 4 else cid
                    seen = (r"\N", link) if link_number % 2 else (typed, r"\N")
                    self._landing(campaign, r"\N", utm, *seen, share / index / (link_number + 1))
        _copy(cursor, "clients (id, name, slug)", clients)
        _copy(cursor, "event_survey_campaigns (id, client_id, title, public_path, status, type, created_by)", campaigns)
        _copy(cursor, "webinars (id, title, client_id, slug)", webinars)
        _copy(cursor, "campaign_link_meta (id, client_id, name, target_campaign_id, utm_source, utm_medium, "
                      "utm_campaign, cid)", links)  # fmt: skip

    def _utm(self) -> tuple[str, str, str]:
        campaign = self.random.choice((r"\N", "spring", "autumn", "launch|beta", "봄 행사"))
        return (self.random.choice(SOURCES), self.random.choice(MEDIUMS), campaign)

    def _landing(self, campaign: str, webinar: str, utm: tuple[str, ...], cid: str, link: str, weight: float) -> None:
        self.landings.append("\t".join((campaign, webinar, *utm, cid, link)))
        self.weights.append(weight)

    def times(self, count: int) -> list[tuple[str, str]]:
        """When each of ``count`` facts happened and when it was ingested, as UTC texts."""
        last = datetime(self.size.until.year, self.size.until.month, self.size.until.day, tzinfo=UTC)
        days = [last - timedelta(days=back) for back in range(self.size.days)]
        weights = [0.4 if day.weekday() >= 5 else 1.0 for day in days]
        drawn = zip(
            self.random.choices(range(self.size.days), weights, k=count),
            self.random.choices(range(24), HOURS, k=count),
            strict=True,
        )
        found = []
        for back, hour in drawn:
            within = self.random.getrandbits(30)
            clock = f"{hour:02d}:{within % 60:02d}:{within // 60 % 60:02d}.{within % 1000:03d}Z"
            arrived = back
            if within < LATE_SHARE * 2**30:
                arrived = max(0, back - 1 - within % 5)
            found.append((f"{days[back]:%Y-%m-%d} {clock}", f"{days[arrived]:%Y-%m-%d} {clock}"))
        return found

    def visits(self, count: int) -> Iterator[str]:
        landings = self.random.choices(self.landings, self.weights, k=count)
        for landing, (at, ingested) in zip(landings, self.times(count), strict=True):
            if self.random.random() < REPEAT_SHARE:
                session, seen_landing = self.random.choice(self.sessions)
                landing = seen_landing or landing
            else:
                session = self._session()[0]
                self.sessions[self.random.randrange(len(self.sessions))] = (session, landing)
            yield f"{self.uuid()}\t{landing}\t{session}\t{at}\t{ingested}"

    def entries(self, count: int) -> Iterator[str]:
        on_campaign = [place for place, landing in enumerate(self.landings) if not landing.startswith(r"\N")]
        weights = [self.weights[place] for place in on_campaign]
        for place, (at, _) in zip(self.random.choices(on_campaign, weights, k=count), self.times(count), strict=True):
            campaign, _webinar, source, medium, utm_campaign, cid, link = self.landings[place].split("\t")
            number = next(self.entry_numbers[campaign])
            data = r"\N" if cid == r"\N" else f'{{"cid": "{cid}"}}'
            yield "\t".join((
                self.uuid(), campaign, self.campaign_clients[campaign], f"sample:{number}", str(number),
                f"{number:06d}", source, medium, utm_campaign, data, link, at, at,
            ))  # fmt: skip


def make_sample(database: Database, size: SampleSize, progress: Callable[[int], None] = lambda _rows: None) -> Sampled:
    """Make facts with a seeded generator and load them through COPY, all in one transaction.

    ``progress`` is called with the rows written since the last call.

    Raises:
        InvalidInput: a size is not positive, or facts of this seed are there already.
        Refused: the database holds EventFlow's own facts, or cannot be reached.
    """
    for name in ("visits", "clients", "days"):
        if getattr(size, name) < 1:
            raise InvalidInput(f"--{name} is {getattr(size, name)}; it should be 1 or more")
    if size.days > size.until.toordinal():
        raise InvalidInput(f"--days is {size.days}; the first day would be before the year 1")
    require_local_facts(database)
    maker = _Maker(size)
    conversions = round(size.visits * ENTRY_SHARE)
    with database.login_session() as connection:
        if connection.scalar(
            text("SELECT EXISTS (SELECT FROM public.clients WHERE slug = :slug)"),
            {"slug": f"sample-{size.seed}-1"},
        ):
            raise InvalidInput(f"facts of seed {size.seed} exist already; give another --seed")
        driver: Connection = driver_connection(connection)
        with driver.cursor() as cursor:
            maker.dimensions(cursor)
            for rows in _chunks(size.visits):
                _copy(
                    cursor,
                    "event_access_logs (id, campaign_id, webinar_id, utm_source, utm_medium, utm_campaign, cid, "
                    "marketing_campaign_link_id, session_id, accessed_at, created_at)",
                    maker.visits(rows),
                )
                progress(rows)
            for rows in _chunks(conversions):
                _copy(
                    cursor,
                    "event_survey_entries (id, campaign_id, client_id, phone_norm, survey_no, code6, utm_source, "
                    "utm_medium, utm_campaign, registration_data, marketing_campaign_link_id, created_at, "
                    "completed_at)",
                    maker.entries(rows),
                )
                progress(rows)
        connection.execute(query("import/link_sample_entries"), {"campaigns": maker.campaigns})
        connection.commit()
    return Sampled(size.clients, size.visits, conversions, size.until - timedelta(days=size.days - 1), size.until)


def _chunks(total: int) -> Iterator[int]:
    for start in range(0, total, CHUNK):
        yield min(CHUNK, total - start)


def _copy(cursor: Cursor, table: str, rows: Iterator[str] | list[str]) -> None:
    with cursor.copy(f"COPY public.{table} FROM STDIN") as copy:
        copy.write("".join(row + "\n" for row in rows))
