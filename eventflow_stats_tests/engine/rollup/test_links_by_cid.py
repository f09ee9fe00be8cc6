"""A fact's cid names one link, however the product has stored the cids of its links."""

from datetime import UTC, datetime

import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats_tests.facts import Entry, Product, Visit, connect
from eventflow_stats_tests.oracle import expected_groups
from eventflow_stats_tests.rollup import stored_groups

pytestmark = pytest.mark.environment

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
DAY = NOON.date()
THE_SMALLEST_ID = "that of the smallest id"


@pytest.mark.parametrize(
    ("stored", "cid", "named"),
    [
        (["linkaaaa"], "LINKAAAA", "linkaaaa"),
        (["linkaaaa"], "linkaaaa", "linkaaaa"),
        ([" LinkAaaa\n"], "linkaaaa", " LinkAaaa\n"),
        (["abc", "ABC"], "abc", "abc"),
        (["abc", "ABC"], "ABC", "ABC"),
        (["abc", "ABC"], " Abc", "ABC"),
        (["abc", "aBc"], "ABC", THE_SMALLEST_ID),
        (["abc", "aBc"], "aBc", "aBc"),
        (["  "], "", None),
        (["abc"], "abd", None),
    ],
)
def test_a_fact_has_one_link_however_cids_are_stored(
    database: Database, stored: list[str], cid: str, named: str | None
) -> None:
    with connect(database) as connection:
        product = Product(connection)
        client = product.client()
        campaign, webinar = product.campaign(client), product.webinar(client)
        links = [product.link(campaign, text) for text in stored]
        # The link of another client with the same cid does not count.
        product.link(product.campaign(product.client()), cid)
        product.add(
            Visit(at=NOON, campaign_id=campaign, cid=cid),
            Visit(at=NOON, webinar_id=webinar, cid=cid),
            Entry(at=NOON, campaign_id=campaign, cid=cid),
        )
        list(rebuild(database, [DAY]))
        found = stored_groups(connection)
        assert found == expected_groups(product.world, "UTC")
        assert [day.result for day in verify(database, [DAY])] == ["verified"]
        expected = {link.cid: link.id for link in links} | {
            THE_SMALLEST_ID: min(link.id for link in links),
            None: None,
        }
        assert {group.link_id for group in found} == {expected[named]}
