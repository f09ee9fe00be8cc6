"""Sealed days keep their numbers without their facts, and an edit of their rows is found."""

from datetime import date, timedelta
from uuid import uuid4

import pytest

from eventflow_stats.engine.assumptions.day_windows import today
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.engine.quality.kpis import compute_quality, due_days
from eventflow_stats.engine.rollup.day_locks import writing_day
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.held_and_sealed_days import held_days, sealed_days, sealed_summary
from eventflow_stats.engine.rollup.rebuild import OperatorApproval, rebuild
from eventflow_stats.engine.rollup.refresh import refresh
from eventflow_stats.engine.rollup.sweep import sweep, sweep_due_days
from eventflow_stats.engine.status.day_summary import days_to_backfill, read_day_summary
from eventflow_stats.engine.status.due_work import days_to_verify, missing_days, missing_days_to_compute, stale_days
from eventflow_stats.engine.verification.sample import draw_sample, verify_sample
from eventflow_stats.engine.verification.sealing import days_to_seal, seal
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import InvalidInput
from eventflow_stats_tests.engine.many_facts import DAY, NEXT_DAY, BusyShop, busy_shop

pytestmark = pytest.mark.environment

__all__ = ["busy_shop"]
DAYS = [DAY, NEXT_DAY]


@pytest.fixture
def sealed_shop(busy_shop: BusyShop) -> BusyShop:
    """The shop after the first of its two days was sealed."""
    assert [day.seal is not None for day in seal(busy_shop.database, [DAY], "Kim")] == [True]
    return busy_shop


def everything_of(shop: BusyShop, day: date) -> list[object]:
    """All that is stored of a day: rows, ledger and data quality; without the time when its rows were last compared."""
    found: list[object] = []
    for statement in (
        "SELECT xmin::text, m.* FROM marketing_stats_daily AS m WHERE bucket_date = %s ORDER BY id",
        "SELECT xmin::text, s.* FROM eventflow_stats.client_days AS s WHERE bucket_date = %s ORDER BY client_id",
        "SELECT xmin::text, q.* FROM eventflow_stats.marketing_data_quality_daily AS q WHERE bucket_date = %s "
        "ORDER BY client_id",
        "SELECT to_jsonb(d) - 'seal_checked_at' FROM eventflow_stats.days AS d WHERE bucket_date = %s",
    ):
        found += shop.connection.execute(statement, [day]).fetchall()
    return found


def run_everything(shop: BusyShop) -> None:
    """All work on days, the sealed one included."""
    database = shop.database
    detect(database)
    sweep_due_days(database, DAY, NEXT_DAY, at_once=True, seconds=60)
    list(sweep(database, DAYS))
    list(refresh(database, DAYS))
    list(refresh(database, DAYS, which="wrong"))
    list(rebuild(database, [DAY]))
    list(rebuild(database, [DAY], [shop.large]))
    list(verify(database, [DAY]))
    list(verify(database, [DAY], [shop.large]))
    list(verify(database, [DAY], only_unverified=True))
    list(verify_sample(database, seed=1))
    list(compute_quality(database, [DAY]))
    list(compute_quality(database, [DAY], only_due=True))
    list(seal(database, [DAY], "again"))


@pytest.mark.parametrize("loss", ["delete", "truncate", "change"])
def test_a_sealed_day_stays_the_same_when_its_facts_change_or_disappear(sealed_shop: BusyShop, loss: str) -> None:
    before = everything_of(sealed_shop, DAY)
    if loss == "delete":
        sealed_shop.delete_visits(1.0)
    elif loss == "truncate":
        sealed_shop.truncate()
    else:
        sealed_shop.connection.execute("UPDATE event_access_logs SET utm_source = 'changed'")
    run_everything(sealed_shop)
    assert everything_of(sealed_shop, DAY) == before
    assert [day.result for day in verify(sealed_shop.database, [DAY])] == ["sealed"]
    assert DAY not in [hold.day for hold in held_days(sealed_shop.database)]
    summary = read_day_summary(sealed_shop.database)
    assert (summary.sealed_days, summary.wrong_days) == (1, 0)


