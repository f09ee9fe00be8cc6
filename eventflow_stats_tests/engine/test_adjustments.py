"""Manual adjustments: added, reverted, never rewritten, beside the measured numbers and never in them."""

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventflow_stats.engine.adjustments import (
    AdjustmentResult,
    NewAdjustment,
    adjustments,
    adjustments_of_days,
    groups_below_zero,
    open_ledger,
)
from eventflow_stats.engine.group_key import GroupKey
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import InvalidInput
from eventflow_stats_tests.engine.postgres.inspecting import everything_in
from eventflow_stats_tests.engine.reading.ask import ask, request
from eventflow_stats_tests.facts import Entry, Product, Visit, connect, forget_everything

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
DAY = NOON.date()
LEDGER = "eventflow_stats.adjustments"
WAITS = (
    "SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database AND d.datname = current_database() "
    "WHERE locktype = 'advisory' AND NOT granted"
)


class Shop:
    """``ours`` has a campaign and a link with 3 visits and 1 entry on DAY; ``theirs`` has a campaign and a link."""

    def __init__(self, database: Database, connection: "psycopg.Connection[Any]") -> None:
        self.database, self.connection = database, connection
        self.product = Product(connection)
        self.ours, self.theirs = self.product.client("ours"), self.product.client("theirs")
        self.campaign, self.their_campaign = self.product.campaign(self.ours), self.product.campaign(self.theirs)
        self.link, self.their_link = (self.product.link(of).id for of in (self.campaign, self.their_campaign))
        self.other_link = self.product.link(self.campaign).id
        self.group = GroupKey(self.ours, DAY, self.campaign, self.link, "kakao")
        of: dict[str, Any] = {"campaign_id": self.campaign, "link_id": self.link, "utm_source": "kakao"}
        self.product.add(*(Visit(at=NOON, session_id=str(n), **of) for n in range(3)), Entry(at=NOON, **of))
        # Facts of similar groups, which must not count for the group.
        self.product.add(
            Visit(at=NOON + timedelta(days=1), session_id="0", **of),
            Visit(at=NOON, session_id="0", **of | {"utm_source": None}),
        )
        self.member = uuid4()
        connection.execute("INSERT INTO client_members VALUES (%s, %s, 'member')", [self.ours, self.member])

    def adjustment(self, visits: int = 0, conversions: int = 0, **other: Any) -> NewAdjustment:
        group = other.pop("group", self.group)
        return NewAdjustment(group, visits, conversions, **{"reason": "a crawler", "author": "Kim", **other})

    def add(self, *adjustment: Any, again: bool = False, execute: bool = True, **named: Any) -> AdjustmentResult:
        with open_ledger(self.database, execute) as ledger:
            return ledger.add(self.adjustment(*adjustment, **named), again)

    def revert(self, adjustment_id: int, author: str = "Lee", reason: str = "no crawler") -> AdjustmentResult:
        with open_ledger(self.database, execute=True) as ledger:
            return ledger.revert(adjustment_id, author, reason)


def one(shop: Shop, statement: str) -> Any:
    row = shop.connection.execute(statement.encode()).fetchone()
    assert row is not None
    return row[0]


INVISIBLE = ("\u3000", "\u00a0 \u200b", "\u2028\t", "\ufeff", "\u2800\u3164")
"""Texts that a person cannot read."""


@pytest.fixture
def shop(database: Database) -> Any:
    with connect(database) as connection:
        yield Shop(database, connection)


def test_an_adjustment_and_its_revert_are_signed(shop: Shop) -> None:
    added = shop.add(-2, 4)
    after = added.after
    assert (after.measured_visits, after.measured_conversions) == (3, 1)
    assert (after.adjustments, after.visits_delta, after.conversions_delta) == (1, -2, 4)
    row = added.adjustment
    assert (row.adjustment_id, row.group, row.visits_delta, row.conversions_delta) == (1, shop.group, -2, 4)
    login = one(shop, "SELECT session_user")
    assert (row.author, row.reason, row.recorded_by, row.reverted_at) == ("Kim", "a crawler", login, None)
    assert row.client_name == "ours"
    assert abs(datetime.now(UTC) - row.created_at) < timedelta(minutes=5)
    assert adjustments(shop.database, DAY, DAY, [shop.ours]) == [row]
    assert adjustments(shop.database, clients=[shop.theirs]) == []

    reverted = shop.revert(1)
    assert (reverted.after.adjustments, reverted.after.visits_delta) == (0, 0)
    now = reverted.adjustment
    assert (now.reverted_by, now.reverted_reason, now.reverted_recorded_by) == ("Lee", "no crawler", login)
    assert (now.adjustment_id, now.created_at, now.author, now.visits_delta) == (1, row.created_at, "Kim", -2)
    assert adjustments(shop.database) == []
    assert adjustments(shop.database, reverted=True) == [now]
    assert shop.add(1).adjustment.adjustment_id == 2


