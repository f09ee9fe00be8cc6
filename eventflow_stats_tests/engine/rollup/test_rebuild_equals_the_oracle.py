"""For any facts: the rollup equals the definition of a number, and a second rebuild changes nothing."""

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.settings import Settings
from eventflow_stats_tests.conftest import Cluster
from eventflow_stats_tests.facts import Entry, Product, Visit, connect, forget_everything
from eventflow_stats_tests.oracle import expected_groups, unresolved_facts
from eventflow_stats_tests.rollup import stored_groups, whole_rows

MIDDLE_DAYS = {
    "UTC": date(2024, 2, 29),
    "Asia/Seoul": date(2024, 1, 1),
    "Europe/Berlin": date(2024, 3, 31),
    "Europe/Berlin (25 hours)": date(2024, 10, 27),
    "America/Havana (two midnights)": date(2018, 11, 4),
    "Pacific/Apia (skipped day)": date(2011, 12, 30),
    "America/Sao_Paulo (no midnight)": date(2018, 11, 4),
}
"""Time zones in which the middle one of the three rebuilt days is special."""

AWKWARD = [
    *(None, "", " ", "__null__", "NULL", "null", "a|b", "|", "||", "o'neil", '"quoted"', '""', "\\", "a\\b"),
    *(
        ",",
        "(a,b)",
        "()",
        "{}",
        "%s",
        ":clients",
        "카카오톡",
        "네이버|블로그",
        "🎉",
        "👩‍👩‍👧",
        "e\u0301",
        "\u00e9",
    ),
    *("Google", "google", "google ", "\n", "\t"),
]
texts = st.sampled_from(AWKWARD) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8
)
cids = st.sampled_from(
    [
        None,
        "",
        "  ",
        "LINKAAAA",
        "linkaaaa",
        " LinkAaaa ",
        "\tLINKAAAA\r\n",
        "LINKBBBB",
        " linkbbbb",
        "NOSUCH00",
    ]
)


@pytest.fixture(scope="module")
def zoned(cluster: Cluster) -> Iterator[Callable[[str], tuple[Database, psycopg.Connection]]]:
    """One database and one product connection per time zone, shared by all examples of this module."""
    made: dict[str, tuple[Database, psycopg.Connection]] = {}

    def get(zone: str) -> tuple[Database, psycopg.Connection]:
        if zone not in made:
            database = Database(cluster.migrated(zone), Settings(bucket_timezone=zone))
            made[zone] = database, connect(database)
        return made[zone]

    yield get
    for database, connection in made.values():
        connection.close()
        cluster.drop(database.url.set(drivername="postgresql").render_as_string(hide_password=False))


@pytest.mark.parametrize("case", MIDDLE_DAYS)
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_a_rebuild_equals_the_oracle_and_a_second_one_changes_nothing(
    zoned: Callable[[str], tuple[Database, psycopg.Connection]], case: str, data: st.DataObject
) -> None:
    zone, middle = case.split(" ")[0], MIDDLE_DAYS[case]
    days = [middle + timedelta(days=number) for number in (-1, 0, 1)]
    database, connection = zoned(zone)
    forget_everything(connection)
    product = Product(connection)
    product.add(*data.draw(facts_of(a_world(product), zone, days), label="facts"))
    expected = expected_groups(product.world, zone)

    first = list(rebuild(database, days))
    assert stored_groups(connection) == expected
    assert [day.totals.unresolved_facts for day in first] == [
        unresolved_facts(product.world, zone)[day] for day in days
    ]
    assert sum(day.totals.facts for day in first) == len(product.world.visits) + len(product.world.entries)

    before = whole_rows(connection)
    second = list(rebuild(database, days))
    assert whole_rows(connection) == before
    assert {(day.written, day.deleted) for day in second} == {(0, 0)}

    assert {day.result for day in verify(database, days)} == {"verified"}


