"""Verification that no person starts: after a refresh, by a random sample, and of all days in turn."""

from datetime import UTC, date, datetime, timedelta

import pytest

from eventflow_stats.engine.rollup.day_locks import writing_day
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.rollup.refresh import refresh
from eventflow_stats.engine.status.day_summary import days_to_backfill, read_day_summary
from eventflow_stats.engine.status.due_work import days_to_verify, stale_client_days, wrong_client_days
from eventflow_stats.engine.status.freshness import FRESH, RollupFreshness, read_freshness
from eventflow_stats.engine.verification import sample as sampling
from eventflow_stats.engine.verification.sample import verify_sample
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats_tests.engine.two_clients import DAY, LONG_AGO, Shop, noon, now, shop
from eventflow_stats_tests.facts import Visit

__all__ = ["shop"]

TODAY = date(2026, 3, 5)


def plant_wrong_rows(shop: Shop, where: str = "true") -> None:
    shop.product.connection.execute(f"UPDATE marketing_stats_daily SET visits = visits + 1 WHERE {where}".encode())


def progress(shop: Shop, today: date = TODAY) -> RollupFreshness:
    return read_freshness(shop.database, today)


class TestVerificationAfterARefresh:
    def test_only_unverified_client_days_are_read(self, shop: Shop) -> None:
        list(verify(shop.database, [DAY]))
        shop.product.add(Visit(at=noon(DAY), ingested_at=now(), campaign_id=shop.other_campaign, session_id="c"))
        detect(shop.database)
        list(rebuild(shop.database, [DAY], [shop.theirs]))

        (day,) = verify(shop.database, [DAY], only_unverified=True)

        assert (day.result, day.totals.facts, day.verified_client_days) == ("verified", 2, 1)

    def test_with_nothing_verified_yet_the_day_is_verified_whole(self, shop: Shop) -> None:
        (day,) = verify(shop.database, [DAY], only_unverified=True)

        assert (day.result, day.totals.facts, day.verified_client_days) == ("verified", 2, 2)

    def test_with_everything_verified_nothing_is_read(self, shop: Shop) -> None:
        list(verify(shop.database, [DAY]))

        (day,) = verify(shop.database, [DAY], only_unverified=True)

        assert (day.result, day.totals.facts) == ("verified", 0)

    def test_a_busy_day_is_reported_and_the_others_are_verified(self, shop: Shop) -> None:
        busy: list[date] = []
        with shop.database.session() as writer, writing_day(shop.database, writer, DAY):
            days = list(verify(shop.database, [LONG_AGO, DAY], on_failed_day=lambda day, _: busy.append(day)))

        assert [day.day for day in days] == [LONG_AGO]
        assert busy == [DAY]

    def test_a_refreshed_day_is_not_verified_before(self, shop: Shop) -> None:
        def progress() -> tuple[list[date], list[date], int, int]:
            found = read_day_summary(shop.database)
            ours = days_to_backfill(shop.database, DAY, DAY, [shop.ours])
            return days_to_backfill(shop.database, DAY, DAY), ours, found.verified_days, found.unverified_days

        list(verify(shop.database, [DAY, LONG_AGO]))
        assert progress() == ([], [], 2, 0)
        shop.product.add(Visit(at=noon(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="c"))
        detect(shop.database)
        # Verified since it was computed, as all were. Facts that changed since make it stale.
        assert progress() == ([DAY], [DAY], 2, 0)
        list(refresh(shop.database, [DAY]))
        assert progress() == ([DAY], [DAY], 1, 1)
        list(verify(shop.database, [DAY], only_unverified=True))
        assert progress() == ([], [], 2, 0)

    def test_a_clock_that_was_ahead_at_the_last_verification_leaves_nothing_unverified(self, shop: Shop) -> None:
        list(verify(shop.database, [DAY]))
        shop.product.connection.execute(
            "UPDATE eventflow_stats.client_days SET verified_at = verified_at + interval '1 h'"
        )
        shop.product.add(Visit(at=noon(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="c"))
        detect(shop.database)
        list(refresh(shop.database, [DAY]))
        plant_wrong_rows(shop, f"client_id = '{shop.ours}'")

        (day,) = verify(shop.database, [DAY], only_unverified=True)

        assert day.result == "wrong"


class TestASample:
    def drawn(self, shop: Shop, seed: int, most: int = 20) -> list[tuple[date, int]]:
        return [(day.day, day.verified_client_days) for day in verify_sample(shop.database, seed, most)]

    def test_it_is_the_same_for_the_same_seed_and_another_for_another(self, shop: Shop) -> None:
        days = [date(2025, 1, 1) + timedelta(days=count) for count in range(30)]
        shop.product.add(*(Visit(at=noon(day), campaign_id=shop.campaign) for day in days))
        list(rebuild(shop.database, days))

        first, again, other = (self.drawn(shop, seed, most=5) for seed in (1, 1, 2))

        assert first == again != other
        assert sum(client_days for _, client_days in first) == 5

    def test_a_wrong_group_in_it_is_found_and_recorded(self, shop: Shop) -> None:
        plant_wrong_rows(shop, f"bucket_date = '{LONG_AGO}'")

        wrong = [day for day in verify_sample(shop.database, seed=1) if day.wrong_groups]

        assert [day.day for day in wrong] == [LONG_AGO]
        (client_day,) = wrong_client_days(shop.database)
        assert (client_day.bucket_date, client_day.client_id, client_day.groups) == (LONG_AGO, shop.ours, 1)

    def test_a_group_that_is_missing_is_found_too(self, shop: Shop) -> None:
        shop.product.connection.execute("DELETE FROM marketing_stats_daily WHERE bucket_date = %s", [LONG_AGO])

        assert [day.day for day in verify_sample(shop.database, seed=1) if day.wrong_groups] == [LONG_AGO]

    def test_stale_client_days_are_left_out(self, shop: Shop) -> None:
        shop.product.add(Visit(at=noon(LONG_AGO), ingested_at=now(), campaign_id=shop.campaign, session_id="c"))
        detect(shop.database)

        assert self.drawn(shop, seed=1) == [(DAY, 2)]

    def test_its_facts_are_limited_but_a_single_large_client_is_still_drawn(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sampling, "SAMPLE_FACTS", 0)

        assert [client_days for _, client_days in self.drawn(shop, seed=1)] == [1]

    def test_a_day_being_written_is_left_out(self, shop: Shop) -> None:
        with shop.database.session() as writer, writing_day(shop.database, writer, DAY):
            busy: list[date] = []
            verified = verify_sample(shop.database, 1, on_failed_day=lambda day, _: busy.append(day))
            assert [(day.day, day.verified_client_days) for day in verified] == [(LONG_AGO, 1)]
        assert busy == [DAY]


class TestRepair:
    def test_a_repair_corrects_the_wrong_client_day_and_leaves_the_others(self, shop: Shop) -> None:
        plant_wrong_rows(shop, f"client_id = '{shop.theirs}'")
        list(verify(shop.database, [DAY]))
        (client_day,) = wrong_client_days(shop.database)
        assert client_day.client_id == shop.theirs

        (outcome,) = refresh(shop.database, [DAY], "a repair", "wrong")

        assert outcome.totals.facts == 1
        assert shop.is_right()
        assert wrong_client_days(shop.database) == []
        repaired = "SELECT repaired_by FROM eventflow_stats.discrepancies"
        assert shop.product.connection.execute(repaired).fetchall() == [("a repair",)]

    def test_a_day_with_nothing_wrong_is_not_touched(self, shop: Shop) -> None:
        (outcome,) = refresh(shop.database, [DAY], "a repair", "wrong")

        assert (outcome.totals.facts, outcome.written, outcome.whole) == (0, 0, False)


class TestFreshness:
    def test_before_the_first_detection_it_is_unknown(self, shop: Shop) -> None:
        shop.product.connection.execute("UPDATE eventflow_stats.progress SET detected_at = NULL")

        assert progress(shop).age is None

    def test_with_nothing_stale_it_is_the_last_detection(self, shop: Shop) -> None:
        found = detect(shop.database)

        assert progress(shop).fresh_through == found.detected_at

    def set_back(self, shop: Shop, ago: str) -> None:
        """Set back the times when days were computed and facts were detected."""
        shop.product.connection.execute(
            "UPDATE eventflow_stats.client_days SET computed_at = now() - %s::interval - interval '1 h'", [ago]
        )
        shop.product.connection.execute("UPDATE eventflow_stats.progress SET detected_at = now() - %s::interval", [ago])

    def late_fact(self, shop: Shop, day: date = LONG_AGO) -> None:
        shop.product.add(Visit(at=noon(day), ingested_at=now(), campaign_id=shop.campaign, session_id="c"))

    def test_with_something_stale_it_is_the_last_detection_before_that_was_found(self, shop: Shop) -> None:
        before = detect(shop.database)
        self.late_fact(shop)
        for _ in range(2):
            detect(shop.database)

            assert progress(shop).fresh_through == before.detected_at
            assert progress(shop).stale_client_days == 1

    def test_after_a_pause_no_detection_makes_it_fresh_before_a_refresh_does(self, shop: Shop) -> None:
        self.set_back(shop, "3 h")
        self.late_fact(shop)
        found = detect(shop.database)

        age = progress(shop).age
        assert age is not None
        assert age >= timedelta(hours=3)
        list(refresh(shop.database, [LONG_AGO]))
        assert progress(shop).fresh_through == found.detected_at

    def test_a_verification_that_finds_stale_client_days_first_makes_it_no_fresher(self, shop: Shop) -> None:
        self.set_back(shop, "3 h")
        before = progress(shop).fresh_through
        self.late_fact(shop)
        list(verify(shop.database, [LONG_AGO]))
        detect(shop.database)

        assert progress(shop).fresh_through == before

    def test_a_verified_client_day_does_not_add_to_the_age_of_the_next_fact(self, shop: Shop) -> None:
        self.set_back(shop, "3 h")
        # The session of the day's visit again: no number changes.
        shop.product.add(Visit(at=noon(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="a"))
        detect(shop.database)
        (verified,) = verify(shop.database, [DAY])
        checked = detect(shop.database)
        shop.product.add(Visit(at=noon(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="c"))
        detect(shop.database)

        assert verified.result == "verified"
        assert progress(shop).fresh_through == checked.detected_at

    def test_a_client_day_computed_since_the_last_detection_lacks_only_later_facts(self, shop: Shop) -> None:
        self.set_back(shop, "3 h")
        list(rebuild(shop.database, [LONG_AGO]))
        computed = shop.product.connection.execute(
            "SELECT max(computed_at) FROM eventflow_stats.client_days"
        ).fetchone()
        self.late_fact(shop)
        detect(shop.database)

        assert (progress(shop).fresh_through,) == computed

    def test_at_the_first_detection_a_missing_client_day_lacks_all_facts_since_its_day_began(self, shop: Shop) -> None:
        shop.product.connection.execute("UPDATE eventflow_stats.progress SET detected_at = NULL")
        self.late_fact(shop, date(2024, 6, 30))
        detect(shop.database)

        assert progress(shop).fresh_through == datetime(2024, 6, 30, tzinfo=UTC)

    def test_in_normal_operation_the_age_never_reaches_a_warning(self, shop: Shop) -> None:
        """The worst case: a sensor detects a fact just after a tick, and the fact waits for the next tick. Its age
        counts from the detection before (60 s), lasts until the next tick (5 minutes) and during its run: 4 minutes
        are left for the run."""
        settings = shop.database.settings
        look, between_ticks = timedelta(seconds=settings.sensor_seconds), timedelta(minutes=settings.tick_minutes)
        self.set_back(shop, f"{settings.sensor_seconds} s")
        self.late_fact(shop)
        detect(shop.database)
        shop.product.connection.execute(
            "UPDATE eventflow_stats.client_days SET stale_from = stale_from - %s WHERE stale_since IS NOT NULL",
            [between_ticks],
        )

        age = progress(shop).age

        assert age is not None
        assert look + between_ticks <= age < FRESH - timedelta(minutes=3)

    def test_client_days_that_no_run_can_refresh_do_not_count(self, shop: Shop) -> None:
        for day in (date(1999, 1, 1), TODAY + timedelta(days=1)):
            shop.product.add(Visit(at=noon(day), ingested_at=now(), campaign_id=shop.campaign, session_id="c"))
        found = detect(shop.database)

        assert progress(shop).fresh_through == found.detected_at
        assert progress(shop).stale_client_days == 0

    def test_facts_with_a_time_in_the_future_are_no_older_than_their_day(self, shop: Shop) -> None:
        """They are found days before their day. At midnight of that day nothing is late."""
        today = now().date()
        shop.product.add(Visit(at=noon(today), ingested_at=now(), campaign_id=shop.campaign, session_id="c"))
        detect(shop.database)
        shop.product.connection.execute(
            "UPDATE eventflow_stats.client_days SET stale_since = stale_since - interval '5 days', "
            "stale_from = stale_from - interval '5 days' WHERE bucket_date = %s",
            [today],
        )

        midnight = datetime(today.year, today.month, today.day, tzinfo=UTC)
        assert progress(shop, today).fresh_through == midnight
        assert [stale.oldest_since for stale in stale_client_days(shop.database, today)] == [midnight]
        (waiting,) = stale_client_days(shop.database, today - timedelta(days=1))
        assert (waiting.reach, waiting.oldest_since < midnight) == ("future", True)


class TestTheAgeOfTheOldestVerification:
    def test_a_day_counts_from_its_first_computation_and_then_from_its_last_whole_verification(
        self, shop: Shop
    ) -> None:
        before = progress(shop)
        list(verify(shop.database, [DAY, LONG_AGO]))
        after = progress(shop)

        assert before.drift_since is not None
        assert after.drift_since is not None
        assert after.drift_since > before.drift_since
        assert (after.drift_day, after.computed_days) == (LONG_AGO, 2)

    def test_a_verification_of_some_clients_does_not_verify_the_day(self, shop: Shop) -> None:
        before = progress(shop)
        list(verify(shop.database, [DAY, LONG_AGO], [shop.ours, shop.theirs]))

        assert progress(shop).drift_since == before.drift_since

    def test_an_ended_day_is_due_until_it_was_verified_after_its_end(self, shop: Shop) -> None:
        assert days_to_verify(shop.database, 10) == [LONG_AGO, DAY]
        list(verify(shop.database, [LONG_AGO]))
        assert days_to_verify(shop.database, 10) == [DAY]
        shop.product.connection.execute(
            "UPDATE eventflow_stats.days SET whole_verified_at = %s WHERE bucket_date = %s",
            [datetime(2026, 3, 4, 23, 59, tzinfo=UTC), DAY],
        )
        assert days_to_verify(shop.database, 10) == [DAY]

    def test_every_day_is_due_again_after_half_the_maximum_drift_age_longest_unverified_first(self, shop: Shop) -> None:
        list(verify(shop.database, [DAY, LONG_AGO]))
        assert days_to_verify(shop.database, 10) == []
        shop.product.connection.execute(
            "UPDATE eventflow_stats.days SET whole_verified_at = whole_verified_at - interval '12 h'"
            " - (bucket_date - date '2024-01-01') * interval '1 s'"
        )

        assert days_to_verify(shop.database, 10) == [DAY, LONG_AGO]
        assert days_to_verify(shop.database, 1) == [DAY]
        assert days_to_verify(shop.with_settings(max_drift_age=48), 10) == []

    def test_today_is_not_due_before_it_has_ended(self, shop: Shop) -> None:
        today = now().date()
        list(rebuild(shop.database, [today]))

        assert today not in days_to_verify(shop.database, 10)
