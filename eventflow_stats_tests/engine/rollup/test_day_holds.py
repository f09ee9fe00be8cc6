"""Days that lost too many facts are held, not emptied."""

import pytest

from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.held_and_sealed_days import held_days
from eventflow_stats.engine.rollup.rebuild import OperatorApproval, rebuild
from eventflow_stats.engine.rollup.refresh import refresh
from eventflow_stats.engine.rollup.sweep import sweep, sweep_due_days
from eventflow_stats.engine.status.day_summary import read_day_summary
from eventflow_stats.engine.status.due_work import stale_days, wrong_client_days
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import InvalidInput
from eventflow_stats_tests.engine.many_facts import DAY, NEXT_DAY, BusyShop, busy_shop

pytestmark = pytest.mark.environment

__all__ = ["busy_shop"]
DAYS = [DAY, NEXT_DAY]


def held(shop: BusyShop) -> list[object]:
    return [hold.day for hold in held_days(shop.database)]


def tick(shop: BusyShop) -> None:
    """Everything that a tick does, without the delay until PostgreSQL publishes its row counters."""
    detect(shop.database)
    list(sweep(shop.database, DAYS))
    list(refresh(shop.database, [day.bucket_date for day in stale_days(shop.database, DAY, NEXT_DAY)]))


@pytest.mark.parametrize("by", ["sweep", "rebuild", "verify", "refresh"])
def test_a_truncated_table_holds_every_day_and_writes_nothing(
    busy_shop: BusyShop, by: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = busy_shop.rows()
    busy_shop.truncate()
    if by == "sweep":
        list(sweep(busy_shop.database, DAYS))
    elif by == "verify":
        assert [day.result for day in verify(busy_shop.database, DAYS)] == ["held", "held"]
    elif by == "rebuild":
        assert all(day.left is not None for day in rebuild(busy_shop.database, DAYS))
    else:
        busy_shop.connection.execute("UPDATE eventflow_stats.client_days SET stale_since = now(), stale_from = now()")
        assert all(day.left is not None for day in refresh(busy_shop.database, DAYS))
    assert busy_shop.rows() == before
    assert held(busy_shop) == DAYS
    assert "2,000 of 2,000 visit rows and 200 of 200 conversions disappeared" in capsys.readouterr().out


def test_a_held_day_stays_as_it_is_through_ticks_runs_for_one_client_and_repairs(busy_shop: BusyShop) -> None:
    before = busy_shop.rows()
    busy_shop.truncate()
    tick(busy_shop)
    busy_shop.add_visits(busy_shop.small, DAY, 10)
    tick(busy_shop)
    list(rebuild(busy_shop.database, DAYS, [busy_shop.small]))
    list(refresh(busy_shop.database, DAYS, which="wrong"))
    assert busy_shop.rows() == before
    assert held(busy_shop) == DAYS
    assert stale_days(busy_shop.database, DAY, NEXT_DAY) == [], "no run is requested for a held day"


def test_a_held_day_is_neither_verified_nor_wrong(busy_shop: BusyShop) -> None:
    busy_shop.truncate()
    tick(busy_shop)
    list(verify(busy_shop.database, DAYS))
    list(verify(busy_shop.database, DAYS, [busy_shop.large, busy_shop.small]))
    summary = read_day_summary(busy_shop.database)
    assert (summary.held_days, summary.verified_days, summary.wrong_days, summary.stale_days) == (2, 0, 0, 0)
    assert wrong_client_days(busy_shop.database) == []


def test_facts_that_are_restored_end_the_hold_at_the_next_tick(busy_shop: BusyShop) -> None:
    with busy_shop.facts_away():
        tick(busy_shop)
        assert held(busy_shop) == DAYS
    # Held days are always due for a sweep, also while older days pause for an hour.
    sweep_due_days(busy_shop.database, DAY, NEXT_DAY, at_once=False, seconds=60)
    assert held(busy_shop) == []
    tick(busy_shop)
    assert [day.result for day in verify(busy_shop.database, DAYS)] == ["verified", "verified"]


def test_an_accepted_deletion_is_applied_and_recorded_and_the_next_one_is_held_again(busy_shop: BusyShop) -> None:
    busy_shop.delete_visits(0.6)
    tick(busy_shop)
    assert held(busy_shop) == [DAY]
    accepted = list(rebuild(busy_shop.database, [DAY], approval=OperatorApproval("Kim", accept_deletion=True)))
    assert accepted[0].left is None
    assert accepted[0].stored.visits == 800
    assert held(busy_shop) == []
    assert busy_shop.connection.execute(
        "SELECT bucket_date, decision, decided_by, visits_before, visits_after FROM eventflow_stats.day_decisions"
    ).fetchall() == [(DAY, "deletion accepted", "Kim", 2_000, 800)]

    busy_shop.add_visits(busy_shop.large, DAY, 1_200)
    tick(busy_shop)
    busy_shop.delete_visits(1.0)
    tick(busy_shop)
    assert held(busy_shop) == [DAY], "the acceptance is about the facts that had disappeared until then"


def test_smaller_deletions_are_applied_until_their_sum_is_too_large(busy_shop: BusyShop) -> None:
    busy_shop.delete_visits(0.3)
    tick(busy_shop)
    assert held(busy_shop) == []
    assert busy_shop.one("SELECT sum(visits) FROM marketing_stats_daily WHERE bucket_date = %s", DAY) == 1_400
    busy_shop.delete_visits(0.4)
    tick(busy_shop)
    assert held(busy_shop) == [DAY], "840 of 2,000 are left"
    assert busy_shop.one("SELECT sum(visits) FROM marketing_stats_daily WHERE bucket_date = %s", DAY) == 1_400


def test_a_run_for_one_client_is_held_by_the_facts_of_the_whole_day(busy_shop: BusyShop) -> None:
    before = busy_shop.rows()
    busy_shop.delete_visits(1.0, busy_shop.large)
    list(rebuild(busy_shop.database, [DAY], [busy_shop.large]))
    assert held(busy_shop) == [DAY]
    assert busy_shop.rows() == before


def test_the_deletion_of_a_small_client_is_applied(busy_shop: BusyShop) -> None:
    busy_shop.delete_visits(1.0, busy_shop.small)
    tick(busy_shop)
    assert held(busy_shop) == []
    assert busy_shop.one("SELECT sum(visits) FROM marketing_stats_daily WHERE bucket_date = %s", DAY) == 1_500


def test_disappeared_conversions_hold_a_day_too(busy_shop: BusyShop) -> None:
    before = busy_shop.rows()
    busy_shop.connection.execute("TRUNCATE event_survey_entries CASCADE")
    tick(busy_shop)
    assert held(busy_shop) == DAYS
    assert busy_shop.rows() == before


def test_days_are_held_when_the_campaigns_of_their_facts_disappear(busy_shop: BusyShop) -> None:
    before = busy_shop.rows()
    busy_shop.connection.execute("ALTER TABLE event_survey_campaigns DISABLE TRIGGER ALL")
    busy_shop.connection.execute("DELETE FROM event_survey_campaigns WHERE client_id = %s", [busy_shop.large])
    tick(busy_shop)
    assert held(busy_shop) == DAYS
    assert busy_shop.rows() == before


def test_an_edited_number_is_repaired_however_large_it_was(busy_shop: BusyShop) -> None:
    busy_shop.connection.execute("UPDATE marketing_stats_daily SET visits = visits * 100 WHERE bucket_date = %s", [DAY])
    assert [day.result for day in verify(busy_shop.database, [DAY])] == ["wrong"]
    list(refresh(busy_shop.database, [DAY], which="wrong"))
    assert [day.result for day in verify(busy_shop.database, [DAY])] == ["verified"]


def test_a_deletion_is_not_accepted_for_one_client_alone(busy_shop: BusyShop) -> None:
    with pytest.raises(InvalidInput, match="as a whole"):
        list(
            rebuild(
                busy_shop.database, [DAY], [busy_shop.large], approval=OperatorApproval("Kim", accept_deletion=True)
            )
        )


def test_holding_days_can_be_switched_off(busy_shop: BusyShop) -> None:
    busy_shop.database.settings = busy_shop.database.settings.model_copy(update={"max_deleted_share": 100.0})
    busy_shop.truncate()
    tick(busy_shop)
    assert held(busy_shop) == []
    assert busy_shop.rows() == []
