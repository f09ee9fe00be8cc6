"""Rebuild: groups that disappear, single clients, ranges of days, and facts with unusual texts."""

import random
import string
from collections.abc import Generator, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import InvalidInput
from eventflow_stats_tests.facts import Entry, Product, Visit, connect
from eventflow_stats_tests.oracle import expected_groups
from eventflow_stats_tests.rollup import stored_groups, whole_rows

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
DAY = NOON.date()


def visit_with(campaign: UUID, text: str) -> Visit:
    """A visit that has the same text in all three UTM columns."""
    return Visit(at=NOON, campaign_id=campaign, utm_source=text, utm_medium=text, utm_campaign=text)


def on(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection]:
    with connect(database) as connection:
        yield connection


@pytest.fixture
def product(connection: psycopg.Connection) -> Product:
    return Product(connection)


@pytest.fixture
def campaign(product: Product) -> UUID:
    return product.campaign(product.client())


def computed_days(connection: psycopg.Connection) -> set[date]:
    rows = connection.execute("SELECT bucket_date FROM eventflow_stats.days WHERE rebuilt_at IS NOT NULL").fetchall()
    return {row[0] for row in rows}


def test_a_group_without_facts_is_deleted_and_the_others_are_not_rewritten(
    database: Database, product: Product, campaign: UUID
) -> None:
    gone = Visit(at=NOON, campaign_id=campaign, session_id="1", utm_source="gone")
    product.add(gone, Visit(at=NOON, campaign_id=campaign, session_id="1", utm_source="stays"))
    list(rebuild(database, [DAY]))
    stays = [row for row in whole_rows(product.connection) if "stays" in row]
    product.delete([gone])
    (day,) = rebuild(database, [DAY])
    assert (day.written, day.deleted) == (0, 1)
    assert whole_rows(product.connection) == stays


def test_a_day_whose_facts_are_all_deleted_is_emptied_and_still_computed(
    database: Database, product: Product, campaign: UUID
) -> None:
    product.add(Visit(at=NOON, campaign_id=campaign), Entry(at=NOON, campaign_id=campaign))
    list(rebuild(database, [DAY]))
    product.delete([*product.world.visits.values(), *product.world.entries.values()])
    list(rebuild(database, [DAY]))
    assert stored_groups(product.connection) == {}
    assert computed_days(product.connection) == {DAY}
    assert product.connection.execute(
        "SELECT visit_facts, conversion_facts, fingerprint FROM eventflow_stats.client_days"
    ).fetchall() == [(0, 0, 0)]
    assert [outcome.result for outcome in verify(database, [DAY])] == ["verified"]


def test_a_rebuild_of_one_client_leaves_the_rows_of_all_others_byte_identical(
    database: Database, product: Product
) -> None:
    ours, theirs, newcomer = product.client(), product.client(), product.client()
    campaigns = {client: product.campaign(client) for client in (ours, theirs, newcomer)}
    product.add(*(Visit(at=NOON, campaign_id=campaigns[client], session_id="1") for client in (ours, theirs)))
    list(rebuild(database, [DAY]))
    # The rows of all clients are wrong now, in every way that a rebuild repairs.
    product.add(*(Visit(at=NOON, campaign_id=made, session_id="2") for made in campaigns.values()))
    product.connection.execute(
        "INSERT INTO marketing_stats_daily (id, client_id, bucket_date, utm_source) "
        "SELECT gen_random_uuid(), id, %s, 'invented' FROM clients",
        [DAY],
    )
    others = [whole_rows(product.connection, client) for client in (theirs, newcomer)]
    client_days = ledger_of_others(product.connection, ours)

    list(rebuild(database, [DAY], [ours]))

    assert [whole_rows(product.connection, client) for client in (theirs, newcomer)] == others
    assert ledger_of_others(product.connection, ours) == client_days
    true = expected_groups(product.world, "UTC")
    stored = stored_groups(product.connection)
    assert {g: n for g, n in stored.items() if g.client_id == ours} == {
        g: n for g, n in true.items() if g.client_id == ours
    }


def ledger_of_others(connection: psycopg.Connection, client_id: UUID) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT xmin::text, s::text FROM eventflow_stats.client_days AS s WHERE client_id <> %s "
        # The most facts that the day ever had may change: a rebuild of one client may have found more.
        "UNION ALL SELECT NULL, CAST(to_jsonb(d) - 'most_visit_facts' - 'most_conversion_facts' AS text) "
        "FROM eventflow_stats.days AS d ORDER BY 2",
        [client_id],
    ).fetchall()