def test_a_wrong_adjustment_is_refused_with_what_would_be_right(shop: Shop) -> None:
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    of = (shop.ours, DAY)
    refused: list[tuple[dict[str, Any], str]] = [
        ({"reason": ""}, "the reason is missing; say why"),
        ({"reason": " \t\n"}, "the reason is missing; say why"),
        ({"author": ""}, "the author is missing; name the person"),
        ({"author": "\r\n "}, "the author is missing; name the person"),
        *(({"reason": blank}, "the reason is missing; say why the number is adjusted") for blank in INVISIBLE),
        *(
            ({"author": blank}, "the author is missing; name the person who answers for the corr")
            for blank in INVISIBLE
        ),
        ({"visits": 0}, "the adjustment changes nothing; give visits or conversions"),
        ({"visits": 1_000_000_001}, "the adjustment is too large; 1000000000 at most"),
        ({"conversions": -(2**62)}, "the adjustment is too large"),
        ({"group": GroupKey(uuid4(), DAY)}, "is unknown; give the id of a client"),
        ({"group": GroupKey(shop.ours, tomorrow)}, f"day {tomorrow} cannot be adjusted; give a day up to today"),
        ({"group": GroupKey(shop.ours, date(2011, 12, 31))}, "days go from 2012-01-01 (setting EVENTFLOW_START_DATE)"),
        ({"group": GroupKey(*of, shop.their_campaign)}, "is another client's; give a campaign of client"),
        ({"group": GroupKey(*of, uuid4())}, "is no client's; give a campaign of client"),
        ({"group": GroupKey(*of, shop.campaign, shop.their_link)}, "is another client's; give a link of client"),
        ({"group": GroupKey(*of, None, uuid4())}, "is no client's; give a link of client"),
        ({"visits": -6}, "visits of this group would be -1: 3 measured, +2 by the adjustments in force, -6 by this"),
        ({"conversions": -2}, "conversions of this group would be -1: 1 measured"),
        ({"visits": -1, "group": GroupKey(*of)}, "what is left out means absent"),
    ]
    shop.add(2, 0)
    before = everything_in(shop.database)
    for wrong, message in refused:
        with pytest.raises(InvalidInput) as refusal:
            shop.add(**{"visits": 1, **wrong})
        assert message in str(refusal.value), wrong
        assert "\n" not in str(refusal.value)
    with pytest.raises(InvalidInput, match="the author is missing"):
        shop.revert(1, author="")
    for blank in (" ", *INVISIBLE):
        with pytest.raises(InvalidInput, match="the reason is missing; say why the adjustment is reverted"):
            shop.revert(1, reason=blank)
        with pytest.raises(InvalidInput, match="the author is missing; name the person who answers for the reverting"):
            shop.revert(1, author=blank)
    with pytest.raises(InvalidInput, match="there is no adjustment 7;"):
        shop.revert(7)
    for day in ("infinity", "-infinity", "0044-03-15 BC", None):
        with pytest.raises(psycopg.Error, match="cannot be adjusted; give a day up to today"):
            shop.connection.execute(
                "SELECT eventflow_stats.add_adjustment(%s, %s, 1, 0, 'a reason', 'Kim')", [shop.ours, day]
            )
    for level in ("REPEATABLE READ", "SERIALIZABLE"):
        shop.connection.execute(f"SET default_transaction_isolation = '{level}'".encode())
        with pytest.raises(psycopg.Error, match="written in READ COMMITTED"):
            shop.connection.execute(
                "SELECT eventflow_stats.add_adjustment(%s, %s, 1, 0, 'a reason', 'Kim')", [shop.ours, DAY]
            )
    assert everything_in(shop.database) == before


