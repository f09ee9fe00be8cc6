"""The checks rollup_is_fresh, history_verified and sample_verified: when they fail, and their messages."""

from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest

from eventflow_stats.engine.rollup.day_locks import writing_day
from eventflow_stats.engine.status.freshness import RollupFreshness
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.orchestration.checks.freshness import freshness_result, history_result
from eventflow_stats.orchestration.checks.sample import sample_result
from eventflow_stats_tests.orchestration.runs import run_check
from eventflow_stats_tests.orchestration.shop import DAYS, Shop, alerts, giving_up_on

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


def progress(age: timedelta | None = None, drift_age: timedelta | None = None, stale: int = 0) -> RollupFreshness:
    return RollupFreshness(
        at=NOW,
        detected_at=None,
        ticked_at=None,
        tick_outcome=None,
        fresh_through=None if age is None else NOW - age,
        stale_client_days=stale,
        drift_since=None if drift_age is None else NOW - drift_age,
        drift_day=None if drift_age is None else date(2026, 1, 1),
        computed_days=0 if drift_age is None else 63,
    )


@pytest.mark.parametrize(
    ("age", "passed", "severity", "message"),
    [
        (None, False, "WARN", "New facts were never detected: is the schedule every_five_minutes on?"),
        (
            timedelta(seconds=80),
            True,
            "WARN",
            "Facts committed before 80 s ago are in the rollup; 2 stale client-days to refresh",
        ),
        (timedelta(minutes=9, seconds=59), True, "WARN", "Facts committed before 10 minutes ago"),
        (timedelta(minutes=10), False, "WARN", "Facts committed before 10 minutes ago"),
        (timedelta(minutes=29, seconds=59), False, "WARN", "Facts committed before 30 minutes ago"),
        (timedelta(minutes=30), False, "ERROR", "Facts committed before 30 minutes ago"),
        (timedelta(hours=5), False, "ERROR", "Facts committed before 5.0 hours ago"),
    ],
)
def test_freshness_warns_from_ten_minutes_and_fails_from_thirty(
    age: timedelta | None, passed: bool, severity: str, message: str
) -> None:
    result = freshness_result(progress(age, stale=2))

    assert (result.passed, result.severity.value) == (passed, severity)
    assert str(result.description).startswith(message)


@pytest.mark.parametrize("rows", [1200, None])
def test_changed_rows_are_reported_and_fail_once_the_sweeps_should_have_found_them(rows: int | None) -> None:
    soon = replace(
        progress(timedelta(seconds=80)),
        changed_since=NOW - timedelta(minutes=3),
        changed_rows=rows,
        changes_found_by=NOW + timedelta(seconds=1),
    )
    message = "1,200 rows" if rows else "an unknown number of rows"

    early, late = freshness_result(soon), freshness_result(replace(soon, at=NOW + timedelta(seconds=1)))

    assert (early.passed, late.passed, late.severity) == (True, False, dg.AssetCheckSeverity.ERROR)
    assert str(early.description).endswith(
        f"; {message} of the product changed in the last 3 minutes; "
        "the sweeps find changed facts by 2026-03-04 12:00 UTC at the latest."
    )
    assert str(late.description).endswith("; every day should have been swept by 2026-03-04 12:00 UTC.")
    assert early.metadata["changed_rows"].value == (rows or "unknown")
    assert "changed_rows" not in freshness_result(progress(timedelta(seconds=80))).metadata


@pytest.mark.parametrize(
    ("age", "passed", "severity", "message"),
    [
        (None, False, "WARN", "No day was computed yet."),
        (
            timedelta(hours=24),
            True,
            "ERROR",
            "Longest time since a whole verification: 24.0 hours, for 2026-01-01, of 63 computed days; "
            "the limit is 24 hours.",
        ),
        (timedelta(hours=24, seconds=1), False, "ERROR", "Longest time since a whole verification: 24.0 hours, "),
    ],
)
def test_the_oldest_verification_fails_beyond_the_maximum_drift_age(
    age: timedelta | None, passed: bool, severity: str, message: str
) -> None:
    result = history_result(progress(drift_age=age), 24)

    assert (result.passed, result.severity.value) == (passed, severity)
    assert str(result.description).startswith(message)


def executed(
    instance: dg.DagsterInstance, check: str, config: dict[str, object] | None = None
) -> dg.AssetCheckEvaluation:
    (found,) = run_check(instance, check, config).get_asset_check_evaluations()
    return found


def test_a_sample_is_drawn_again_by_its_seed(instance: dg.DagsterInstance, shop: Shop) -> None:
    first = executed(instance, "sample_verified")
    assert first.passed

    again = executed(instance, "sample_verified", {"seed": first.metadata["seed"].value})

    assert again.description == first.description


def test_a_sample_that_finds_a_wrong_group_fails_and_names_it(instance: dg.DagsterInstance, shop: Shop) -> None:
    shop.plant_wrong_rows(DAYS[1])

    check = executed(instance, "sample_verified", {"seed": 7})

    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert str(check.description).startswith(
        "1 wrong group on 2024-07-02 in a sample of 3 client-days, 3 groups (seed 7); "
    )
    assert str(check.description).endswith("visits 2, should be 1; conversions 0.")


def test_a_sample_of_nothing_is_not_green(instance: dg.DagsterInstance) -> None:
    check = executed(instance, "sample_verified", {"seed": 7})

    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert check.description == "No day was computed yet, so there is nothing to sample (seed 7)."


def test_a_sample_reports_facts_that_changed_and_days_that_it_could_not_compare(
    instance: dg.DagsterInstance, shop: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    shop.product.delete([fact for fact in shop.product.world.visits.values() if fact.at.date() == DAYS[0]])

    changed = sample_result(shop.database, 7)

    message = "A sample of 3 client-days, 2 groups (seed 7) has no wrong group; facts of 1 client-day changed since"
    assert (changed.passed, changed.description) == (True, f"{message}, and the next refresh recomputes them.")

    with ExitStack() as writing:
        for day in DAYS[1:]:
            writer = writing.enter_context(shop.database.session())
            writing.enter_context(writing_day(shop.database, writer, day))
        busy = sample_result(shop.database, 7)

    message = "Nothing was compared (seed 7). Not compared, because another run is writing: 2024-07-02, 2024-09-09."
    assert (busy.passed, busy.description) == (False, message)

    list(verify(shop.database, DAYS))
    with giving_up_on(shop.database, DAYS[1]):
        failed = sample_result(shop.database, 7)

    message = "A sample of 1 client-day, 1 group (seed 7) equals the facts. 1 day could not be compared: 2024-07-02: "
    assert not failed.passed
    assert str(failed.description).startswith(f"{message}postgresql://")
    assert [alert["days"] for alert in alerts(capfd)] == [["2024-07-02"]]


def test_the_checks_of_age_read_the_state_of_the_rollup(instance: dg.DagsterInstance, shop: Shop) -> None:
    assert executed(instance, "rollup_is_fresh").passed
    history = executed(instance, "history_verified")
    assert history.passed
    assert history.metadata["computed_days"].value == 3

    shop.product.connection.execute("UPDATE eventflow_stats.progress SET detected_at = detected_at - interval '31 min'")
    shop.product.connection.execute("UPDATE eventflow_stats.days SET rebuilt_at = rebuilt_at - interval '25 h'")

    assert not executed(instance, "rollup_is_fresh").passed
    assert not executed(instance, "history_verified").passed
