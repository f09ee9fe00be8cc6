"""What is proved without anyone asking: what a refresh recomputed, a random sample, all history in turn."""

from datetime import UTC, date, datetime, timedelta

import pytest

from eventflow_stats.engine import sample as sampling
from eventflow_stats.engine.detect import detect
from eventflow_stats.engine.ledger import ledger_summary, unfinished_days
from eventflow_stats.engine.prove import prove
from eventflow_stats.engine.rebuild import rebuild
from eventflow_stats.engine.refresh import refresh
from eventflow_stats.engine.sample import prove_sample
from eventflow_stats.engine.upkeep import FRESH, Upkeep, days_to_prove, dirty_scopes, disproved_scopes, upkeep
from eventflow_stats_tests.engine.two_clients import DAY, LONG_AGO, Shop, noon, now, shop
from eventflow_stats_tests.facts import Visit

__all__ = ["shop"]

TODAY = date(2026, 3, 5)


def plant_wrong_rows(shop: Shop, where: str = "true") -> None:
    shop.product.connection.execute(f"UPDATE marketing_stats_daily SET visits = visits + 1 WHERE {where}".encode())


def stands(shop: Shop, today: date = TODAY) -> Upkeep:
    return upkeep(shop.database, today)


class TestWhatARefreshRecomputed:
    def test_only_what_was_not_proved_since_is_read(self, shop: Shop) -> None:
        list(prove(shop.database, [DAY]))
        shop.product.add(Visit(at=noon(DAY), ingested_at=now(), campaign_id=shop.other_campaign, session_id="c"))
        detect(shop.database)
        list(rebuild(shop.database, [DAY], [shop.theirs]))

        (day,) = prove(shop.database, [DAY], only_unproved=True)

        assert (day.verdict, day.totals.facts, day.proved_scopes) == ("proved", 2, 1)

    def test_with_nothing_proved_yet_the_day_is_proved_whole(self, shop: Shop) -> None:
        (day,) = prove(shop.database, [DAY], only_unproved=True)

        assert (day.verdict, day.totals.facts, day.proved_scopes) == ("proved", 2, 2)

    def test_with_everything_proved_nothing_is_read(self, shop: Shop) -> None:
        list(prove(shop.database, [DAY]))

        (day,) = prove(shop.database, [DAY], only_unproved=True)

        assert (day.verdict, day.totals.facts) == ("proved", 0)

    def test_a_busy_day_is_told_and_the_others_are_proved(self, shop: Shop) -> None:
        busy: list[date] = []
        with shop.database.session() as writer, shop.database.writing_day(writer, DAY):
            days = list(prove(shop.database, [LONG_AGO, DAY], on_failed_day=lambda day, _: busy.append(day)))

        assert [day.day for day in days] == [LONG_AGO]
        assert busy == [DAY]

    def test_until_then_the_day_is_neither_finished_nor_counted_as_proved(self, shop: Shop) -> None:
        def stands() -> tuple[list[date], list[date], int, int]:
            found = ledger_summary(shop.database)
            ours = unfinished_days(shop.database, DAY, DAY, [shop.ours])
            return unfinished_days(shop.database, DAY, DAY), ours, found.proved_days, found.unproved_days

        list(prove(shop.database, [DAY, LONG_AGO]))
        assert stands() == ([], [], 2, 0)
        shop.product.add(Visit(at=noon(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="c"))
        detect(shop.database)
        # Proved since it was computed, as all were; that facts moved since is the dirty scopes' to tell.
        assert stands() == ([DAY], [DAY], 2, 0)
        list(refresh(shop.database, [DAY]))
        assert stands() == ([DAY], [DAY], 1, 1)
        list(prove(shop.database, [DAY], only_unproved=True))
        assert stands() == ([], [], 2, 0)

    def test_a_clock_that_was_ahead_at_the_last_proof_leaves_nothing_unproved(self, shop: Shop) -> None:
        list(prove(shop.database, [DAY]))
        shop.product.connection.execute("UPDATE eventflow_stats.scopes SET proved_at = proved_at + interval '1 h'")
        shop.product.add(Visit(at=noon(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="c"))
        detect(shop.database)
        list(refresh(shop.database, [DAY]))
        plant_wrong_rows(shop, f"client_id = '{shop.ours}'")

        (day,) = prove(shop.database, [DAY], only_unproved=True)

        assert day.verdict == "wrong"


class TestASample:
    def drawn(self, shop: Shop, seed: int, most: int = 20) -> list[tuple[date, int]]:
        return [(day.day, day.proved_scopes) for day in prove_sample(shop.database, seed, most)]

    def test_it_is_the_same_for_the_same_seed_and_another_for_another(self, shop: Shop) -> None:
        days = [date(2025, 1, 1) + timedelta(days=count) for count in range(30)]
        shop.product.add(*(Visit(at=noon(day), campaign_id=shop.campaign) for day in days))
        list(rebuild(shop.database, days))

        first, again, other = (self.drawn(shop, seed, most=5) for seed in (1, 1, 2))

        assert first == again != other
        assert sum(scopes for _, scopes in first) == 5

    def test_a_wrong_group_in_it_is_found_and_recorded(self, shop: Shop) -> None:
        plant_wrong_rows(shop, f"bucket_date = '{LONG_AGO}'")

        wrong = [day for day in prove_sample(shop.database, seed=1) if day.wrong_groups]

        assert [day.day for day in wrong] == [LONG_AGO]
        (scope,) = disproved_scopes(shop.database)
        assert (scope.bucket_date, scope.client_id, scope.groups) == (LONG_AGO, shop.ours, 1)

    def test_a_group_that_is_missing_is_found_too(self, shop: Shop) -> None:
        shop.product.connection.execute("DELETE FROM marketing_stats_daily WHERE bucket_date = %s", [LONG_AGO])

        assert [day.day for day in prove_sample(shop.database, seed=1) if day.wrong_groups] == [LONG_AGO]

    def test_dirty_scopes_are_left_out(self, shop: Shop) -> None:
        shop.product.add(Visit(at=noon(LONG_AGO), ingested_at=now(), campaign_id=shop.campaign, session_id="c"))
        detect(shop.database)

        assert self.drawn(shop, seed=1) == [(DAY, 2)]

    def test_its_facts_are_bounded_but_a_single_large_client_is_still_drawn(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sampling, "SAMPLE_FACTS", 0)

        assert [scopes for _, scopes in self.drawn(shop, seed=1)] == [1]

    def test_a_day_being_written_is_left_out(self, shop: Shop) -> None:
        with shop.database.session() as writer, shop.database.writing_day(writer, DAY):
            busy: list[date] = []
            proved = prove_sample(shop.database, 1, on_failed_day=lambda day, _: busy.append(day))
            assert [(day.day, day.proved_scopes) for day in proved] == [(LONG_AGO, 1)]
        assert busy == [DAY]


class TestRepair:
    def test_a_refresh_of_what_was_found_wrong_puts_it_right_and_leaves_the_rest(self, shop: Shop) -> None:
        plant_wrong_rows(shop, f"client_id = '{shop.theirs}'")
        list(prove(shop.database, [DAY]))
        (scope,) = disproved_scopes(shop.database)
        assert scope.client_id == shop.theirs

        (outcome,) = refresh(shop.database, [DAY], "a repair", "disproved")

        assert outcome.totals.facts == 1
        assert shop.is_right()
        assert disproved_scopes(shop.database) == []
        repaired = "SELECT repaired_by FROM eventflow_stats.discrepancies"
        assert shop.product.connection.execute(repaired).fetchall() == [("a repair",)]

    def test_a_day_with_nothing_wrong_is_not_touched(self, shop: Shop) -> None:
        (outcome,) = refresh(shop.database, [DAY], "a repair", "disproved")

        assert (outcome.totals.facts, outcome.written, outcome.whole) == (0, 0, False)


class TestFreshness:
    def test_before_the_first_detection_nobody_knows(self, shop: Shop) -> None:
        shop.product.connection.execute("UPDATE eventflow_stats.upkeep SET detected_at = NULL")

        assert stands(shop).age is None

    def test_with_nothing_dirty_it_is_the_last_detection(self, shop: Shop) -> None:
        found = detect(shop.database)

        assert stands(shop).fresh_through == found.detected_at

    def as_of(self, shop: Shop, ago: str) -> None:
        """As if days had been computed, and facts looked for, so long ago."""
        shop.product.connection.execute(
            "UPDATE eventflow_stats.scopes SET computed_at = now() - %s::interval - interval '1 h'", [ago]
        )
        shop.product.connection.execute("UPDATE eventflow_stats.upkeep SET detected_at = now() - %s::interval", [ago])

    def late_fact(self, shop: Shop, day: date = LONG_AGO) -> None:
        shop.product.add(Visit(at=noon(day), ingested_at=now(), campaign_id=shop.campaign, session_id="c"))

    def test_with_something_dirty_it_is_the_last_detection_before_that_was_found(self, shop: Shop) -> None:
        before = detect(shop.database)
        self.late_fact(shop)
        for _ in range(2):
            detect(shop.database)

            assert stands(shop).fresh_through == before.detected_at
            assert stands(shop).dirty_scopes == 1

    def test_after_a_pause_no_detection_makes_it_fresh_before_a_refresh_does(self, shop: Shop) -> None:
        self.as_of(shop, "3 h")
        self.late_fact(shop)
        found = detect(shop.database)

        age = stands(shop).age
        assert age is not None
        assert age >= timedelta(hours=3)
        list(refresh(shop.database, [LONG_AGO]))
        assert stands(shop).fresh_through == found.detected_at

    def test_a_proof_that_comes_upon_them_first_makes_it_no_fresher(self, shop: Shop) -> None:
        self.as_of(shop, "3 h")
        before = stands(shop).fresh_through
        self.late_fact(shop)
        list(prove(shop.database, [LONG_AGO]))
        detect(shop.database)

        assert stands(shop).fresh_through == before

    def test_what_a_proof_found_right_leaves_no_age_to_the_next_fact(self, shop: Shop) -> None:
        self.as_of(shop, "3 h")
        # The session of the day's visit once more: no number changes.
        shop.product.add(Visit(at=noon(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="a"))
        detect(shop.database)
        (proved,) = prove(shop.database, [DAY])
        looked = detect(shop.database)
        shop.product.add(Visit(at=noon(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="c"))
        detect(shop.database)

        assert proved.verdict == "proved"
        assert stands(shop).fresh_through == looked.detected_at

    def test_a_scope_computed_since_the_last_detection_lacks_only_what_came_after(self, shop: Shop) -> None:
        self.as_of(shop, "3 h")
        list(rebuild(shop.database, [LONG_AGO]))
        computed = shop.product.connection.execute("SELECT max(computed_at) FROM eventflow_stats.scopes").fetchone()
        self.late_fact(shop)
        detect(shop.database)

        assert (stands(shop).fresh_through,) == computed

    def test_at_the_first_detection_ever_a_scope_never_computed_lacks_all_since_its_day_began(self, shop: Shop) -> None:
        shop.product.connection.execute("UPDATE eventflow_stats.upkeep SET detected_at = NULL")
        self.late_fact(shop, date(2024, 6, 30))
        detect(shop.database)

        assert stands(shop).fresh_through == datetime(2024, 6, 30, tzinfo=UTC)

    def test_in_healthy_running_it_is_never_so_old_that_a_warning_is_due(self, shop: Shop) -> None:
        """The worst: a sensor finds a fact just behind a tick, which waits for the next. Its age counts from the look
        before (60 s), lasts until the next tick (5 minutes) and while its run works: 4 minutes are left for that."""
        settings = shop.database.settings
        look, between_ticks = timedelta(seconds=settings.sensor_seconds), timedelta(minutes=settings.tick_minutes)
        self.as_of(shop, f"{settings.sensor_seconds} s")
        self.late_fact(shop)
        detect(shop.database)
        shop.product.connection.execute(
            "UPDATE eventflow_stats.scopes SET dirty_from = dirty_from - %s WHERE dirty_since IS NOT NULL",
            [between_ticks],
        )

        age = stands(shop).age

        assert age is not None
        assert look + between_ticks <= age < FRESH - timedelta(minutes=3)

    def test_what_no_run_can_refresh_makes_nothing_old(self, shop: Shop) -> None:
        for day in (date(1999, 1, 1), TODAY + timedelta(days=1)):
            shop.product.add(Visit(at=noon(day), ingested_at=now(), campaign_id=shop.campaign, session_id="c"))
        found = detect(shop.database)

        assert stands(shop).fresh_through == found.detected_at
        assert stands(shop).dirty_scopes == 0

    def test_facts_dated_ahead_are_no_older_than_their_day(self, shop: Shop) -> None:
        """Found days before, they wait for it: at midnight nothing is late."""
        today = now().date()
        shop.product.add(Visit(at=noon(today), ingested_at=now(), campaign_id=shop.campaign, session_id="c"))
        detect(shop.database)
        shop.product.connection.execute(
            "UPDATE eventflow_stats.scopes SET dirty_since = dirty_since - interval '5 days', "
            "dirty_from = dirty_from - interval '5 days' WHERE bucket_date = %s",
            [today],
        )

        midnight = datetime(today.year, today.month, today.day, tzinfo=UTC)
        assert stands(shop, today).fresh_through == midnight
        assert [dirty.oldest_since for dirty in dirty_scopes(shop.database, today)] == [midnight]
        (waiting,) = dirty_scopes(shop.database, today - timedelta(days=1))
        assert (waiting.reach, waiting.oldest_since < midnight) == ("future", True)


class TestTheAgeOfTheOldestProof:
    def test_a_day_counts_from_its_first_computation_and_then_from_its_last_whole_proof(self, shop: Shop) -> None:
        before = stands(shop)
        list(prove(shop.database, [DAY, LONG_AGO]))
        after = stands(shop)

        assert before.drift_since is not None
        assert after.drift_since is not None
        assert after.drift_since > before.drift_since
        assert (after.drift_day, after.covered_days) == (LONG_AGO, 2)

    def test_a_proof_of_some_clients_is_no_proof_of_the_day(self, shop: Shop) -> None:
        before = stands(shop)
        list(prove(shop.database, [DAY, LONG_AGO], [shop.ours, shop.theirs]))

        assert stands(shop).drift_since == before.drift_since

    def test_an_ended_day_is_due_until_it_was_proved_after_its_end(self, shop: Shop) -> None:
        assert days_to_prove(shop.database, 10) == [LONG_AGO, DAY]
        list(prove(shop.database, [LONG_AGO]))
        assert days_to_prove(shop.database, 10) == [DAY]
        shop.product.connection.execute(
            "UPDATE eventflow_stats.days SET whole_proved_at = %s WHERE bucket_date = %s",
            [datetime(2026, 3, 4, 23, 59, tzinfo=UTC), DAY],
        )
        assert days_to_prove(shop.database, 10) == [DAY]

    def test_every_day_is_due_again_after_half_the_maximum_drift_age_longest_unproved_first(self, shop: Shop) -> None:
        list(prove(shop.database, [DAY, LONG_AGO]))
        assert days_to_prove(shop.database, 10) == []
        shop.product.connection.execute(
            "UPDATE eventflow_stats.days SET whole_proved_at = whole_proved_at - interval '12 h'"
            " - (bucket_date - date '2024-01-01') * interval '1 s'"
        )

        assert days_to_prove(shop.database, 10) == [DAY, LONG_AGO]
        assert days_to_prove(shop.database, 1) == [DAY]
        assert days_to_prove(shop.with_settings(max_drift_age=48), 10) == []

    def test_today_is_not_due_before_it_has_ended(self, shop: Shop) -> None:
        today = now().date()
        list(rebuild(shop.database, [today]))

        assert today not in days_to_prove(shop.database, 10)
