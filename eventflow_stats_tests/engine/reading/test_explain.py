"""An explanation adds up, equals an independent count, and distinguishes the states of a group."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import psycopg
import pytest

from eventflow_stats.engine.explain import AskedGroup, explain, quote_dimension
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import migrate
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats_tests.engine.postgres.inspecting import run
from eventflow_stats_tests.engine.reading.ask import request
from eventflow_stats_tests.engine.reading.explaining_oracle import DIMENSIONS, ClientsFacts, Key
from eventflow_stats_tests.facts import Entry, Link, Product, Visit, connect, forget_everything

ZONE = "Europe/Berlin"
LONG_DAY = date(2026, 10, 25)
"""This day has 25 hours."""
BEGINS = datetime(2026, 10, 25, tzinfo=ZoneInfo(ZONE)).astimezone(UTC)
ENDS = datetime(2026, 10, 26, tzinfo=ZoneInfo(ZONE)).astimezone(UTC)
NOON = BEGINS + timedelta(hours=12)
MOMENTS = [
    *(BEGINS - timedelta(minutes=minutes) for minutes in (90, 59, 0)),
    NOON,
    *(ENDS - timedelta(minutes=minutes) for minutes in (1, 0, -59, -60, -300)),
]


class Shop(NamedTuple):
    database: Database
    product: Product
    connection: "psycopg.Connection[tuple[object, ...]]"


@pytest.fixture
def shop(new_database: Callable[[str], Database]) -> Iterator[Shop]:
    database = new_database(ZONE)
    with connect(database) as connection:
        yield Shop(database, Product(connection), connection)


class Client(NamedTuple):
    id: UUID
    campaigns: tuple[UUID, UUID]
    webinar: UUID
    links: tuple[Link, Link]


def create_dimensions(product: Product) -> tuple[Client, Client]:
    """Two clients whose links share a cid."""

    def new_client(*cids: str) -> Client:
        client = product.client()
        campaigns = product.campaign(client), product.campaign(client)
        first, second = (product.link(campaigns[0], cid) for cid in cids)
        for cid in ("bbb", "bbb ", " Ddd"):
            product.link(campaigns[1], cid)
        return Client(client, campaigns, product.webinar(client), (first, second))

    return new_client("AAA", "BBB"), new_client("AAA", "CCC")


def some_facts(chosen: random.Random, ours: Client, theirs: Client) -> Iterator[Visit | Entry]:
    """Visits and entries in few groups, so that several are in one group; the first values of a list are drawn most
    often."""

    def one(*values: Any) -> Any:
        return chosen.choice(values[:1] * 5 + values)

    def common() -> dict[str, Any]:
        return {
            "at": one(NOON, *MOMENTS),
            "cid": one(None, " ", "aaa\n", "BBB", "bbb", "DDD\t", "CCC", "nowhere"),
            "utm_source": one(None, "", "kakao", "__null__"),
            "utm_medium": one(None, "chat"),
        }

    for _ in range(60):
        campaign, webinar = one(
            (ours.campaigns[0], None), (ours.campaigns[1], None), (None, ours.webinar), (theirs.campaigns[0], None)
        )
        yield Visit(
            campaign_id=campaign,
            webinar_id=webinar,
            session_id=one("1", "2", "3", ""),
            link_id=one(None, ours.links[0].id, theirs.links[1].id),
            **common(),
        )
    for _ in range(20):
        yield Entry(
            campaign_id=one(*ours.campaigns, theirs.campaigns[0]),
            link_id=one(None, ours.links[0].id, uuid4()),
            completed_at=one(None, *MOMENTS),
            **common(),
        )


def test_every_number_of_every_group_equals_an_independent_count(shop: Shop) -> None:
    seen: Counter[str] = Counter()
    for seed in range(3):
        forget_everything(shop.connection)
        product = Product(shop.connection)
        ours, theirs = create_dimensions(product)
        product.add(*some_facts(random.Random(seed), ours, theirs))
        list(rebuild(shop.database, [LONG_DAY]))

        counted = ClientsFacts(product.world, ours.id, ZONE)
        answer = explain(shop.database, ours.id, LONG_DAY, AskedGroup())
        expected = counted.keys(LONG_DAY)
        assert {key_of(group) for group in answer["groups"]} == expected
        assert answer["matching"] == len(expected)
        for key in expected:
            answer = explain(shop.database, ours.id, LONG_DAY, exactly(key))
            message = answer["explanation"]
            assert message["agrees"] is True
            assert message["result"] == "the rollup equals the facts"
            numbers = counted.explained(LONG_DAY, key, BEGINS, ENDS)
            assert numbers_in(message) == numbers
            assert_adds_up(answer)
            seen.update(leaves(numbers))
    # Every number was greater than 0 at least once, except sessions of entries, which have none.
    assert [name for name, number in seen.items() if not number] == [".elsewhere.same_session.entries"]
    assert len(seen) == 31


def test_the_views_that_explain_the_group_of_a_fact_give_the_same_groups(shop: Shop) -> None:
    """Two pairs of views have one definition: neither has a row that the other lacks."""
    product = shop.product
    clients = create_dimensions(product)
    product.add(*(fact for seed in range(20) for fact in some_facts(random.Random(seed), *clients)))
    key = "fact_id, client_id, campaign_id, link_id, utm_source, utm_medium, utm_campaign, event_at, fact_version"
    for kind, columns, facts in (("visit", f"{key}, session_key", 1200), ("conversion", key, 400)):
        here, there = (f"(SELECT {columns} FROM eventflow_stats.{kind}_{of})" for of in ("facts", "attribution"))
        for either, other in ((here, there), (there, here)):
            query = f"SELECT (SELECT count(*) FROM ({either} EXCEPT ALL {other}) AS odd), count(*) FROM {either} AS f"
            assert shop.connection.execute(query.encode()).fetchone() == (0, facts)


def leaves(part: Any, name: str = "") -> Counter[str]:
    """Every number at every depth, by its path; those of neighbours and days are summed."""
    found: Counter[str] = Counter()
    if isinstance(part, int):
        found[name] += part
        return found
    if isinstance(part, dict):
        for key, value in part.items():
            found.update(leaves(value, f"{name}.{key}" if isinstance(key, str) else name))
    elif isinstance(part, list):
        for value in part:
            found.update(leaves(value, name))
    return found


def assert_adds_up(answer: dict[str, Any]) -> None:
    """Counted and excluded facts together are all facts of the client-day; each part is the sum of its parts."""
    day, message = answer["of_the_day"], answer["explanation"]
    found, rest = message["counted"], message["elsewhere"]
    for name in ("visit_rows", "entries"):
        assert found[name] + rest[name] == day[name]
        assert sum(rest[kind][name] for kind in ("same_session", "other_link", "other")) == rest[name]
    assert found["visit_rows"] - found["folded_rows"] == found["visits"] == message["measured"]["visits"]
    assert found["sessions"] + found["rows_without_session"] == found["visits"]
    rules = ("stored_link_id", "cid_of_visit", "cid_in_registration", "unknown_cid", "none")
    assert sum(message["link_rules"][rule] for rule in rules) == found["visit_rows"] + found["entries"]
    if message["agrees"] and message["stored"]:
        assert (message["stored"]["visits"], message["stored"]["conversions"]) == (found["visits"], found["entries"])


def key_of(group: dict[str, Any]) -> Key:
    campaign, link = (group[name] and UUID(group[name]) for name in ("campaign_id", "link_id"))
    return campaign, link, group["utm_source"], group["utm_medium"], group["utm_campaign"]


def exactly(key: Key) -> AskedGroup:
    return AskedGroup(*(quote_dimension(None if value is None else str(value)) for value in key))


def numbers_in(message: dict[str, Any]) -> dict[str, Any]:
    """The parts that the oracle counts: an explanation without samples, words and names."""
    unsaid = {"fact_ids", "rule", "campaign_name", "link_name", *DIMENSIONS}

    def said(part: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in part.items() if name not in unsaid}

    assert message["neighbours_in_all"] == len(message["neighbours"]) <= 20
    return {
        **{name: said(message[name]) for name in ("counted", "link_rules", "elsewhere")},
        "neighbours": {key_of(near): said(near) for near in message["neighbours"]},
        "neighbouring_days": [said(day) for day in message["neighbouring_days"]],
    }


def test_wrong_stale_and_missing_are_reported_separately(shop: Shop) -> None:
    database, product = shop.database, shop.product
    (ours, (campaign, _), _, _), _ = create_dimensions(product)
    visit = Visit(at=NOON, campaign_id=campaign, session_id="1", utm_source="kakao")
    product.add(visit, Visit(at=NOON, campaign_id=campaign, session_id="1", utm_source="kakao"))

    def message() -> tuple[Any, ...]:
        answer = explain(database, ours, LONG_DAY, AskedGroup(source="kakao"))
        found = answer["explanation"]
        stored = found["stored"] and found["stored"]["visits"]
        assert found["agrees"] == (stored == found["measured"]["visits"]) == (answer["matching_that_differ"] == 0)
        return stored, found["measured"]["visits"], found["result"]

    assert message() == (None, 1, "the day was never computed")
    list(rebuild(database, [LONG_DAY]))
    list(verify(database, [LONG_DAY]))
    assert message() == (1, 1, "the rollup equals the facts")
    assert explain(database, ours, LONG_DAY, AskedGroup())["ledger"]["verified_since_computed"] is True

    shop.connection.execute("UPDATE marketing_stats_daily SET visits = 7")
    wrong = "the row is wrong: it differs from facts that have not changed"
    assert message() == (7, 1, wrong)
    list(verify(database, [LONG_DAY]))
    (found,) = explain(database, ours, LONG_DAY, AskedGroup(source="kakao"))["explanation"]["discrepancies"]
    assert (found["stored_visits"], found["true_visits"], found["repaired_at"]) == (7, 1, None)
    list(rebuild(database, [LONG_DAY]))
    (found,) = explain(database, ours, LONG_DAY, AskedGroup(source="kakao"))["explanation"]["discrepancies"]
    assert found["repaired_at"] is not None

    # A row without facts can be asked for after its repair. The day does not count it.
    shop.connection.execute(
        "INSERT INTO marketing_stats_daily (id, client_id, bucket_date, utm_source, visits) "
        "VALUES (gen_random_uuid(), %s, %s, 'invented', 3)",
        [ours, LONG_DAY],
    )
    list(verify(database, [LONG_DAY]))
    list(rebuild(database, [LONG_DAY]))
    answer = explain(database, ours, LONG_DAY, AskedGroup(source="invented"))
    gone = "neither the rollup nor the facts have this group: its row was wrong, and was deleted"
    assert (answer["explanation"]["result"], answer["explanation"]["stored"]) == (gone, None)
    (found,) = answer["explanation"]["discrepancies"]
    assert (found["stored_visits"], found["true_visits"], found["repaired_by"]) == (3, None, "rebuild")
    assert (answer["of_the_day"]["groups"], answer["matching_that_differ"]) == (1, 0)

    product.change(visit, session_id="2")
    assert message() == (1, 2, "the facts changed after the client-day was computed, which was not detected yet")
    detect(database)
    assert message() == (1, 2, "the client-day is stale and will be recomputed (new facts)")

    # A group whose facts were deleted is in the rollup until it is recomputed.
    product.delete(list(product.world.visits.values()))
    answer = explain(database, ours, LONG_DAY, AskedGroup(source="kakao"))
    assert (answer["explanation"]["stored"]["visits"], answer["explanation"]["counted"]["visit_rows"]) == (1, 0)
    assert answer["explanation"]["agrees"] is False


def test_a_dimension_can_be_absent_a_literal_a_name_or_an_id(shop: Shop) -> None:
    database, product = shop.database, shop.product
    (ours, (campaign, other), _, (link, _)), _ = create_dimensions(product)
    shop.connection.execute("UPDATE campaign_link_meta SET name = 'none' WHERE id = %s", [link.id])
    long = "k" * 900
    sources = (None, "none", "__null__", '"quoted"', long, "kakao")
    product.add(*(Visit(at=NOON, campaign_id=campaign, utm_source=source) for source in sources))
    product.add(Visit(at=NOON, campaign_id=other, link_id=link.id, utm_source="kakao"))

    def matching(**asked: str) -> list[tuple[Any, Any]]:
        found = explain(database, ours, LONG_DAY, AskedGroup(**asked))["groups"]
        return [(group["utm_source"], group["link_id"]) for group in found]

    for absent in ("none", "__null__"):
        assert matching(source=absent) == [(None, None)]
        assert matching(source=f'"{absent}"') == [(absent, None)]
        assert len(matching(link=absent)) == 6
    assert matching(source='""quoted""') == [('"quoted"', None)]
    ((stored, _),) = matching(source=long)
    assert len(stored) < 300
    assert matching(source=stored) == [(stored, None)]
    for asked in ('"none"', str(link.id), str(link.id).upper()):
        assert matching(link=asked) == [("kakao", str(link.id))]
    assert matching(campaign=str(other), source="kakao") == [("kakao", str(link.id))]
    assert len(matching(source="kakao")) == 2
    # Every group is singled out by what quote_dimension writes.
    for group in explain(database, ours, LONG_DAY, AskedGroup())["groups"]:
        assert explain(database, ours, LONG_DAY, exactly(key_of(group)))["groups"] == [group]

    # Also if there are more groups of links than are listed.
    product.add(*(Visit(at=NOON, campaign_id=other, link_id=link.id, utm_medium=f"{n}") for n in range(60)))
    assert matching(source="kakao", link="none") == [("kakao", None)]

    nothing = explain(database, ours, LONG_DAY, AskedGroup(source="kakao", link="none", medium="chat"))
    assert (nothing["matching"], nothing["groups"], nothing["explanation"]) == (0, [], None)
    assert (nothing["nearest"][0]["utm_source"], nothing["nearest"][0]["link_id"]) == ("kakao", None)
    with pytest.raises(psycopg.Error, match="a dimension is empty"), connect(database) as connection:
        connection.execute("SELECT eventflow_stats.explain_day(%s, %s, NULL, NULL, NULL, '', NULL)", [ours, LONG_DAY])


def test_the_rule_for_a_neighbouring_fact_is_reported_in_words(shop: Shop) -> None:
    database, product = shop.database, shop.product
    (ours, (campaign, _), _, (first, second)), (_, _, _, (_, theirs)) = create_dimensions(product)
    gone = product.link(campaign, "GONE")
    product.add(
        Visit(at=NOON, campaign_id=campaign, session_id="1", cid="aaa"),
        Visit(at=NOON, campaign_id=campaign, session_id="1", cid="AAA", link_id=second.id),
        Visit(at=NOON, campaign_id=campaign, session_id="1", cid=theirs.cid),
        Entry(at=NOON, campaign_id=campaign, link_id=gone.id),
    )
    shop.connection.execute("DELETE FROM campaign_link_meta WHERE id = %s", [gone.id])
    message = explain(database, ours, LONG_DAY, AskedGroup(link=str(first.id)))["explanation"]
    rules = {near["link_id"]: near["rule"] for near in message["neighbours"]}
    shared = "1 of the sessions are in both groups and count once in each"
    assert rules == {
        str(
            second.id
        ): f"differs in link_id; {shared}; 1 of its facts have the cid of this link, but the link id stored "
        "with them goes before the cid",
        # The cid of another client's link is a cid of no link.
        None: f"differs in link_id; {shared}; 1 of its facts have a cid that names no link of the client",
        str(gone.id): "differs in link_id",
    }
    message = explain(database, ours, LONG_DAY, AskedGroup(link=str(gone.id)))
    assert message["groups"][0]["link_name"] is None
    assert message["explanation"]["link_rules"]["stored_link_unknown"] == 1
    assert str(theirs.id) not in str(message)


def test_an_adjustment_is_beside_the_numbers_and_in_none_of_them(shop: Shop) -> None:
    database, product = shop.database, shop.product
    (ours, (campaign, _), _, _), _ = create_dimensions(product)
    product.add(Visit(at=NOON, campaign_id=campaign, utm_source="kakao"))
    list(rebuild(database, [LONG_DAY]))
    for source in ("kakao", "kakao", "naver"):
        shop.connection.execute(
            "INSERT INTO eventflow_stats.adjustments (client_id, bucket_date, campaign_id, utm_source, visits_delta, "
            "reason, author) VALUES (%s, %s, %s, %s, 5, 'our own tests', 'An Author')",
            [ours, LONG_DAY, campaign, source],
        )
    shop.connection.execute("SELECT eventflow_stats.revert_adjustment(2, 'An Author', 'counted twice')")
    answer = explain(database, ours, LONG_DAY, AskedGroup(source="kakao"))
    ((kakao,), message) = answer["groups"], answer["explanation"]
    assert (kakao["visits"], kakao["stored_visits"], kakao["visits_delta"], kakao["agrees"]) == (1, 1, 5, True)
    assert [(found["visits_delta"], found["reason"]) for found in message["adjustments"]] == [(5, "our own tests")]
    # A group that has only an adjustment can be asked for, too.
    answer = explain(database, ours, LONG_DAY, AskedGroup(source="naver"))
    assert answer["explanation"]["result"] == "neither the rollup nor the facts have this group; only adjustments do"
    assert (answer["explanation"]["stored"], answer["explanation"]["agrees"]) == (None, True)
    assert "An Author" not in str(answer)


def test_a_member_gets_what_the_operator_gets_and_other_users_get_nothing(shop: Shop) -> None:
    database, product = shop.database, shop.product
    (ours, (campaign, _), _, _), (theirs, _, _, _) = create_dimensions(product)
    product.add(Visit(at=NOON, campaign_id=campaign, utm_source="kakao"))
    list(rebuild(database, [LONG_DAY]))
    member, stranger = uuid4(), uuid4()
    for client, user in ((ours, member), (theirs, stranger)):
        shop.connection.execute("INSERT INTO client_members VALUES (%s, %s, 'member')", [client, user])
    asked = "SELECT public.marketing_explain(client_id => %s, day => %s, utm_source => 'kakao')"
    with request(database, member) as connection:
        message = connection.execute(asked.encode(), [ours, LONG_DAY]).fetchone()
        assert message == (explain(database, ours, LONG_DAY, AskedGroup(source="kakao")),)
        assert message[0]["explanation"]["agrees"] is True
        # Without a day it is today.
        (today,) = connection.execute(b"SELECT public.marketing_explain(%s)", [ours]).fetchone() or (None,)
        assert today is not None
        assert today["day"] == str(datetime.now(ZoneInfo(ZONE)).date())
    refusals = []
    for sub, client in ((stranger, ours), (stranger, uuid4()), (None, ours)):
        with request(database, sub) as connection, pytest.raises(psycopg.Error) as refused:
            connection.execute(asked.encode(), [client, LONG_DAY])
        refusals.append((refused.value.sqlstate, str(refused.value)))
    assert set(refusals) == {refusals[0]}
    assert refusals[0][0] == "PT404"
    with request(database, member, "anon") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(asked.encode(), [ours, LONG_DAY])


def test_a_product_whose_entries_have_no_completion_is_explained_without_it(product_database: Database) -> None:
    run(product_database, "ALTER TABLE event_survey_entries DROP COLUMN completed_at")
    migrate(product_database)
    ours = uuid4()
    run(
        product_database,
        f"""INSERT INTO clients (id, name) VALUES ('{ours}', 'A client');
        INSERT INTO event_survey_campaigns (id, client_id, title, public_path, created_by)
            SELECT '{ours}', '{ours}', 'c', 'c', id FROM profiles;
        INSERT INTO event_survey_entries (campaign_id, client_id, phone_norm, survey_no, code6, created_at)
            VALUES ('{ours}', '{ours}', '1', 1, '1', '2026-10-25 12:00Z')""",
    )
    message = explain(product_database, ours, LONG_DAY, AskedGroup())["explanation"]["counted"]
    assert (message["entries"], message["entries_completed_on_another_day"]) == (1, 0)