def test_a_rebuild_of_one_client_does_not_make_the_day_computed(
    database: Database, product: Product, campaign: UUID
) -> None:
    product.add(Visit(at=NOON, campaign_id=campaign))
    list(rebuild(database, [DAY], product.world.clients))
    assert stored_groups(product.connection) == expected_groups(product.world, "UTC")
    assert computed_days(product.connection) == set()


def test_an_empty_list_of_clients_is_refused(database: Database, product: Product, campaign: UUID) -> None:
    product.add(Visit(at=NOON, campaign_id=campaign))
    with pytest.raises(InvalidInput):
        list(rebuild(database, [DAY], []))
    assert stored_groups(product.connection) == {}
    assert computed_days(product.connection) == set()


def test_a_range_is_rebuilt_oldest_day_first_and_yielded_days_stay_when_it_is_closed(
    database: Database, product: Product, campaign: UUID
) -> None:
    days = [DAY + timedelta(days=number) for number in range(4)]
    product.add(*(Visit(at=on(day), campaign_id=campaign) for day in days))
    running = rebuild(database, [days[2], days[0], days[3], days[1], days[0]])
    assert [next(running).day, next(running).day] == days[:2]
    # A day is committed before it is yielded: another connection sees it while the range is in progress.
    assert computed_days(product.connection) == set(days[:2])
    assert isinstance(running, Generator)
    running.close()
    assert {group.bucket_date for group in stored_groups(product.connection)} == set(days[:2])
    assert product.connection.execute("SELECT FROM pg_locks WHERE locktype = 'advisory'").fetchall() == []
    assert [day.day for day in rebuild(database, days)] == days
    assert stored_groups(product.connection) == expected_groups(product.world, "UTC")


def test_a_fact_that_changes_its_day_and_group_leaves_no_number_behind(
    database: Database, product: Product, campaign: UUID
) -> None:
    visit = Visit(at=NOON, campaign_id=campaign, session_id="1", utm_source="kakao")
    entry = Entry(at=NOON, campaign_id=campaign, utm_source="kakao")
    product.add(visit, entry, Visit(at=NOON, campaign_id=campaign, session_id="2", utm_source="kakao"))
    days = [DAY, DAY + timedelta(days=1)]
    list(rebuild(database, days))
    visit = product.change(visit, at=NOON + timedelta(days=1))
    product.change(entry, utm_source="naver")
    list(rebuild(database, days))
    assert stored_groups(product.connection) == expected_groups(product.world, "UTC")
    product.change(visit, campaign_id=product.campaign(product.client()))
    list(rebuild(database, days))
    assert stored_groups(product.connection) == expected_groups(product.world, "UTC")


@pytest.mark.parametrize("length", [200, 800])
@pytest.mark.parametrize("letters", [string.ascii_letters + string.digits, "가나다라마바사아자차카타파하"])
def test_long_texts_that_differ_only_at_their_end_stay_groups_of_their_own(
    database: Database, product: Product, campaign: UUID, length: int, letters: str
) -> None:
    drawn = random.Random(length)
    size = length // len(letters[0].encode())
    text = "".join(drawn.choices(letters, k=size - 1))
    for end in letters[:2]:
        product.add(visit_with(campaign, text + end))
    list(rebuild(database, [DAY]))
    assert stored_groups(product.connection) == expected_groups(product.world, "UTC")


@pytest.mark.parametrize("length", [801, 3_000, 100_000])
def test_a_text_too_long_for_an_index_does_not_make_the_day_fail(
    database: Database, product: Product, campaign: UUID, length: int
) -> None:
    """Anybody may write an access log. A row with a long random UTM once made every rebuild of its day fail."""
    drawn = random.Random(length)
    text = "".join(drawn.choices(string.printable, k=length - 1))
    for end in "ab":
        product.add(visit_with(campaign, text + end))
    product.add(Visit(at=NOON, campaign_id=campaign, utm_source="short"))
    list(rebuild(database, [DAY]))
    stored = stored_groups(product.connection)
    assert sorted(numbers.visits for numbers in stored.values()) == [1, 1, 1]
    long = {group.utm_source or "" for group in stored} - {"short"}
    assert len(long) == 2, "two long texts that differ at their end became one group"
    assert {value[:200] for value in long} == {text[:200]}
    product.connection.execute("UPDATE marketing_stats_daily SET visits = visits + 1")
    assert [outcome.wrong_groups for outcome in verify(database, [DAY])] == [3]