def test_similar_values_stay_different_groups(
    zoned: Callable[[str], tuple[Database, psycopg.Connection]],
) -> None:
    database, connection = zoned("UTC")
    forget_everything(connection)
    product = Product(connection)
    campaign = product.campaign(product.client())
    at = datetime(2024, 5, 1, 12, tzinfo=UTC)
    for value, session in itertools.product(AWKWARD, ("", "same")):
        product.add(
            Visit(at=at, campaign_id=campaign, session_id=session, utm_source=value, utm_medium="a"),
            Visit(at=at, campaign_id=campaign, session_id=session, utm_source="a", utm_medium=value),
            Visit(at=at, campaign_id=campaign, session_id=session, utm_campaign=value),
            Entry(at=at, campaign_id=campaign, utm_source=value),
        )
    days = [at.date()]
    list(rebuild(database, days))
    assert stored_groups(connection) == expected_groups(product.world, "UTC")
    before = whole_rows(connection)
    assert [(day.written, day.deleted) for day in rebuild(database, days)] == [(0, 0)]
    assert whole_rows(connection) == before
    assert [day.result for day in verify(database, days)] == ["verified"]


def a_world(product: Product) -> Product:
    """Two clients with two campaigns and a webinar each, cids that are equal or similar, and a webinar of no client."""
    for cid in ("LINKAAAA", "LINKBBBB"):
        client = product.client()
        first, second = product.campaign(client), product.campaign(client)
        product.webinar(client)
        for stored in (cid, "linkaaaa", "LinkAaaa", "\tLINKBBBB\r\n"):
            product.link(first, stored)
        product.link(second)
    product.webinar(None)
    return product


@st.composite
def facts_of(draw: st.DrawFn, product: Product, zone: str, days: list[date]) -> list[Visit | Entry]:
    """Facts of a few groups: sessions repeat, the empty one too, and groups differ in one dimension only."""
    world = product.world
    few = draw(st.lists(texts, min_size=1, max_size=3))
    moments = draw(st.lists(instants(zone, days), min_size=1, max_size=3))
    group = st.fixed_dictionaries(
        {
            "link_id": st.none() | st.sampled_from([link.id for link in world.links]),
            "cid": cids,
            "utm_source": st.sampled_from(few),
            "utm_medium": st.sampled_from(few),
            "utm_campaign": st.sampled_from(few),
        }
    )
    groups = draw(st.lists(group, min_size=1, max_size=3))
    campaigns: st.SearchStrategy[UUID] = st.sampled_from(draw(st.permutations(list(world.campaigns)))[:2])
    webinars: st.SearchStrategy[UUID] = st.sampled_from(list(world.webinars))
    session = st.sampled_from(["", "", "s1", "세션|2", " "])

    @st.composite
    def fact(draw: st.DrawFn) -> Visit | Entry:
        common: dict[str, Any] = {
            "id": draw(st.uuids()),
            "at": draw(st.sampled_from(moments)),
            **draw(st.sampled_from(groups)),
        }
        kind = draw(st.sampled_from(["visit", "visit", "visit of a webinar", "entry"]))
        if kind == "entry":
            return Entry(campaign_id=draw(campaigns), **common)
        if kind == "visit":
            webinar_id = draw(st.none() | webinars)
            return Visit(campaign_id=draw(campaigns), webinar_id=webinar_id, session_id=draw(session), **common)
        return Visit(webinar_id=draw(webinars), session_id=draw(session), **common)

    return draw(st.lists(fact(), max_size=30, unique_by=lambda one: one.id))


def instants(zone: str, days: list[date]) -> st.SearchStrategy[datetime]:
    """Instants of the days, many of them within microseconds of a midnight; of both midnights if there are two."""
    wall = [datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)) for day in days]
    wall.append(wall[-1] + timedelta(days=1))
    midnights = sorted({moment.replace(fold=fold).astimezone(UTC) for moment in wall for fold in (0, 1)})
    first = min(midnights)
    steps = [timedelta(microseconds=number) for number in (-1, 0, 1)] + [timedelta(hours=n) for n in (-1, 1)]
    edges = [midnight + step for midnight, step in itertools.product(midnights, steps)]
    anywhere = st.integers(0, 72 * 3600 * 10**6).map(lambda number: first + timedelta(microseconds=number))
    return (st.sampled_from(edges) | anywhere).filter(
        lambda instant: days[0] <= instant.astimezone(ZoneInfo(zone)).date() <= days[-1]
    )
