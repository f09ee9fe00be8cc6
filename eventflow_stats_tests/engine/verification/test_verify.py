"""Verification finds and names every planted error, and distinguishes it from facts that changed."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import VerifiedDay, verify
from eventflow_stats_tests.facts import Entry, Link, Product, Visit, connect
from eventflow_stats_tests.oracle import Group, Numbers, expected_groups
from eventflow_stats_tests.rollup import stored_groups

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
DAY = NOON.date()
NEXT = DAY + timedelta(days=1)
DAYS = [DAY, NEXT]
STRANGER = uuid4()


class Shop:
    """Two clients with two rebuilt days: groups with every dimension, with none, without visits and without a
    campaign."""

    def __init__(self, database: Database, connection: psycopg.Connection) -> None:
        self.database, self.connection = database, connection
        self.product = Product(connection)
        self.ours, self.theirs = self.product.client("ours"), self.product.client("theirs")
        self.campaign: UUID = self.product.campaign(self.ours)
        self.link: Link = self.product.link(self.campaign, "LINKAAAA")
        other, webinar = self.product.campaign(self.theirs), self.product.webinar(self.ours)
        full: dict[str, Any] = {
            "link_id": self.link.id,
            "utm_source": "s",
            "utm_medium": "m",
            "utm_campaign": "c",
        }
        self.visit = Visit(at=NOON, campaign_id=self.campaign, session_id="1", utm_source="kakao")
        self.product.add(
            self.visit,
            Visit(at=NOON, campaign_id=self.campaign, session_id="1", **full),
            Visit(at=NOON, campaign_id=self.campaign, session_id="2", **full),
            Visit(at=NOON, campaign_id=self.campaign, session_id="3"),
            Visit(at=NOON, webinar_id=webinar, session_id="4"),
            Entry(at=NOON, campaign_id=self.campaign, utm_source="survey", utm_medium="entries only"),
            Visit(at=NOON, campaign_id=other, session_id="5"),
            Visit(at=NOON + timedelta(days=1), campaign_id=self.campaign, session_id="6", utm_source="next"),
        )
        list(rebuild(database, DAYS))

    def verify(self, days: Sequence[date] = DAYS, clients: list[UUID] | None = None) -> list[VerifiedDay]:
        return list(verify(self.database, days, clients))

    def discrepancies(self, *, closed: bool = False) -> dict[Group, tuple[Any, ...]]:
        """Open (or closed) discrepancies: the group, its stored and its true numbers."""
        rows = self.connection.execute(
            "SELECT client_id, bucket_date, campaign_id, marketing_campaign_link_id, utm_source, utm_medium, "
            "utm_campaign, stored_visits, stored_conversions, true_visits, true_conversions "
            "FROM eventflow_stats.discrepancies WHERE (repaired_at IS NOT NULL) = %s",
            [closed],
        ).fetchall()
        found = {Group(*row[:7]): tuple(row[7:]) for row in rows}
        assert len(found) == len(rows), "a discrepancy is recorded twice"
        return found

    def stale(self) -> set[tuple[UUID, date]]:
        return set(
            self.connection.execute(
                "SELECT client_id, bucket_date FROM eventflow_stats.client_days WHERE stale_since IS NOT NULL"
            ).fetchall()
        )


@pytest.fixture
def shop(database: Database) -> Iterator[Shop]:
    with connect(database) as connection:
        yield Shop(database, connection)


PLANTED = {
    "visits one too many": "SET visits = visits + 1",
    "visits one too few": "SET visits = visits - 1",
    "conversions one too many": "SET conversions = conversions + 1",
    "conversions one too few": "SET conversions = conversions - 1",
    "visits and conversions swapped": "SET visits = conversions, conversions = visits",
    "a source from NULL or to another": "SET utm_source = coalesce(utm_source || '!', 'invented')",
    "a medium to NULL, or the empty text": "SET utm_medium = CASE WHEN utm_medium IS NULL THEN '' END",
    "a name to the text __null__": "SET utm_campaign = '__null__'",
    "another campaign": f"SET campaign_id = '{uuid4()}'",
    "no campaign": "SET campaign_id = NULL, utm_campaign = 'unmet'",
    "another link": f"SET marketing_campaign_link_id = '{uuid4()}'",
    "a client that never had facts": f"SET client_id = '{STRANGER}'",
    "another covered day": "SET bucket_date = '2024-05-02'",
    "the id of no group": "SET id = gen_random_uuid(), visits = visits + 1",
}


def differences(stored: dict[Group, Numbers], true: dict[Group, Numbers]) -> dict[Group, tuple[Any, ...]]:
    """The expected differences: stored and true numbers of every group that is not the same in both."""
    nothing = (None, None)
    return {
        group: ((*stored[group][:2],) if group in stored else nothing)
        + ((*true[group][:2],) if group in true else nothing)
        for group in stored.keys() | true.keys()
        if stored.get(group) != true.get(group)
    }


def named(outcomes: list[VerifiedDay], result: str) -> dict[Group, tuple[Any, ...]]:
    return {
        Group(d.client_id, outcome.day, d.campaign_id, d.link_id, d.utm_source, d.utm_medium, d.utm_campaign): (
            d.stored_visits,
            d.stored_conversions,
            d.true_visits,
            d.true_conversions,
        )
        for outcome in outcomes
        for d in outcome.differences
        if d.result == result
    }


def found_and_repaired(shop: Shop, true: dict[Group, Numbers]) -> None:
    """The whole sequence of a planted error: found wrong, named, recorded once, repaired, verified again."""
    planted = differences(stored_groups(shop.connection), true)
    assert planted, "nothing was planted"
    wrong_days = {group.bucket_date for group in planted}
    for _ in range(2):
        outcomes = shop.verify()
        assert {o.day for o in outcomes if o.result == "wrong"} == wrong_days
        assert {o.day for o in outcomes if o.result == "verified"} == set(DAYS) - wrong_days
        assert named(outcomes, "wrong") == planted
        assert sum(outcome.wrong_groups for outcome in outcomes) == len(planted)
        assert shop.discrepancies() == planted
    assert shop.stale() == set()
    list(rebuild(shop.database, DAYS, repaired_by="this test"))
    assert stored_groups(shop.connection) == true
    assert shop.discrepancies() == {}
    assert shop.discrepancies(closed=True) == planted
    assert shop.connection.execute("SELECT DISTINCT repaired_by FROM eventflow_stats.discrepancies").fetchall() == [
        ("this test",)
    ]
    assert [outcome.result for outcome in shop.verify()] == ["verified", "verified"]
    shop.connection.execute("DELETE FROM eventflow_stats.discrepancies")


@pytest.mark.parametrize("change", PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_error_in_any_row_is_found_named_recorded_once_and_repaired(shop: Shop, change: str) -> None:
    true = expected_groups(shop.product.world, "UTC")
    ids = [row[0] for row in shop.connection.execute("SELECT id FROM marketing_stats_daily").fetchall()]
    tried = 0
    for row_id in ids:
        shop.connection.execute(
            f"UPDATE marketing_stats_daily {change} WHERE id = %s AND bucket_date = '2024-05-01'", [row_id]
        )
        if stored_groups(shop.connection) != true:
            tried += 1
            found_and_repaired(shop, true)
    assert tried == 6, "not every row of the day was changed"


def test_a_deleted_row_is_found(shop: Shop) -> None:
    true = expected_groups(shop.product.world, "UTC")
    for group in list(true):
        shop.connection.execute(
            "DELETE FROM marketing_stats_daily WHERE id = eventflow_stats.group_id(%s, %s, %s, %s, %s, %s, %s)",
            group,
        )
        found_and_repaired(shop, true)


@pytest.mark.parametrize("client", ["a client with facts", "a client without", "an unknown client"])
def test_an_invented_row_is_found(shop: Shop, client: str) -> None:
    true = expected_groups(shop.product.world, "UTC")
    client_id = {"a client with facts": shop.ours, "a client without": shop.product.client()}.get(client, STRANGER)
    for numbers in ((1, 0), (0, 1), (0, 0)):
        shop.connection.execute(
            "INSERT INTO marketing_stats_daily (id, client_id, bucket_date, utm_source, visits, conversions) "
            "VALUES (gen_random_uuid(), %s, %s, 'invented', %s, %s)",
            [client_id, DAY, *numbers],
        )
        found_and_repaired(shop, true)


def test_a_discrepancy_that_was_corrected_by_hand_is_closed_by_the_next_verification(shop: Shop) -> None:
    shop.connection.execute("UPDATE marketing_stats_daily SET visits = visits + 1 WHERE bucket_date = %s", [NEXT])
    assert [outcome.result for outcome in shop.verify()] == ["verified", "wrong"]
    shop.connection.execute("UPDATE marketing_stats_daily SET visits = visits - 1 WHERE bucket_date = %s", [NEXT])
    assert [outcome.result for outcome in shop.verify()] == ["verified", "verified"]
    assert shop.discrepancies() == {}
    assert len(shop.discrepancies(closed=True)) == 1
