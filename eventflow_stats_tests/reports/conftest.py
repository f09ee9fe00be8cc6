"""A shop whose names and UTM values attack a report, with one wrong group of each kind."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.quality.kpis import compute_quality
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats_tests.cli.conftest import call, dagster_storage, own
from eventflow_stats_tests.facts import Entry, Product, Visit, connect

__all__ = ["call", "dagster_storage", "own"]

FIRST, LAST = date(2026, 3, 1), date(2026, 3, 5)
DAYS = [FIRST + timedelta(days=count) for count in range(5)]
ATTACK = "<script>document.title='broken'</script><img src=http://evil.example/x onerror=alert(1)>"
FORMULA = '=HYPERLINK("http://evil.example";"a|b")\n| `x` \\| **bold** \'\x1b[2J\u202e\x9b'


class Shop:
    """Two clients and five days, of which the first four are computed. Three days have an error each: too many visits,
    a missing row, a row without facts."""

    def __init__(self, database: Database, product: Product) -> None:
        self.database, self.product = database, product
        self.evil, self.other = product.client(ATTACK), product.client('Other, "quoted"')
        self.campaign: UUID = product.campaign(self.evil)
        self.link = product.link(self.campaign, "CID")
        elsewhere = product.campaign(self.other)
        product.connection.execute("UPDATE campaign_link_meta SET name = %s", [ATTACK])
        for number, day in enumerate(DAYS):
            at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
            product.add(
                *(Visit(at=at, campaign_id=self.campaign, session_id=f"{n}", cid="CID") for n in range(3 + number)),
                Visit(at=at, campaign_id=self.campaign, session_id="u", utm_source=ATTACK, utm_medium="__null__"),
                Visit(at=at, campaign_id=self.campaign, session_id="f", utm_source=FORMULA),
                Visit(at=at, campaign_id=elsewhere, session_id="o"),
                Entry(at=at, campaign_id=self.campaign, utm_source=ATTACK, utm_medium="__null__"),
            )
        # A fact without a client.
        product.add(Visit(at=datetime(2026, 3, 2, 9, tzinfo=UTC), webinar_id=product.webinar(None), session_id="n"))
        list(rebuild(database, DAYS[:4]))
        list(compute_quality(database, DAYS[:4]))
        product.connection.execute(
            "UPDATE marketing_stats_daily SET visits = visits + 7 WHERE bucket_date = %s AND utm_source = %s",
            [DAYS[0], ATTACK],
        )
        product.connection.execute(
            "DELETE FROM marketing_stats_daily WHERE bucket_date = %s AND utm_source = %s", [DAYS[1], FORMULA]
        )
        product.connection.execute(
            "INSERT INTO marketing_stats_daily (id, client_id, bucket_date, utm_source, visits, conversions) "
            "VALUES (gen_random_uuid(), %s, %s, '\uff1dSUM(1)', 4, 2)",
            [self.other, DAYS[2]],
        )
        product.connection.execute(
            "INSERT INTO eventflow_stats.adjustments (client_id, bucket_date, utm_source, visits_delta, reason, "
            "author) VALUES (%(client)s, %(day)s, %(utm)s, -3, %(utm)s, 'ann'), "
            "(%(client)s, %(day)s, 'x', 5, 'mistake', 'bob')",
            {"client": self.evil, "day": DAYS[0], "utm": ATTACK},
        )
        product.connection.execute(
            "SELECT eventflow_stats.revert_adjustment(adjustment_id, 'ann', 'a mistake') "
            "FROM eventflow_stats.adjustments WHERE author = 'bob'"
        )


@pytest.fixture
def shop(database: Database) -> Iterator[Shop]:
    with connect(database) as connection:
        yield Shop(database, Product(connection))