def test_a_sealed_day_is_due_for_no_work(sealed_shop: BusyShop) -> None:
    sealed_shop.truncate()
    sealed_shop.add_visits(sealed_shop.small, DAY, 3)
    run_everything(sealed_shop)
    database = sealed_shop.database
    assert DAY not in [day.bucket_date for day in stale_days(database, DAY, NEXT_DAY)]
    assert DAY not in [swept.day for swept in sweep_due_days(database, DAY, NEXT_DAY, at_once=True, seconds=60)]
    assert DAY not in [day.bucket_date for day in due_days(database, DAY, NEXT_DAY, 100)]
    assert missing_days_to_compute(database, DAY, DAY, DAY) == missing_days(database, DAY, DAY) == []
    assert days_to_backfill(database, DAY, DAY) == []
    for unit in ("groups", "client_days"):
        drawn = draw_sample(database, DAY, NEXT_DAY, None, unit, 10_000, seed=1)
        assert {place.bucket_date for place in drawn.places} == {NEXT_DAY}


def test_facts_that_arrive_for_a_sealed_day_are_counted_once(sealed_shop: BusyShop) -> None:
    sealed_shop.connection.execute(
        "INSERT INTO event_access_logs (id, campaign_id, session_id, accessed_at, created_at) "
        "SELECT gen_random_uuid(), %s, n::text, %s, now() FROM generate_series(1, 7) AS n",
        [sealed_shop.campaigns[sealed_shop.small], DAY],
    )
    for _ in range(3):
        found = detect(sealed_shop.database)
        assert DAY not in found.stale_client_days
    assert sealed_days(sealed_shop.database)[0].late_facts == 7
    sealed_shop.truncate()
    detect(sealed_shop.database)
    summary = sealed_summary(sealed_shop.database)
    assert (summary.late_facts, list(summary.late_days)) == (7, [DAY]), "late facts stay counted after they were purged"


