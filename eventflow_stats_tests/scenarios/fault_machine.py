"""A product that writes, an engine that works, and an environment that breaks and is put right, in any order."""

import sys
from datetime import date
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.rollup.sweep import sweep
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import EventflowError
from eventflow_stats_tests.engine.ticking import refresh_stale, tick
from eventflow_stats_tests.engine.verification.product_machine import CIDS, ZONE, Draw, ProductMachine
from eventflow_stats_tests.oracle import bucket_date, expected_groups
from eventflow_stats_tests.rollup import stored_groups, whole_rows
from eventflow_stats_tests.scenarios.faults import FAULTS, Fault

WORKS = st.sampled_from(["tick", "rebuild", "backfill", "verify", "verify", "sweep", "detect"])
DAYS_AHEAD = st.integers(1, 30)


class FaultMachine(ProductMachine):
    """While a fault lasts, nothing is written; nothing is ever called verified that differs from the oracle; once the
    environment is right again, the rollup equals the oracle."""

    # A transaction left open would keep the fault's own statements waiting.
    begin_a_slow_transaction = None  # type: ignore[assignment]

    def __init__(self, superuser: Database, owned: Database) -> None:
        super().__init__(superuser)
        self.database = owned
        self.active: list[Fault] = []

    @initialize()
    def a_shop(self) -> None:
        for cid in CIDS[:2]:
            client = self.product.client()
            campaign = self.product.campaign(client)
            self.product.campaign(client)
            self.product.webinar(client)
            self.product.link(campaign, cid)
        self.product.webinar(None)
        list(rebuild(self.database, self.days))

    @precondition(lambda self: not self.active)
    @rule(data=st.data(), fault=st.sampled_from(FAULTS), work=WORKS)
    def break_something(self, data: Draw, fault: Fault, work: str) -> None:
        """No fault passes unnoticed because it was put right before anybody worked."""
        self.connection.execute(fault.breaks)
        self.active.append(fault)
        self.attempt(data, work)

    @precondition(lambda self: self.active)
    @rule()
    def put_it_right(self) -> None:
        fault = self.active.pop()
        fault.remedy(self.database, self.connection)

    @rule(days=DAYS_AHEAD)
    def the_clock_was_ahead(self, days: int) -> None:
        """What a tick and a verification leave behind while the server's clock is days ahead."""
        if self.active:
            return
        detect(self.database)
        for table, columns in {
            "progress": ("detected_at", "row_changes_at"),
            "days": ("rebuilt_at", "swept_at", "whole_verified_at", "verified_at"),
            "client_days": ("computed_at", "verified_at"),
        }.items():
            moved = ", ".join(f"{column} = {column} + interval '{days} days'" for column in columns)
            self.connection.execute(f"UPDATE eventflow_stats.{table} SET {moved}")

    @rule(data=st.data(), work=WORKS)
    def work(self, data: Draw, work: str) -> None:
        self.attempt(data, work)

    def attempt(self, data: Draw, work: str) -> None:
        days = data.draw(st.lists(st.sampled_from(self.days), min_size=1, unique=True), label="days")
        clients = data.draw(st.lists(st.sampled_from(self.world.clients), min_size=1, unique=True), label="clients")
        before = whole_rows(self.connection)
        refusal = ""
        try:
            self.do(work, days, clients)
        except EventflowError as error:
            refusal = str(error)
        if not refusal:
            assert not self.active, f"{work} was done under {self.active[0]}"
            return
        broken = {"clock", *(fault.words for fault in self.active)}
        assert any(word in refusal for words in broken for word in words.split("|")), refusal
        assert whole_rows(self.connection) == before

    def do(self, work: str, days: list[date], clients: list[UUID]) -> None:
        if work == "tick":
            tick(self.database)
        elif work == "rebuild":
            list(rebuild(self.database, days))
        elif work == "backfill":
            list(rebuild(self.database, days, clients))
        elif work == "sweep":
            list(sweep(self.database, days))
        elif work == "detect":
            detect(self.database)
        else:
            for day in verify(self.database, days):
                if day.result == "verified":
                    self.must_be_right_on(day.day)

    def must_be_right_on(self, day: date) -> None:
        stored = {
            group: numbers for group, numbers in stored_groups(self.connection).items() if group.bucket_date == day
        }
        expected = expected_groups(self.world, ZONE).items()
        assert stored == {group: numbers for group, numbers in expected if group.bucket_date == day}, day

    def teardown(self) -> None:
        try:
            while self.active:
                self.put_it_right()
            if sys.exc_info()[0] is None:
                self.settle()
        finally:
            self.connection.close()

    def settle(self) -> None:
        days = {*self.days, *(bucket_date(fact.at, ZONE) for fact in self.existing_facts())}
        detect(self.database)
        list(sweep(self.database, days))
        refresh_stale(self.database)
        assert stored_groups(self.connection) == expected_groups(self.world, ZONE)
        assert {day.result for day in verify(self.database, self.days)} == {"verified"}
