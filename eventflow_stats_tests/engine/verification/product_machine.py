"""A product that changes its facts in every way and in any order."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats_tests.facts import Entry, Product, Visit, connect, forget_everything
from eventflow_stats_tests.oracle import bucket_date
from eventflow_stats_tests.product_changes import SlowTransaction, change_cid, delete_link, give_webinar, move_campaign

ZONE = "Europe/Berlin"
OLD_DAYS = [date(2024, 3, 30), date(2024, 3, 31), date(2024, 4, 1)]
"""The middle day has 23 hours."""
CIDS = ["LINKAAAA", "LINKBBBB", "LINKCCCC", "linkaaaa", " LinkBBBB"]
MOST_SLOW = 2
Draw = st.DataObject


class ProductMachine(RuleBasedStateMachine):
    """The product's part of the test: the changes of facts, and the facts themselves."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        self.connection = connect(database)
        forget_everything(self.connection)
        self.product = Product(self.connection)
        self.world = self.product.world
        self.slow: list[SlowTransaction] = []
        self.moving = True
        """Whether facts may be changed in other ways than adding. In half of all examples they may not: then a tick
        alone must be enough."""
        self.only_added = True
        """True if since the rollup was last right, facts were only added, with the ingest time of their insertion."""
        today = datetime.now(ZoneInfo(ZONE)).date()
        self.days = [*OLD_DAYS, today - timedelta(days=1), today]

    @rule(data=st.data())
    def add_facts(self, data: Draw) -> None:
        self.product.add(*data.draw(self.facts()))

    @precondition(lambda self: self.moving)
    @rule(data=st.data())
    def add_back_dated_facts(self, data: Draw) -> None:
        self.product.add(*data.draw(self.facts(back_dated=True)))
        self.only_added = False

    @precondition(lambda self: self.moving)
    @rule(data=st.data())
    def change_a_fact(self, data: Draw) -> None:
        self.change_something(data, self.product)

    @precondition(lambda self: self.moving)
    @rule(data=st.data())
    def delete_facts(self, data: Draw) -> None:
        free = self.free_facts()
        if free:
            self.product.delete(data.draw(st.lists(st.sampled_from(free), unique_by=lambda fact: fact.id, max_size=5)))
            self.only_added = False

    @precondition(lambda self: self.moving)
    @rule(data=st.data())
    def delete_a_day(self, data: Draw) -> None:
        day = data.draw(st.sampled_from(self.days))
        self.product.delete(fact for fact in self.free_facts() if bucket_date(fact.at, ZONE) == day)
        self.only_added = False

    @precondition(lambda self: len(self.slow) < MOST_SLOW)
    @rule()
    def begin_a_slow_transaction(self) -> None:
        self.slow.append(SlowTransaction(self.database, self.product))

    @precondition(lambda self: self.slow)
    @rule(data=st.data(), how=st.sampled_from(["add", "add", "add in a savepoint", "add in a savepoint", "move"]))
    def write_in_a_slow_transaction(self, data: Draw, how: str) -> None:
        slow = data.draw(st.sampled_from(self.slow))
        if slow.is_prepared:
            return
        if how == "move" and self.moving:
            self.change_something(data, slow)
        else:
            slow.add(data.draw(self.facts()), in_savepoint=how == "add in a savepoint")

    @precondition(lambda self: self.slow)
    @rule(data=st.data(), how=st.sampled_from(["commit", "commit", "rollback", "prepare"]))
    def end_a_slow_transaction(self, data: Draw, how: str) -> None:
        slow = data.draw(st.sampled_from(self.slow))
        if how == "prepare":
            if not slow.is_prepared:
                slow.prepare()
            return
        if how == "commit":
            self.commit(slow)
        else:
            self.slow.remove(slow)
            slow.rollback()

    def commit(self, slow: SlowTransaction) -> None:
        self.slow.remove(slow)
        slow.commit()
        self.only_added = self.only_added and not slow.moves_facts

    @precondition(lambda self: self.moving)
    @rule(data=st.data())
    def make_a_link(self, data: Draw) -> None:
        campaign = data.draw(self.campaigns())
        self.product.link(campaign, self.unused_cid(data, self.world.campaigns[campaign]))
        self.only_added = False

    @precondition(lambda self: self.moving)
    @rule(data=st.data())
    def change_a_cid(self, data: Draw) -> None:
        if self.world.links:
            link = data.draw(st.sampled_from(self.world.links))
            change_cid(self.product, link, self.unused_cid(data, link.client_id))
            self.only_added = False

    @precondition(lambda self: self.moving)
    @rule(data=st.data())
    def delete_a_link(self, data: Draw) -> None:
        # PostgreSQL would wait for the open transactions whose facts name the link.
        named = {link for slow in self.slow for link in slow.links} | {
            fact.link_id for fact in self.existing_facts() if fact.id in self.locked()
        }
        free = [link for link in self.world.links if link.id not in named]
        if free:
            delete_link(self.product, data.draw(st.sampled_from(free)))
            self.only_added = False

    @precondition(lambda self: self.moving)
    @rule(data=st.data())
    def give_a_campaign_to_another_client(self, data: Draw) -> None:
        move_campaign(self.product, data.draw(self.campaigns()), data.draw(st.sampled_from(self.world.clients)))
        self.only_added = False

    @precondition(lambda self: self.moving)
    @rule(data=st.data())
    def give_a_webinar_to_another_client(self, data: Draw) -> None:
        webinar = data.draw(st.sampled_from(list(self.world.webinars)))
        give_webinar(self.product, webinar, data.draw(st.sampled_from([None, *self.world.clients])))
        self.only_added = False

    @precondition(lambda self: len(self.world.clients) < 4)
    @rule()
    def add_a_client(self) -> None:
        self.product.campaign(self.product.client())

    # The values to draw from.

    def facts(self, back_dated: bool = False) -> st.SearchStrategy[list[Visit | Entry]]:
        """A few facts. An entry has no ingest time of its own: it is new or back-dated."""

        @st.composite
        def fact(draw: st.DrawFn) -> Visit | Entry:
            at = draw(self.moments())
            common: dict[str, Any] = {
                "link_id": draw(st.sampled_from([None, None, *(link.id for link in self.world.links)])),
                "cid": draw(st.sampled_from([None, "linkaaaa", " LINKBBBB ", "LINKCCCC"])),
                "utm_source": draw(st.sampled_from([None, "", "kakao", "naver"])),
            }
            kind = draw(st.sampled_from(["visit", "visit", "visit of a webinar", "entry"]))
            if kind == "entry":
                return Entry(at=at if back_dated else datetime.now(UTC), campaign_id=draw(self.campaigns()), **common)
            of: dict[str, Any] = (
                {"campaign_id": draw(self.campaigns())}
                if kind == "visit"
                else {"webinar_id": draw(st.sampled_from(list(self.world.webinars)))}
            )
            ingested_at = at if back_dated else datetime.now(UTC)
            session = draw(st.sampled_from(["", "s1", "s2"]))
            return Visit(at=at, ingested_at=ingested_at, session_id=session, **of, **common)

        return st.lists(fact(), min_size=1, max_size=4)

    def moments(self) -> st.SearchStrategy[datetime]:
        """The first, the last and a middle instant of a day."""
        found = []
        for day in self.days:
            start, end = (midnight(day + timedelta(days=number)) for number in (0, 1))
            found += [start, start + timedelta(hours=9), end - timedelta(microseconds=1)]
        return st.sampled_from(found)

    def campaigns(self) -> st.SearchStrategy[UUID]:
        return st.sampled_from(list(self.world.campaigns))

    def change_something(self, data: Draw, writer: Product | SlowTransaction) -> None:
        """A change of a fact that no open transaction has locked, in any way that matters."""
        free = self.free_facts()
        if not free:
            return
        fact = data.draw(st.sampled_from(free))
        link = st.sampled_from([None, *(link.id for link in self.world.links)])
        ways: dict[str, st.SearchStrategy[Any]] = {
            "at": self.moments(),
            "utm_source": st.sampled_from([None, "", "kakao", "naver"]),
            "link_id": link,
            "cid": st.sampled_from([None, "linkaaaa", " LINKBBBB ", "LINKCCCC"]),
            "campaign_id": self.campaigns(),
        }
        if isinstance(fact, Visit):
            ways["session_id"] = st.sampled_from(["", "s1", "s2"])
        name = data.draw(st.sampled_from(sorted(ways)))
        writer.change(fact, **{name: data.draw(ways[name])})
        if isinstance(writer, Product):
            self.only_added = False

    def existing_facts(self) -> list[Visit | Entry]:
        return [*self.world.visits.values(), *self.world.entries.values()]

    def locked(self) -> set[UUID]:
        return {fact for slow in self.slow for fact in slow.locked}

    def free_facts(self) -> list[Visit | Entry]:
        locked = self.locked()
        return [fact for fact in self.existing_facts() if fact.id not in locked]

    def unused_cid(self, data: Draw, client_id: UUID) -> str | None:
        """A cid that no link of the client has, or none."""
        used = {link.cid for link in self.world.links if link.client_id == client_id}
        return data.draw(st.sampled_from([None, *(cid for cid in CIDS if cid not in used)]))


def midnight(day: date) -> datetime:
    """The begin of a day, UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(ZONE)).astimezone(UTC)
