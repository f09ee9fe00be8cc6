"""Data quality: every count equals the oracle, due days are found, and a refresh does not wait."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.engine.quality.kpis import ComputedQuality, DueDay, compute_quality, due_days
from eventflow_stats.engine.rollup.day_locks import reading_day, writing_day
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.rollup.sweep import sweep_due_days
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import DayBusy
from eventflow_stats.settings import Settings
from eventflow_stats_tests.conftest import Cluster
from eventflow_stats_tests.engine.rollup.test_rebuild_equals_the_oracle import a_world, facts_of
from eventflow_stats_tests.facts import Entry, Product, Visit, connect, forget_everything
from eventflow_stats_tests.oracle import unresolved_facts
from eventflow_stats_tests.quality_oracle import expected_quality, stored_quality, whole_quality_rows

ZONE = "Europe/Berlin"
DAYS = [date(2024, 3, 30), date(2024, 3, 31), date(2024, 4, 1)]
"""The days around one of 23 hours."""
FIRST, LAST = date(2012, 1, 1), date(2030, 1, 1)


@pytest.fixture(scope="module")
def berlin(cluster: Cluster) -> Iterator[tuple[Database, psycopg.Connection]]:
    database = Database(cluster.migrated(ZONE), Settings(bucket_timezone=ZONE, lock_timeout=2))
    with connect(database) as connection:
        yield database, connection
    cluster.drop(database.url.set(drivername="postgresql").render_as_string(hide_password=False))


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_every_count_and_rate_equals_the_oracle_also_after_facts_changed(
    berlin: tuple[Database, psycopg.Connection], data: st.DataObject
) -> None:
    database, connection = berlin
    forget_everything(connection)
    product = Product(connection)
    facts = data.draw(facts_of(a_world(product), ZONE, DAYS), label="facts")
    entries = [fact.id for fact in facts if isinstance(fact, Entry)]
    named: st.SearchStrategy[UUID | None] = st.none() | st.sampled_from(entries) if entries else st.none()
    facts = [replace(fact, entry_id=data.draw(named)) if isinstance(fact, Visit) else fact for fact in facts]
    product.add(*facts)

    list(rebuild(database, DAYS))
    first = list(compute_quality(database, DAYS))
    assert stored_quality(connection) == expected_quality(product.world, ZONE)
    assert [day.stored.unresolved_facts for day in first] == [unresolved_facts(product.world, ZONE)[d] for d in DAYS]
    assert sum(day.written for day in first) == len(expected_quality(product.world, ZONE))

    before = whole_quality_rows(connection)
    again = [*compute_quality(database, DAYS), *compute_quality(database, DAYS, only_due=True)]
    assert {(day.written, day.deleted) for day in again} == {(0, 0)}
    assert whole_quality_rows(connection) == before

    visits = [fact for fact in facts if isinstance(fact, Visit)]
    product.delete(visits[::2])
    for visit in visits[1::4]:
        product.change(visit, entry_id=data.draw(named), utm_source="kakao", session_id="")
    moved = {client for client, _ in (*expected_quality(product.world, ZONE), *stored_quality(connection))}
    if moved:
        list(rebuild(database, DAYS, sorted(moved)))
    list(compute_quality(database, [day.bucket_date for day in due_days(database, FIRST, LAST, 10)], only_due=True))
    assert stored_quality(connection) == expected_quality(product.world, ZONE)


def test_empty_or_unknown_values_are_no_utm_no_link_and_no_session(
    berlin: tuple[Database, psycopg.Connection],
) -> None:
    database, connection = berlin
    forget_everything(connection)
    product = Product(connection)
    campaign, webinar = product.campaign(client := product.client()), product.webinar(client)
    link = product.link(campaign, "LINKAAAA")
    at = datetime(2024, 3, 31, 12, tzinfo=UTC)
    values: Any = (None, "", " ", "kakao")
    for number, (source, medium, name) in enumerate(itertools.product(values, repeat=3)):
        for cid, link_id in ((None, None), ("", None), ("nosuch", None), (" linkaaaa\t", None), (None, link.id)):
            common: Any = {"at": at, "cid": cid, "link_id": link_id, "utm_source": source}
            common |= {"utm_medium": medium, "utm_campaign": name}
            entry = Entry(campaign_id=campaign, **common)
            place: Any = {"webinar_id": webinar} if number % 3 else {"campaign_id": campaign}
            named = entry.id if number % 2 else None
            product.add(entry, Visit(session_id=("", "s", " ")[number % 3], entry_id=named, **place, **common))

    list(compute_quality(database, [at.date()]))

    assert stored_quality(connection) == expected_quality(product.world, ZONE)


class TwoClients:
    """TwoClients clients with a campaign each, a visit and an entry of each on two days, all computed."""

    days = (date(2024, 5, 6), date(2024, 5, 7))

    def __init__(self, database: Database, connection: psycopg.Connection) -> None:
        self.database, self.product = database, Product(connection)
        self.clients = [self.product.client(), self.product.client()]
        self.campaigns = [self.product.campaign(client) for client in self.clients]
        for day, campaign in ((day, campaign) for day in self.days for campaign in self.campaigns):
            at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
            self.product.add(Visit(at=at, campaign_id=campaign, session_id="s"), Entry(at=at, campaign_id=campaign))
        detect(database)
        list(rebuild(database, self.days))
        self.verified()
        list(compute_quality(database, self.days))

    def verified(self) -> None:
        assert {day.result for day in verify(self.database, self.days)} == {"verified"}

    def visit(self, day: date) -> Visit:
        return next(visit for visit in self.product.world.visits.values() if visit.at.date() == day)

    def due(self, most: int = 10) -> list[DueDay]:
        return due_days(self.database, FIRST, LAST, most)

    def compute_due(self) -> list[ComputedQuality]:
        return list(compute_quality(self.database, [day.bucket_date for day in self.due()], only_due=True))

    def is_right(self) -> bool:
        return stored_quality(self.product.connection) == expected_quality(self.product.world, "UTC")


@pytest.fixture
def two(database: Database) -> Iterator[TwoClients]:
    with connect(database) as connection:
        yield TwoClients(database, connection)


def test_a_client_is_due_when_its_client_day_was_computed_since(two: TwoClients) -> None:
    assert two.due() == []
    two.product.add(replace(two.visit(two.days[0]), id=UUID(int=1), session_id="late"))
    assert two.due() == []
    list(rebuild(two.database, two.days[:1], two.clients[:1]))

    assert two.due() == [DueDay(two.days[0], 1)]
    (computed,) = two.compute_due()

    assert (computed.written, computed.computed) == (1, True)
    assert two.is_right()
    assert two.due() == []


def test_a_new_visit_that_names_an_entry_of_another_day_is_found_by_the_next_whole_verification(
    two: TwoClients,
) -> None:
    entry = next(entry for entry in two.product.world.entries.values() if entry.at.date() == two.days[0])
    two.product.change(two.visit(two.days[1]), entry_id=entry.id)
    two.product.connection.execute("SELECT pg_stat_force_next_flush()")
    sweep_due_days(two.database, *two.days, at_once=True, seconds=60)
    list(rebuild(two.database, two.days[1:]))
    two.compute_due()
    assert not two.is_right()

    two.verified()
    assert two.due() == [DueDay(day, None) for day in reversed(two.days)]
    assert [day.written for day in two.compute_due()] == [1, 0]

    assert two.is_right()
    assert two.due() == []


def test_a_day_whose_facts_disappeared_loses_its_rows(two: TwoClients) -> None:
    two.product.delete([fact for fact in two.product.world.visits.values() if fact.at.date() == two.days[0]])
    two.product.delete([fact for fact in two.product.world.entries.values() if fact.at.date() == two.days[0]])
    list(rebuild(two.database, two.days[:1], two.clients))

    (computed,) = two.compute_due()

    assert (computed.deleted, computed.stored.clients) == (2, 0)
    assert two.is_right()
    assert two.due() == []


def test_the_newest_days_come_first_and_no_fact_is_read_of_days_that_are_not_due(two: TwoClients) -> None:
    list(rebuild(two.database, two.days))
    assert two.due(most=1) == [DueDay(two.days[1], 2)]
    list(compute_quality(two.database, two.days[1:], only_due=True))

    first, second = compute_quality(two.database, two.days, only_due=True)

    assert (first.computed, second.computed) == (True, False)
    assert second.stored.entries == 2


def test_a_refresh_does_not_wait_and_what_it_computes_meanwhile_is_due(two: TwoClients) -> None:
    day = two.days[0]
    with two.database.session() as reading, reading_day(two.database, reading, day):
        two.product.add(replace(two.visit(day), id=UUID(int=1), session_id="late"))
        list(rebuild(two.database, [day], two.clients[:1]))
        reading.execute(query("quality/record_quality_day"), {"bucket_date": day})

    assert two.due() == [DueDay(day, 1)]


def test_it_waits_for_the_writer_of_the_day_and_for_another_computation_of_data_quality(two: TwoClients) -> None:
    day = two.days[0]
    impatient = two.database.settings.model_copy(update={"lock_timeout": 0.1})
    quick = Database(two.database.url.render_as_string(hide_password=False), impatient)
    with quick.session() as writing, writing_day(quick, writing, day), pytest.raises(DayBusy, match="2024-05-06 is "):
        list(compute_quality(quick, [day]))
    with quick.session() as other, reading_day(quick, other, day), pytest.raises(DayBusy):
        list(compute_quality(quick, [day]))
    passed_over: dict[date, object] = {}
    with quick.session() as writing, writing_day(quick, writing, day):
        done = list(compute_quality(quick, two.days, on_failed_day=passed_over.__setitem__))
    assert ([item.day for item in done], list(passed_over)) == ([two.days[1]], [day])


def test_days_without_facts_are_computed_and_recorded(database: Database) -> None:
    list(rebuild(database, [DAYS[0]]))
    assert due_days(database, FIRST, LAST, 10) == [DueDay(DAYS[0], None)]
    (computed,) = compute_quality(database, [DAYS[0]], only_due=True)
    assert (computed.stored.clients, computed.stored.rates) == (0, {})
    assert due_days(database, FIRST, LAST, 10) == []
