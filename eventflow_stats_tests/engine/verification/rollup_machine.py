"""The engine works while the product writes, is killed, or is interrupted by changes.
test_rollup_equals_the_oracle.py runs it."""

import sys
from collections import defaultdict
from collections.abc import Callable
from datetime import date
from typing import Literal
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.rollup.sweep import sweep
from eventflow_stats.engine.verification.sample import verify_sample
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import Refused
from eventflow_stats_tests.engine.ticking import at_statement, kill, refresh_stale, tick
from eventflow_stats_tests.engine.verification.product_machine import CIDS, ZONE, Draw, ProductMachine
from eventflow_stats_tests.oracle import Group, Numbers, bucket_date, expected_groups, unresolved_facts
from eventflow_stats_tests.rollup import stored_groups, whole_rows

ClientDays = dict[tuple[UUID, date], dict[Group, Numbers]]
Work = Literal["tick", "refresh", "rebuild", "backfill", "verify", "sweep"]
WORKS = st.sampled_from(["tick", "refresh", "rebuild", "backfill", "verify", "sweep"])
MOVES = st.sampled_from(
    ["add_facts", "add_facts", "change_a_fact", "delete_facts", "give_a_campaign_away", "make_a_link", "change_a_cid"]
)
STATEMENTS = st.integers(1, 80)


class EngineMachine(ProductMachine):
    """Any sequence of work of the product and the engine. After every step, each client-day of the rollup is either
    as it was before or as the facts give it. No verification finds a wrong group, because only the engine writes the
    rollup. At the end and at some steps, everything is right after one tick, if facts were only added since it was
    last right; otherwise after one sweep."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.stored: ClientDays = {}
        self.expected: ClientDays = {}
        self.steps = 0

    @initialize(computed=st.booleans(), moving=st.booleans())
    def a_shop(self, computed: bool, moving: bool) -> None:
        self.moving = moving
        for cid in CIDS[:2]:
            client = self.product.client()
            first, second = self.product.campaign(client), self.product.campaign(client)
            self.product.webinar(client)
            self.product.link(first, cid)
            self.product.link(second)
        self.product.webinar(None)
        if computed:
            list(rebuild(self.database, self.days))

    @rule(data=st.data(), work=WORKS)
    def work(self, data: Draw, work: Work) -> None:
        self.drawn(data, work)()

    @rule(data=st.data(), work=WORKS, number=STATEMENTS)
    def be_killed_while_working(self, data: Draw, work: Work, number: int) -> None:
        """The session ends before any statement or commit of the work."""
        working = self.drawn(data, work)
        killed: list[int] = []

        def strike(backend: int) -> None:
            kill(self.database, backend)
            killed.append(backend)

        try:
            with at_statement(self.database, number, strike):
                working()
        except Refused:
            assert killed
        else:
            assert not killed

    @rule(data=st.data(), work=WORKS, number=STATEMENTS, move=MOVES, detecting=st.booleans())
    def be_interrupted_by_changes(self, data: Draw, work: Work, number: int, move: str, detecting: bool) -> None:
        """Facts change, and a detection runs, between two statements of the work."""

        def interrupt(_backend: int) -> None:
            getattr(self, move if self.moving else "add_facts")(data)
            # A detection waits for another one.
            if detecting and work != "tick":
                detect(self.database)

        working = self.drawn(data, work)
        with at_statement(self.database, number, interrupt):
            working()

    def drawn(self, data: Draw, work: Work) -> Callable[[], object]:
        """A piece of work of the engine."""
        database = self.database
        if work == "tick":
            sweeping = data.draw(st.booleans(), label="sweeping")
            return lambda: tick(database, sweeping)
        if work == "refresh":
            return lambda: refresh_stale(database)
        days = data.draw(st.lists(st.sampled_from(self.days), min_size=1, unique=True), label="days")
        if work == "sweep":
            return lambda: list(sweep(database, days))
        if work == "rebuild":
            return lambda: list(rebuild(database, days))
        some = st.lists(st.sampled_from(self.world.clients), min_size=1, unique=True)
        if work == "backfill":
            clients = data.draw(some, label="clients")
            return lambda: list(rebuild(database, days, clients))
        how = data.draw(st.sampled_from(["all", "all", "some clients", "unverified", "sample"]), label="how")
        if how == "sample":
            return lambda: list(verify_sample(database, seed=1))
        whose = data.draw(some, label="clients") if how == "some clients" else None
        return lambda: list(verify(database, days, whose, only_unverified=how == "unverified"))

    # The invariants.

    @invariant()
    def every_client_day_is_as_it_was_or_as_the_facts_give_it(self) -> None:
        stored = by_client_day(stored_groups(self.connection))
        now = by_client_day(expected_groups(self.world, ZONE))
        for client_day in stored.keys() | self.stored.keys():
            assert stored.get(client_day) in (
                self.stored.get(client_day),
                self.expected.get(client_day),
                now.get(client_day),
            ), client_day
        self.stored, self.expected = stored, now
        self.steps += 1

    @invariant()
    def no_group_was_ever_found_wrong(self) -> None:
        found = self.connection.execute("SELECT * FROM eventflow_stats.discrepancies").fetchall()
        assert found == []

    @precondition(lambda self: self.steps > 8)
    @rule()
    def settle(self) -> None:
        if self.only_added:
            tick(self.database, sweeping=False)
            self.is_right("after one tick")
        # A back-dated fact on a missing day is not detected, so all days are swept here.
        days = {*self.days, *(bucket_date(fact.at, ZONE) for fact in self.existing_facts())}
        list(sweep(self.database, days))
        refresh_stale(self.database)
        self.is_right("after one sweep")
        self.only_added, self.steps = True, 0

        rebuilt = "SELECT bucket_date FROM eventflow_stats.days WHERE rebuilt_at IS NOT NULL"
        verified = list(verify(self.database, [row[0] for row in self.connection.execute(rebuilt)]))
        assert {day.result for day in verified} <= {"verified"}
        counted = unresolved_facts(self.world, ZONE)
        assert {(day.day, day.changed_client_days, day.unresolved_facts) for day in sweep(self.database, days)} == {
            (day, 0, counted[day]) for day in days
        }
        before = whole_rows(self.connection)
        tick(self.database)
        list(rebuild(self.database, days))
        assert whole_rows(self.connection) == before

    def is_right(self, when: str) -> None:
        assert stored_groups(self.connection) == expected_groups(self.world, ZONE), when

    def teardown(self) -> None:
        try:
            # Only if no error is being raised.
            if sys.exc_info()[0] is None:
                for slow in list(self.slow):
                    self.commit(slow)
                self.settle()
        finally:
            for slow in self.slow:
                slow.rollback()
            self.connection.close()


def by_client_day(groups: dict[Group, Numbers]) -> ClientDays:
    found: ClientDays = defaultdict(dict)
    for group, numbers in groups.items():
        found[group.client_id, group.bucket_date][group] = numbers
    return dict(found)