def test_the_same_adjustment_twice_is_added_once_unless_it_is_asked_for(shop: Shop) -> None:
    shop.add(-1)
    with pytest.raises(InvalidInput, match=r"adjustment 1 is the same and in force; say again \(--again\)"):
        shop.add(-1)
    others: list[dict[str, Any]] = [
        {"author": "Lee"}, {"reason": "another"}, {"conversions": 1}, {"group": GroupKey(shop.ours, DAY)},
    ]  # fmt: skip
    for other in others:
        shop.add(**{"visits": 1, **other})
    assert shop.add(-1, again=True).adjustment.adjustment_id == 6
    for number in (1, 6):
        shop.revert(number)
    with pytest.raises(InvalidInput, match=r"adjustment 1 was reverted already, by Lee at .* UTC; to have it in force"):
        shop.revert(1)
    assert shop.add(-1).adjustment.adjustment_id == 7


def test_no_adjustment_and_no_revert_brings_a_group_below_zero(shop: Shop) -> None:
    shop.add(+2)
    shop.add(-5)
    with pytest.raises(InvalidInput, match=r"would be -1: 3 measured, -3 by the adjustments in force, -1 by this"):
        shop.add(-1)
    with pytest.raises(InvalidInput, match=r"would be -2: 3 measured, -3 .*, -2 by this; first revert the adjustments"):
        shop.revert(1)
    # If facts disappear, the group below zero is found, and an adjustment upwards is allowed.
    list(rebuild(shop.database, [DAY]))
    assert groups_below_zero(shop.database) == []
    shop.product.delete([visit for visit in list(shop.product.world.visits.values()) if visit.session_id == "2"])
    list(rebuild(shop.database, [DAY]))
    assert groups_below_zero(shop.database) == [shop.group]
    shop.add(+1)
    assert groups_below_zero(shop.database) == []
    shop.revert(2)


def test_a_dry_run_is_refused_like_the_real_one_and_writes_nothing(shop: Shop) -> None:
    shop.add(1)
    before = everything_in(shop.database)
    assert shop.add(-3, execute=False).after.visits_delta == -2
    with open_ledger(shop.database, execute=False) as ledger:
        assert ledger.add(shop.adjustment(-4)).adjustment.adjustment_id == 2
        with pytest.raises(InvalidInput, match="would be -1"):
            ledger.add(shop.adjustment(-1))
    with open_ledger(shop.database, execute=False) as ledger:
        assert ledger.revert(1, "Lee", "no crawler").after.adjustments == 0
    assert everything_in(shop.database) == before


def test_of_two_adjustments_at_once_the_second_sees_the_first(shop: Shop) -> None:
    """Each of them alone is allowed. The second waits, and is checked against what the first has left."""
    refused: list[str] = []

    def second() -> None:
        try:
            shop.add(-2, author="Lee")
        except InvalidInput as error:
            refused.append(str(error))

    waiting = threading.Thread(target=second)
    with open_ledger(shop.database, execute=True) as ledger:
        ledger.add(shop.adjustment(-2))
        waiting.start()
        while not one(shop, WAITS):
            assert waiting.is_alive()
    waiting.join()
    assert refused == [
        "visits of this group would be -1: 3 measured, -2 by the adjustments in force, -2 by this; "
        "take away no more than there is"
    ]


ATTACKS = (
    f"DELETE FROM {LEDGER}",
    f"DELETE FROM {LEDGER} WHERE adjustment_id = 1",
    f"TRUNCATE {LEDGER}",
    f"UPDATE {LEDGER} SET visits_delta = 100",
    f"UPDATE {LEDGER} SET reason = 'another'",
    f"UPDATE {LEDGER} SET author = author",
    f"UPDATE {LEDGER} SET recorded_by = 'nobody'",
    f"UPDATE {LEDGER} SET adjustment_id = adjustment_id + 10",
    f"UPDATE {LEDGER} SET reverted_at = NULL, reverted_by = NULL, reverted_reason = NULL",
    f"UPDATE {LEDGER} SET reverted_at = now() WHERE adjustment_id = 1",
    f"UPDATE {LEDGER} SET reverted_by = 'Lee', reverted_reason = ' ' WHERE adjustment_id = 1",
    f"UPDATE {LEDGER} SET reverted_by = 'Lee', reverted_reason = 'why', visits_delta = 9 WHERE adjustment_id = 1",
    f"UPDATE {LEDGER} SET reverted_by = 'Lee', reverted_reason = 'why' WHERE adjustment_id = 2",
    f"MERGE INTO {LEDGER} USING (SELECT 1) AS x ON true WHEN MATCHED THEN DELETE",
)