def test_no_statement_makes_a_client_day_of_a_sealed_day_stale(sealed_shop: BusyShop) -> None:
    before = everything_of(sealed_shop, DAY)
    with sealed_shop.database.session() as connection:
        for day in DAYS:
            with writing_day(sealed_shop.database, connection, day):
                clients = [sealed_shop.large, sealed_shop.small, uuid4()]
                connection.execute(
                    query("detect/mark_stale_client_days"),
                    {"bucket_date": day, "clients": clients, "reason": "whoever asks"},
                )
    assert everything_of(sealed_shop, DAY) == before
    assert {day.bucket_date for day in stale_days(sealed_shop.database, DAY, NEXT_DAY)} == {NEXT_DAY}


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE marketing_stats_daily SET visits = visits + 1 WHERE bucket_date = %s AND utm_source = 's1'",
        "UPDATE marketing_stats_daily SET utm_source = 'x' WHERE bucket_date = %s AND utm_source = 's1'",
        "DELETE FROM marketing_stats_daily WHERE bucket_date = %s AND utm_source = 's1'",
        "UPDATE marketing_stats_daily SET bucket_date = bucket_date - 1 WHERE bucket_date = %s AND utm_source = 's1'",
    ],
)
def test_an_edit_of_a_sealed_row_is_found_reported_and_never_repaired_from_facts(
    sealed_shop: BusyShop, edit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sealed_shop.connection.execute(edit, [DAY])
    assert [day.result for day in verify(sealed_shop.database, [DAY])] == ["wrong"]
    assert list(sealed_summary(sealed_shop.database).edited_days) == [DAY]
    assert read_day_summary(sealed_shop.database).wrong_days == 1
    message = capsys.readouterr().out
    assert "Rows of sealed days were edited: 2026-03-04" in message
    assert "restore its rows" in message.lower()
    before = sealed_shop.rows()
    run_everything(sealed_shop)
    assert sealed_shop.rows() == before


def test_an_edited_row_that_is_restored_is_right_again(sealed_shop: BusyShop) -> None:
    for step in ("+", "-"):
        sealed_shop.connection.execute(
            f"UPDATE marketing_stats_daily SET visits = visits {step} 1 WHERE bucket_date = '{DAY}'"
        )
        list(verify(sealed_shop.database, [DAY]))
    assert list(sealed_summary(sealed_shop.database).edited_days) == []


def test_only_verified_days_are_sealed(busy_shop: BusyShop) -> None:
    busy_shop.connection.execute("UPDATE marketing_stats_daily SET visits = visits + 1 WHERE bucket_date = %s", [DAY])
    busy_shop.add_visits(busy_shop.small, NEXT_DAY, 1)
    last = NEXT_DAY + timedelta(days=1)
    outcome = {day.day: day for day in seal(busy_shop.database, [*DAYS, last], "Kim")}
    assert {day: sealed.verified.result for day, sealed in outcome.items()} == {
        DAY: "wrong",
        NEXT_DAY: "stale",
        last: "stale",
    }
    assert all(sealed.seal is None for sealed in outcome.values())
    assert sealed_days(busy_shop.database) == []


def test_days_to_seal_are_those_computed_or_missing_before_the_day(busy_shop: BusyShop) -> None:
    later = NEXT_DAY + timedelta(days=2)
    assert days_to_seal(busy_shop.database, later) == [*DAYS, NEXT_DAY + timedelta(days=1)]
    list(seal(busy_shop.database, [DAY], "Kim"))
    assert days_to_seal(busy_shop.database, NEXT_DAY) == []
    with pytest.raises(InvalidInput, match="when it has ended"):
        days_to_seal(busy_shop.database, today(busy_shop.database.settings) + timedelta(days=1))


def test_due_data_quality_is_computed_before_a_day_is_sealed(sealed_shop: BusyShop) -> None:
    rows = sealed_shop.one(
        "SELECT sum(visit_facts) FROM eventflow_stats.marketing_data_quality_daily WHERE bucket_date = %s", DAY
    )
    assert rows == 2_000


def test_a_sealed_day_is_rebuilt_only_when_it_is_unsealed_and_that_is_recorded(sealed_shop: BusyShop) -> None:
    sealed_shop.add_visits(sealed_shop.small, DAY, 3)
    (left,) = rebuild(sealed_shop.database, [DAY])
    assert left.left is not None
    assert left.stored.visits == 2_000
    (rebuilt,) = rebuild(sealed_shop.database, [DAY], approval=OperatorApproval("Lee", unseal=True))
    assert rebuilt.left is None
    assert rebuilt.stored.visits == 2_003
    assert sealed_days(sealed_shop.database) == []
    assert sealed_shop.connection.execute(
        "SELECT decision, decided_by, visits_before, visits_after FROM eventflow_stats.day_decisions ORDER BY 1"
    ).fetchall() == [("sealed", "Kim", 2_000, 2_000), ("unsealed", "Lee", 2_000, 2_003)]


def test_unsealing_a_day_without_facts_also_needs_the_deletion_accepted(sealed_shop: BusyShop) -> None:
    sealed_shop.truncate()
    before = everything_of(sealed_shop, DAY)
    (left,) = rebuild(sealed_shop.database, [DAY], approval=OperatorApproval("Lee", unseal=True))
    assert left.left is not None
    assert everything_of(sealed_shop, DAY) == before
    (gone,) = rebuild(sealed_shop.database, [DAY], approval=OperatorApproval("Lee", unseal=True, accept_deletion=True))
    assert (gone.left, gone.stored.visits) == (None, 0)


def test_days_whose_facts_may_be_purged_are_due_to_be_sealed(busy_shop: BusyShop) -> None:
    kept = (today(busy_shop.database.settings) - NEXT_DAY).days
    assert days_to_verify(busy_shop.database, 10) == []
    busy_shop.database.settings = busy_shop.database.settings.model_copy(update={"facts_kept_days": kept})
    assert days_to_verify(busy_shop.database, 10) == [], "it was verified within the last hour"
    busy_shop.connection.execute("UPDATE eventflow_stats.days SET whole_verified_at = now() - interval '2 hours'")
    assert days_to_verify(busy_shop.database, 10) == [DAY]
    list(seal(busy_shop.database, [DAY], "rolling"))
    assert days_to_verify(busy_shop.database, 10) == []
    busy_shop.connection.execute("UPDATE eventflow_stats.days SET whole_verified_at = now() - interval '2 hours'")
    assert days_to_verify(busy_shop.database, 10) == [], "a sealed day is not due to be sealed again"


def test_a_sealed_day_is_due_again_after_its_rows_were_last_compared(sealed_shop: BusyShop) -> None:
    sealed_shop.connection.execute("UPDATE eventflow_stats.days SET whole_verified_at = now() - interval '900 days'")
    assert days_to_verify(sealed_shop.database, 10) == [NEXT_DAY]
    sealed_shop.connection.execute("UPDATE eventflow_stats.days SET seal_checked_at = now() - interval '20 hours'")
    assert DAY in days_to_verify(sealed_shop.database, 10)
    list(verify(sealed_shop.database, [DAY]))
    assert DAY not in days_to_verify(sealed_shop.database, 10)
