"""Promises 1 and 2 for any facts: the table equals the definition, and a second rebuild changes nothing."""

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventflow_stats.engine.database import Database
from eventflow_stats.engine.prove import prove
from eventflow_stats.engine.rebuild import rebuild
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
"""Zones with a day worth having in the middle of the three that are rebuilt."""

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
    """One database and one product connection per zone, shared by all examples of this module."""
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
    max_examples=25,
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

    assert {day.verdict for day in prove(database, days)} == {"proved"}


def a_world(product: Product) -> Product:
    """Two clients, two campaigns and a webinar each, the same cid at both, a webinar of nobody."""
    for cid in ("LINKAAAA", "LINKBBBB"):
        client = product.client()
        first, second = product.campaign(client), product.campaign(client)
        product.webinar(client)
        product.link(first, cid)
        product.link(second)
    product.webinar(None)
    return product


@st.composite
def facts_of(draw: st.DrawFn, product: Product, zone: str, days: list[date]) -> list[Visit | Entry]:
    world = product.world
    # Few values per list of facts, so that facts meet in a group and sessions repeat.
    few = draw(st.lists(texts, min_size=1, max_size=3))
    moments = draw(st.lists(instants(zone, days), min_size=1, max_size=6))
    campaigns: st.SearchStrategy[UUID] = st.sampled_from(list(world.campaigns))
    common = {
        "at": st.sampled_from(moments),
        "link_id": st.none() | st.sampled_from([link.id for link in world.links]),
        "cid": cids,
        "utm_source": st.sampled_from(few),
        "utm_medium": st.sampled_from(few),
        "utm_campaign": st.sampled_from(few),
    }
    of_campaign = {"campaign_id": campaigns, "webinar_id": st.none() | st.sampled_from(list(world.webinars))}
    of_webinar = {"campaign_id": st.none(), "webinar_id": st.sampled_from(list(world.webinars))}
    sessions = st.sampled_from(["", "s1", "s2", "세션|3", " "])
    visits = [
        st.builds(Visit, session_id=sessions, id=st.uuids(), **common, **of)
        for of in (of_campaign, of_webinar)
    ]
    entries = st.builds(Entry, campaign_id=campaigns, id=st.uuids(), **common)
    return draw(st.lists(st.one_of(*visits, entries), max_size=25, unique_by=lambda fact: fact.id))


def instants(zone: str, days: list[date]) -> st.SearchStrategy[datetime]:
    """Instants of the days: around every midnight to the microsecond, both of them where there are two."""
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
