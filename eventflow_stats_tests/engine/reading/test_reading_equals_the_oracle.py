"""For any facts, the rollup, the facts and any mixture of both give the answer of the oracle, and it adds up."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats_tests.engine.reading.ask import ask, numbers_of, request
from eventflow_stats_tests.engine.reading.reading_oracle import (
    OwnLink,
    expected_link_numbers,
    expected_link_stats,
    expected_summary,
    labelled,
    range_of,
    rate,
)
from eventflow_stats_tests.engine.rollup.test_rebuild_equals_the_oracle import (
    MIDDLE_DAYS,
    a_world,
    facts_of,
    texts,
    zoned,  # noqa: F401
)
from eventflow_stats_tests.facts import Entry, Product, Visit, connect, forget_everything

Zoned = Callable[[str], tuple[Database, "psycopg.Connection[Any]"]]


@pytest.mark.parametrize("case", MIDDLE_DAYS)
@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_rollup_facts_and_any_mixture_give_the_oracles_answer(
    zoned: Zoned,  # noqa: F811
    case: str,
    data: st.DataObject,
) -> None:
    zone, middle = case.split(" ")[0], MIDDLE_DAYS[case]
    days = range_of(middle - timedelta(days=2), middle + timedelta(days=2))
    database, connection = zoned(zone)
    forget_everything(connection)
    product = Product(connection)
    a_world(product)
    links = data.draw(st.fixed_dictionaries({link.id: own_links for link in product.world.links}), label="links")
    describe_links(connection, links)
    product.add(*data.draw(facts_of(product, zone, days[1:-1]), label="facts"))
    client = data.draw(st.sampled_from(product.world.clients), label="client")
    own = {link.id: links[link.id] for link in product.world.links if link.client_id == client}
    expected = expected_answers(product, zone, client, own, days)
    member = uuid4()
    connection.execute("INSERT INTO client_members VALUES (%s, %s, 'member')", [client, member])

    computed = data.draw(st.sets(st.sampled_from(days)), label="days in the rollup first")
    with request(database, member) as reader:
        for in_rollup in (set(), computed, set(days)):
            list(rebuild(database, sorted(in_rollup)))
            answers = answers_of(reader, client, own, days)
            assert {name: simplified(answer) for name, answer in answers.items()} == expected
            for answer in answers.values():
                assert answer["_coverage"] == {
                    "aggregated_days": len(in_rollup),
                    "raw_days": len(days) - len(in_rollup),
                }
                assert answer["_source"] == ("aggregated" if len(in_rollup) == len(days) else "raw")


@pytest.mark.parametrize("in_rollup", [0, 1, 2], ids=["facts", "mixed", "rollup"])
def test_a_fact_is_on_its_local_day_and_a_missing_utm_is_that_of_the_link(
    new_database: Callable[[str], Database], in_rollup: int
) -> None:
    database = new_database("Asia/Seoul")
    days = range_of(date(2024, 5, 1), date(2024, 5, 2))
    midnight = datetime(2024, 5, 1, 15, tzinfo=UTC)
    with connect(database) as connection:
        product = Product(connection)
        client = product.client()
        campaign = product.campaign(client)
        link = product.link(campaign)
        describe_links(connection, {link.id: OwnLink("a link", utm_source="link's", utm_medium="", utm_campaign=None)})
        for hours, entries in ((-15, 1), (-1, 2), (0, 4), (23, 8)):
            fact: dict[str, Any] = {
                "at": midnight + timedelta(hours=hours),
                "campaign_id": campaign,
                "link_id": link.id,
            }
            product.add(*(Entry(**fact, utm_medium="own") for _ in range(entries)))
            product.add(Visit(**fact, session_id="the same", utm_source="own"))
        product.add(Visit(at=midnight, campaign_id=campaign, link_id=link.id, session_id="another", utm_source="own"))
        list(rebuild(database, days[:in_rollup]))
        with request(database, member_of(connection, client)) as reader:
            stats = ask(reader, "link_stats", client, days[0], days[1], link=link.id)
            summary = ask(reader, "summary", client, days[0], days[1])
    assert stats["_coverage"] == {"aggregated_days": in_rollup, "raw_days": 2 - in_rollup}
    # The session has two facts on each day: one visit a day.
    assert [(day["visits"], day["conversions"]) for day in stats["daily_data"]] == [(1, 3), (2, 12)]
    assert [(item["source"], item["medium"], item["count"]) for item in summary["conversions_by_combo"]] == [
        ("link's", "own", 15),
        ("own", None, 0),
    ]


def test_a_stale_client_day_and_a_wrong_one_are_answered_from_facts(database: Database) -> None:
    with connect(database) as connection:
        product = Product(connection)
        client = product.client()
        campaign = product.campaign(client)
        noon = datetime(2024, 5, 1, 12, tzinfo=UTC)
        product.add(Visit(at=noon, campaign_id=campaign, session_id="first"))
        member = member_of(connection, client)
        list(rebuild(database, [noon.date()]))
        detect(database)
        with request(database, member) as reader:
            assert visits_and_source(reader, client, noon.date()) == (1, "aggregated")

            product.add(Visit(at=noon, ingested_at=datetime.now(UTC), campaign_id=campaign, session_id="second"))
            assert visits_and_source(reader, client, noon.date()) == (1, "aggregated")
            detect(database)
            assert visits_and_source(reader, client, noon.date()) == (2, "raw")
            list(rebuild(database, [noon.date()]))
            assert visits_and_source(reader, client, noon.date()) == (2, "aggregated")

            connection.execute("UPDATE marketing_stats_daily SET visits = 7")
            assert visits_and_source(reader, client, noon.date()) == (7, "aggregated")
            assert [day.result for day in verify(database, [noon.date()])] == ["wrong"]
            assert visits_and_source(reader, client, noon.date()) == (2, "raw")


def test_days_rebuilt_for_one_client_are_aggregated_only_for_that_client(database: Database) -> None:
    with connect(database) as connection:
        product = Product(connection)
        clients = [product.client(), product.client()]
        noon = datetime(2024, 5, 1, 12, tzinfo=UTC)
        for client in clients:
            product.add(Visit(at=noon, campaign_id=product.campaign(client), session_id="one"))
        list(rebuild(database, [noon.date()], clients=clients[:1]))
        sources = []
        for client in clients:
            with request(database, member_of(connection, client)) as reader:
                sources.append(visits_and_source(reader, client, noon.date()))
        assert sources == [(1, "aggregated"), (1, "raw")]


def test_the_answer_has_the_end_of_its_count_and_its_oldest_verification(database: Database) -> None:
    days = range_of(date(2024, 5, 1), date(2024, 5, 2))
    with connect(database) as connection:
        client = Product(connection).client()
        with request(database, member_of(connection, client)) as reader:

            def freshness() -> dict[str, Any]:
                return dict(ask(reader, "summary", client, days[0], days[1])["_freshness"])

            nothing_known = {"held_days": 0, "unswept_changes": None, "unverifiable_since": None}

            def stored(statement: str) -> str:
                row = connection.execute(statement.encode()).fetchone()
                assert row is not None
                moment: datetime = row[0].astimezone(UTC)
                return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"

            assert freshness()["oldest_verification"] is None
            list(rebuild(database, days))
            through = stored("SELECT min(rebuilt_at) FROM eventflow_stats.days")
            assert freshness() == {"computed_through": through, "oldest_verification": None, **nothing_known}
            list(verify(database, days[:1]))
            assert freshness()["oldest_verification"] is None
            list(verify(database, days[1:]))
            verification = stored("SELECT min(whole_verified_at) FROM eventflow_stats.days")
            assert freshness() == {"computed_through": through, "oldest_verification": verification, **nothing_known}
            detect(database)
            through = stored("SELECT detected_at FROM eventflow_stats.progress")
            assert freshness() == {"computed_through": through, "oldest_verification": verification, **nothing_known}
            list(rebuild(database, days[:1]))
            assert freshness()["oldest_verification"] is None


def test_a_manual_adjustment_is_included_and_shown_until_it_is_reverted(database: Database) -> None:
    with connect(database) as connection:
        product = Product(connection)
        client = product.client()
        campaign = product.campaign(client)
        link = product.link(campaign)
        noon = datetime(2024, 5, 1, 12, tzinfo=UTC)
        product.add(*(Visit(at=noon, campaign_id=campaign, link_id=link.id) for _ in range(4)))
        product.add(Entry(at=noon, campaign_id=campaign))
        connection.execute(
            "INSERT INTO eventflow_stats.adjustments "
            "(client_id, bucket_date, marketing_campaign_link_id, visits_delta, conversions_delta, reason, author) "
            "SELECT c, '2024-05-01', %s, -2, 5, 'a test', 'a tester' FROM unnest(%s::uuid[]) AS c",
            [link.id, [client, uuid4()]],
        )
        with request(database, member_of(connection, client)) as reader:

            def message() -> list[Any]:
                asked = (client, noon.date(), noon.date())
                summary, overview = ask(reader, "summary", *asked), ask(reader, "overview", *asked)
                links, one = ask(reader, "links", *asked), ask(reader, "link_stats", *asked, link=link.id)
                return [
                    (summary["total_visits"], summary["total_conversions"], summary["_source"]),
                    (overview["marketing"]["total_visits"], overview["marketing"]["total_conversions"]),
                    (links["links"][0]["visits_count"], links["links"][0]["conversion_count"]),
                    (one["stats"]["visits"], one["stats"]["conversions"]),
                    *(answer.get("_adjusted") for answer in (summary, overview, links, one)),
                ]

            said = {"adjustments": 1, "visits_delta": -2, "conversions_delta": 5}
            of_client = {**said, "measured": {"visits": 4, "conversions": 1}}
            of_link = {**said, "measured": {"visits": 4, "conversions": 0}}
            assert message() == [(2, 6, "raw"), (2, 6), (2, 5), (2, 5), *[of_client] * 3, of_link]
            list(rebuild(database, [noon.date()]))
            assert message() == [(2, 6, "aggregated"), (2, 6), (2, 5), (2, 5), *[of_client] * 3, of_link]
            connection.execute(
                "UPDATE eventflow_stats.adjustments SET reverted_by = 'a tester', reverted_reason = 'over'"
            )
            assert message() == [(4, 1, "aggregated"), (4, 1), (4, 0), (4, 0), *[None] * 4]


own_links = st.builds(
    OwnLink,
    name=st.uuids().map(str),
    status=st.sampled_from(["active", "paused", "archived"]),
    utm_source=st.none() | texts,
    utm_medium=st.none() | texts,
    utm_campaign=st.none() | texts,
)


def describe_links(connection: "psycopg.Connection[Any]", links: dict[UUID, OwnLink]) -> None:
    for link_id, link in links.items():
        connection.execute(
            "UPDATE campaign_link_meta SET name = %s, status = %s, utm_source = %s, utm_medium = %s, utm_campaign = %s "
            "WHERE id = %s",
            [link.name, link.status, link.utm_source, link.utm_medium, link.utm_campaign, link_id],
        )


def member_of(connection: "psycopg.Connection[Any]", client: UUID) -> UUID:
    member = uuid4()
    connection.execute("INSERT INTO client_members VALUES (%s, %s, 'member')", [client, member])
    return member


def visits_and_source(reader: "psycopg.Connection[Any]", client: UUID, day: date) -> tuple[int, str]:
    answer = ask(reader, "summary", client, day, day)
    return answer["total_visits"], answer["_source"]


def answers_of(
    reader: "psycopg.Connection[Any]", client: UUID, own: dict[UUID, OwnLink], days: list[date]
) -> dict[str, dict[str, Any]]:
    """The answers of every read function for a range, for each link too."""
    asked = (client, days[0], days[-1])
    found = {name: ask(reader, name, *asked) for name in ("summary", "links", "overview")}
    return found | {f"link {link}": ask(reader, "link_stats", *asked, link=link) for link in own}


def simplified(answer: dict[str, Any]) -> Any:
    """An answer without its metadata, with only those parts of links that the oracle has, and with the success rate
    before rounding."""
    found = numbers_of(answer)
    if "links" in found and "unlinked" in found:
        assert all(link["id"] and link["created_at"] and "cid" in link for link in found["links"])
        order = [(-link["conversion_count"], link["name"], link["id"]) for link in found["links"]]
        assert order == sorted(order)
        pairs = {link["id"]: link for link in found["links"]} | {None: found["unlinked"]}
        return {
            key: (link["visits_count"], link["conversion_count"], float(link["cvr"])) for key, link in pairs.items()
        }
    return found


def expected_answers(
    product: Product, zone: str, client: UUID, own: dict[UUID, OwnLink], days: list[date]
) -> dict[str, Any]:
    groups = labelled(product.world, zone, client, own, days)
    summary = expected_summary(groups, own, days)
    metadata = summary["tracking_metadata"]
    share = Decimal(metadata["tracking_success_rate"]).quantize(Decimal("0.1"), ROUND_HALF_UP)
    metadata["tracking_success_rate"] = f"{share}%"
    adds_up(summary)
    of_links = expected_link_numbers(groups, own)
    visits, conversions = summary["total_visits"], summary["total_conversions"]
    webinars = sum(owner == client for owner in product.world.webinars.values())
    campaigns = sum(owner == client for owner in product.world.campaigns.values())
    linked = [counted for link, counted in of_links.items() if link is not None]
    return {
        "summary": summary,
        "links": {link: (*counted, rate(*counted)) for link, counted in of_links.items()},
        "overview": {
            "client_id": str(client),
            "date_range": summary["date_range"],
            "marketing": {
                "total_conversions": conversions, "total_visits": visits, "avg_cvr": summary["avg_cvr"],
            },
            "webinars": {"total_webinars": webinars, "total_registrants": 0},
            "campaigns": {"total_campaigns": campaigns, "total_conversions": conversions},
            "links": {
                "total_links": len(own), "active_links": summary["active_links"],
                "total_conversions": sum(count for _, count in linked), "total_visits": sum(seen for seen, _ in linked),
            },
            "summary": {
                "total_conversions": conversions, "total_visits": visits, "total_webinars": webinars,
                "total_campaigns": campaigns, "total_links": len(own),
            },
        },
        **{f"link {link_id}": expected_link_stats(groups, link_id, link, days) for link_id, link in own.items()},
    }  # fmt: skip


def adds_up(summary: dict[str, Any]) -> None:
    """Every breakdown adds up to both totals: checked for the oracle, which each answer equals."""
    for name, items in summary.items():
        if name.startswith("conversions_by_"):
            assert sum(item["count"] for item in items) == summary["total_conversions"], name
            assert sum(item["visits"] for item in items) == summary["total_visits"], name
