"""Two clients with facts of three days, two of them computed. Each client has a member."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import psycopg

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.rollup.refresh import refresh
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats_tests.facts import Entry, Product, Visit

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
DAY = NOON.date()
COMPUTED = (DAY - timedelta(days=1), DAY)
MISSING = DAY - timedelta(days=2)
"""A day with facts that was never computed, so an answer for it is measured from facts."""


class Shop:
    """``ours`` has a campaign, a link, a webinar and the member ``member``; ``theirs`` a member ``stranger``."""

    def __init__(self, database: Database, connection: "psycopg.Connection[tuple[object, ...]]") -> None:
        self.database, self.connection = database, connection
        self.product = Product(connection)
        self.ours, self.theirs = self.product.client("ours"), self.product.client("theirs")
        self.member, self.stranger = self._member(self.ours), self._member(self.theirs)
        self.campaign, their_campaign = self.product.campaign(self.ours), self.product.campaign(self.theirs)
        self.link: UUID = self.product.link(self.campaign, "OURLINKA").id
        self.their_link: UUID = self.product.link(their_campaign, "THEIRLNK").id
        for day in (MISSING, *COMPUTED):
            at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
            self.product.add(
                Visit(at=at, campaign_id=self.campaign, session_id="1", utm_source="kakao", utm_medium="chat"),
                Visit(at=at, campaign_id=self.campaign, session_id="2", link_id=self.link),
                Visit(at=at, campaign_id=self.campaign, session_id="3"),
                Entry(at=at, campaign_id=self.campaign, link_id=self.link),
                Entry(at=at, campaign_id=self.campaign),
                Visit(at=at, campaign_id=their_campaign, session_id="4", link_id=self.their_link),
            )
        # Otherwise PostgreSQL's counters would report the new campaigns and links later, as changed rows.
        connection.execute("SELECT pg_stat_force_next_flush()")
        list(rebuild(database, COMPUTED))
        list(verify(database, COMPUTED))

    def detect(self) -> None:
        detect(self.database)

    def _member(self, client: UUID) -> UUID:
        user = uuid4()
        self.connection.execute(
            "INSERT INTO client_members (client_id, user_id, role) VALUES (%s, %s, 'member')", [client, user]
        )
        return user

    def refresh_with_a_late_fact(self, day: date) -> None:
        """Add a visit to that day, detect it and refresh the day."""
        at = datetime(day.year, day.month, day.day, 13, tzinfo=UTC)
        self.product.add(Visit(at=at, ingested_at=datetime.now(UTC), campaign_id=self.campaign, link_id=self.link))
        list(refresh(self.database, detect(self.database).stale_client_days))