def test_no_role_deletes_or_rewrites_an_adjustment_not_even_the_owner_by_accident(shop: Shop) -> None:
    shop.add(-1)
    shop.add(+1)
    shop.revert(2)
    kept = adjustments(shop.database, reverted=True)
    outside = ("anon", "authenticated", "service_role", "eventflow_stats_engine", "eventflow_stats_reader")
    for role in (*outside, None):
        with connect(shop.database) as session:
            if role:
                session.execute(f"SET ROLE {role}".encode())
            for statement in ATTACKS:
                with pytest.raises(psycopg.Error) as refusal:
                    session.execute(statement.encode())
                found = str(refusal.value)
                if role:
                    assert refusal.value.sqlstate == "42501", (role, statement, found)
                else:
                    without_reason = "reverted_reason = ' '" in statement
                    assert refusal.value.sqlstate == ("PT400" if without_reason else "23001"), (statement, found)
                    assert ("the reason is missing" if without_reason else "adjustments are never") in found
    assert adjustments(shop.database, reverted=True) == kept
    # Recorder and time are set by the database, by hand or by function.
    shop.connection.execute(
        f"INSERT INTO {LEDGER} (adjustment_id, client_id, bucket_date, visits_delta, reason, author, recorded_by, "
        "created_at) VALUES (99, %s, %s, 1, 'by hand', 'Kim', 'me', '2001-01-01')".encode(),
        [shop.ours, DAY],
    )
    # A reverted adjustment that is copied back into the ledger would be in force again.
    with pytest.raises(
        psycopg.errors.RestrictViolation, match="cannot be recorded anew: it would count again; restore"
    ):
        shop.connection.execute(f"INSERT INTO {LEDGER} SELECT * FROM {LEDGER} WHERE adjustment_id = 2".encode())
    by_hand = adjustments(shop.database)[0]
    assert (by_hand.adjustment_id, by_hand.recorded_by, by_hand.reverted_at) == (3, kept[0].recorded_by, None)
    assert by_hand.created_at.year > 2001


def answers(shop: Shop, link: UUID) -> dict[str, dict[str, Any]]:
    with request(shop.database, shop.member) as reader:
        asked = (shop.ours, DAY, DAY + timedelta(days=1))
        found = {name: ask(reader, name, *asked) for name in ("summary", "links", "overview")}
        return found | {"link_stats": ask(reader, "link_stats", *asked, link=link)}


def without_source(answer: Any) -> Any:
    """An answer without the parts that say how it was made."""
    if isinstance(answer, dict):
        how = ("_source", "_coverage", "_freshness", "_metadata")
        return {key: without_source(value) for key, value in answer.items() if key not in how}
    return [without_source(value) for value in answer] if isinstance(answer, list) else answer


def version(shop: Shop) -> str | None:
    with request(shop.database, shop.member) as reader:
        row = reader.execute("SELECT public.marketing_version(%s, %s, %s)", [shop.ours, DAY, DAY]).fetchone()
        return None if row is None else row[0]


