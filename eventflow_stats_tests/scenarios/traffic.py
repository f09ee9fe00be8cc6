"""Two days of several clients, and traffic that changes their facts while the engine is killed."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import psycopg

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats_tests.facts import Product, connect
from eventflow_stats_tests.scenarios.fact_history import watch_facts

DAYS = [date(2026, 3, 3), date(2026, 3, 4)]
NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
CLIENTS = 6
BUSY = 2
"""The number of clients with traffic. They are few, so that a refresh of them is not a rebuild of the whole day."""
PAUSE_SECONDS = 0.01

FILL = """
WITH drawn AS (
    SELECT n, (%(campaigns)s::uuid[])[1 + n %% %(clients)s] AS campaign_id, 's' || hashint8(n) %% 9000 AS session_id,
        nullif(abs(hashint8(n * 7)) %% 700, 0)::text AS utm_source,
        %(noon)s + n / %(clients)s %% 2 * interval '1 day' AS at
    FROM generate_series(1, %(facts)s) AS n
), entered AS (
    INSERT INTO event_survey_entries (campaign_id, phone_norm, survey_no, code6, utm_source, created_at)
    SELECT campaign_id, n::text, n, n::text, utm_source, at FROM drawn WHERE n %% 20 < 2
)
INSERT INTO event_access_logs (campaign_id, session_id, utm_source, accessed_at, created_at)
SELECT campaign_id, session_id, utm_source, at, at FROM drawn
"""
CHANGE_GROUPS = """
UPDATE event_access_logs SET utm_source = nullif(abs(hashtext(id::text || %(seed)s)) %% 1400, 0)::text
WHERE campaign_id = ANY (%(campaigns)s) AND abs(hashtext(%(seed)s || id::text)) %% %(one_in)s = 0
"""
ARRIVE = """
INSERT INTO event_access_logs (campaign_id, session_id, utm_source, accessed_at)
SELECT campaign_id, 'new ' || n, n::text, %(noon)s + n %% 2 * interval '1 day'
FROM unnest(%(campaigns)s::uuid[]) AS campaign_id, generate_series(1, 4) AS n
RETURNING id
"""


class Traffic:
    """Writes ``facts`` visits of ``CLIENTS`` clients on two days; the first ``BUSY`` of them have all later traffic."""

    def __init__(self, database: Database, facts: int) -> None:
        self.database = database
        with connect(database) as connection:
            product = Product(connection)
            watch_facts(connection)
            self.campaigns: list[UUID] = [product.campaign(product.client(f"client {n}")) for n in range(CLIENTS)]
            drawn = {"campaigns": self.campaigns, "clients": CLIENTS, "noon": NOON, "facts": facts}
            connection.execute(FILL, drawn)
            connection.execute("VACUUM ANALYZE")

    def change_groups(self, seed: str, of_everybody: bool) -> None:
        """Change the group of thousands of facts at once: of every client, or of the busy ones."""
        campaigns = self.campaigns if of_everybody else self.campaigns[:BUSY]
        with connect(self.database) as connection:
            connection.execute(
                CHANGE_GROUPS, {"seed": seed, "campaigns": campaigns, "one_in": 10 if of_everybody else 4}
            )

    def falsify_rollup(self) -> None:
        """Write wrong numbers into the rollup, and delete and invent groups of the busy clients."""
        with connect(self.database) as connection, connection.transaction():
            for statement in (
                "UPDATE marketing_stats_daily SET visits = visits + 7 WHERE hashtext(id::text) %% 3 = 0",
                "DELETE FROM marketing_stats_daily WHERE hashtext(id::text) %% 3 = 1",
                "UPDATE marketing_stats_daily SET utm_source = 'x' || utm_source, id = gen_random_uuid() "
                "WHERE hashtext(id::text) %% 3 = 2",
            ):
                connection.execute(f"{statement} AND campaign_id = ANY (%s)".encode(), [self.campaigns[:BUSY]])

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """Add, change and delete facts in many small transactions a second, until this block or the server ends."""
        ended = threading.Event()
        failed: list[BaseException] = []

        def flow() -> None:
            try:
                with connect(self.database) as connection:
                    self._flow(connection, ended)
            except psycopg.OperationalError:
                """The server was killed."""
            except psycopg.Error as error:
                failed.append(error)

        writer = threading.Thread(target=flow)
        writer.start()
        try:
            yield
        finally:
            ended.set()
            writer.join()
        assert not failed, failed

    def _flow(self, connection: psycopg.Connection, ended: threading.Event) -> None:
        drawn = random.Random(0)
        mine: list[UUID] = []
        while not ended.is_set():
            with connection.transaction():
                arrived = connection.execute(ARRIVE, {"campaigns": self.campaigns[:BUSY], "noon": NOON}).fetchall()
                mine += [id for (id,) in arrived]
                drawn.shuffle(mine)
                gone, changed = mine[:6], mine[6:9]
                del mine[:6]
                connection.execute("DELETE FROM event_access_logs WHERE id = ANY (%s)", [gone])
                connection.execute(
                    "UPDATE event_access_logs SET accessed_at = %s, utm_source = NULL WHERE id = ANY (%s)",
                    [NOON + timedelta(days=drawn.randrange(2)), changed],
                )
            ended.wait(PAUSE_SECONDS)