def test_every_answer_shows_measured_and_adjusted_numbers_from_rollup_and_facts(shop: Shop) -> None:
    shop.product.add(Visit(at=NOON, campaign_id=shop.campaign), Entry(at=NOON, campaign_id=shop.campaign))
    shop.add(+10, -1)
    shop.add(+100, +7, group=GroupKey(shop.ours, DAY, shop.campaign, shop.other_link))
    shop.add(+1000, group=GroupKey(shop.theirs, DAY))
    shop.revert(shop.add(+50).adjustment.adjustment_id)
    raw = answers(shop, shop.link)
    days = [DAY, DAY + timedelta(days=1)]
    list(rebuild(shop.database, days))
    aggregated = answers(shop, shop.link)

    assert {answer["_source"] for answer in raw.values()} == {"raw"}
    assert {answer["_source"] for answer in aggregated.values()} == {"aggregated"}
    assert without_source(raw) == without_source(aggregated)
    whole = {
        "adjustments": 2, "visits_delta": 110, "conversions_delta": 6, "measured": {"visits": 6, "conversions": 2},
    }  # fmt: skip
    for name in ("summary", "links", "overview"):
        assert raw[name]["_adjusted"] == whole, name
    assert (raw["summary"]["total_visits"], raw["summary"]["total_conversions"]) == (116, 8)
    assert raw["link_stats"]["_adjusted"] == {
        "adjustments": 1, "visits_delta": 10, "conversions_delta": -1, "measured": {"visits": 5, "conversions": 1},
    }  # fmt: skip
    assert raw["link_stats"]["stats"] | {"cvr": 0} == {"visits": 15, "conversions": 0, "cvr": 0}
    unmarked = shop.product.link(shop.campaign).id
    assert "_adjusted" not in answers(shop, unmarked)["link_stats"]

    # Every adjustment changes the version, so that a cached answer is not used again.
    versions = [version(shop)]
    added = shop.add(+5, author="Lee").adjustment.adjustment_id
    versions.append(version(shop))
    shop.revert(added)
    assert version(shop) == versions[0] != versions[1]


def test_adjustments_outlive_every_rebuild_and_are_in_no_verification(shop: Shop) -> None:
    list(rebuild(shop.database, [DAY]))
    rollup = "SELECT m::text FROM marketing_stats_daily AS m ORDER BY 1"
    measured = shop.connection.execute(rollup).fetchall()
    shop.add(-3, +2)
    kept = adjustments(shop.database)
    for clients in (None, [shop.ours]):
        assert [day.written for day in rebuild(shop.database, [DAY], clients)] == [0]
        assert [day.result for day in verify(shop.database, [DAY])] == ["verified"]
    assert shop.connection.execute(rollup).fetchall() == measured
    # All facts of the group and the link disappear. The adjustment stays.
    shop.product.delete([*shop.product.world.visits.values(), *shop.product.world.entries.values()])
    list(rebuild(shop.database, [DAY]))
    assert shop.connection.execute(rollup).fetchall() == []
    assert [day.result for day in verify(shop.database, [DAY])] == ["verified"]
    assert adjustments(shop.database) == kept
    days = adjustments_of_days(shop.database, DAY, DAY)
    assert [(day.adjustments, day.visits, day.conversions) for day in days.values()] == [(1, -3, 2)]


def test_totals_are_the_measured_numbers_plus_the_adjustments_in_force(
    new_database: Callable[[str], Database],
) -> None:
    database = new_database("UTC")
    steps = st.lists(
        st.tuples(st.integers(-4, 4), st.integers(-4, 4), st.integers(0, 2)) | st.integers(1, 8), max_size=8
    )

    @given(steps=steps)
    @settings(max_examples=10, deadline=None)
    def holds(steps: list[tuple[int, int, int] | int]) -> None:
        with connect(database) as connection:
            forget_everything(connection)
            shop = Shop(database, connection)
            groups = [shop.group, GroupKey(shop.ours, DAY), GroupKey(shop.ours, DAY, None, shop.other_link)]
            facts = {0: (3, 1), 1: (0, 0), 2: (0, 0)}
            standing: dict[int, tuple[int, int, int]] = {}
            for step in steps:
                try:
                    if isinstance(step, int):
                        numbers = list(standing)
                        wanted = numbers[step % len(numbers)] if numbers else 0
                        shop.revert(wanted)
                        del standing[wanted]
                    else:
                        added = shop.add(step[0], step[1], group=groups[step[2]], again=True)
                        standing[added.adjustment.adjustment_id] = step
                except InvalidInput:
                    continue
            for place, (visits, conversions) in facts.items():
                of_group = [step for step in standing.values() if step[2] == place]
                assert visits + sum(step[0] for step in of_group) >= 0
                assert conversions + sum(step[1] for step in of_group) >= 0
            with request(database, shop.member) as reader:
                answer = ask(reader, "summary", shop.ours, DAY, DAY)
            assert answer["total_visits"] == 4 + sum(step[0] for step in standing.values())
            assert answer["total_conversions"] == 1 + sum(step[1] for step in standing.values())
            message = answer.get("_adjusted", {"measured": {"visits": 4, "conversions": 1}, "adjustments": 0})
            assert (message["measured"], message["adjustments"]) == ({"visits": 4, "conversions": 1}, len(standing))

    holds()
