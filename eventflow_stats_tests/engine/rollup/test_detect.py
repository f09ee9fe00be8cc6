"""Detection finds every fact that is not in the rollup yet, whatever its day and its commit time."""

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from eventflow_stats.engine.rollup.day_locks import writing_day
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.refresh import refresh
from eventflow_stats.engine.rollup.sweep import sweep
from eventflow_stats.engine.status.day_summary import fact_days
from eventflow_stats.engine.status.due_work import missing_days_to_compute
from eventflow_stats_tests.engine.two_clients import DAY, LONG_AGO, Shop, noon, now, shop
from eventflow_stats_tests.facts import Visit, connect

__all__ = ["shop"]


def test_without_new_facts_nothing_is_stale(shop: Shop) -> None:
    assert shop.tick() == {}
    assert shop.tick() == {}


def test_a_late_fact_of_any_day_makes_only_its_client_day_stale(shop: Shop) -> None:
    shop.product.add(Visit(at=noon(LONG_AGO), ingested_at=now(), campaign_id=shop.campaign, session_id="late"))

    assert shop.tick() == {LONG_AGO: 1}
    assert shop.is_right()
    assert shop.tick() == {}


def test_an_update_of_a_fact_just_ingested_makes_its_client_day_stale_again(shop: Shop) -> None:
    visit = Visit(at=noon(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="c", utm_source="naver")
    shop.product.add(visit)
    shop.tick()

    shop.product.change(visit, utm_source="kakao")

    assert shop.tick() == {DAY: 1}
    assert shop.is_right()


def test_a_stale_client_day_keeps_its_first_time_and_counts_its_generations(shop: Shop) -> None:
    seen = []
    for session in ("c", "d"):
        shop.product.add(Visit(at=noon(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id=session))
        detect(shop.database)
        seen.append(
            shop.product.connection.execute(
                "SELECT stale_since, stale_reason, generation FROM eventflow_stats.client_days "
                "WHERE stale_since IS NOT NULL"
            ).fetchall()
        )

    (first,), (second,) = seen
    assert first[:2] == second[:2]
    assert first[1] == "new facts"
    assert second[2] == first[2] + 1


def test_a_day_being_written_is_detected_again_and_no_fact_is_lost(shop: Shop) -> None:
    shop.product.add(
        *(
            Visit(at=noon(day), ingested_at=now(), campaign_id=shop.campaign, session_id="late")
            for day in (DAY, LONG_AGO)
        )
    )
    with shop.database.session() as writer, writing_day(shop.database, writer, LONG_AGO):
        found = detect(shop.database)
    assert found.stale_client_days == {DAY: 1}
    assert found.busy_days == (LONG_AGO,)
    assert shop.detected_at() < found.detected_at, "detection must not go on past a client-day that it could not mark"

    assert shop.tick() == {LONG_AGO: 1, DAY: 1}
    assert shop.is_right()


@pytest.mark.parametrize("at", ["infinity", "-infinity", "0044-03-15 12:00Z BC", "20000-01-01 00:00Z"])
def test_a_fact_of_a_day_beyond_the_calendar_does_not_hide_other_facts(shop: Shop, at: str) -> None:
    """A fault of the product may write such a fact, and every detection finds it again."""
    connection = shop.product.connection
    connection.execute(
        "INSERT INTO event_access_logs (campaign_id, session_id, accessed_at) VALUES (%s, 'odd', %s)",
        [shop.campaign, at],
    )
    connection.execute(
        "INSERT INTO event_survey_entries (campaign_id, phone_norm, survey_no, code6, created_at) "
        "VALUES (%s, 'odd', 999, 'odd', %s)",
        [shop.campaign, at],
    )
    shop.product.add(Visit(at=noon(LONG_AGO), ingested_at=now(), campaign_id=shop.campaign, session_id="late"))

    assert fact_days(shop.database) == (LONG_AGO, DAY)
    assert shop.tick() == {LONG_AGO: 1}
    assert shop.is_right()
    assert shop.tick() == {}
    assert [day.changed_client_days for day in sweep(shop.database, [LONG_AGO, DAY])] == [0, 0]
    assert missing_days_to_compute(shop.database, date(2012, 1, 1), LONG_AGO, DAY) == []


Found = Callable[[Shop], set[date]]
"""A way to find the days with new facts."""


def by_snapshot(shop: Shop) -> set[date]:
    return set(detect(shop.database).stale_client_days)


def by_time(shop: Shop) -> set[date]:
    return set(detect(shop.with_settings(detection="time", detection_overlap=60)).stale_client_days)


class Watermark:
    """The obvious but wrong way: facts that are newer than the newest one seen."""

    def __init__(self) -> None:
        self.seen = datetime(1, 1, 1, tzinfo=UTC)

    def __call__(self, shop: Shop) -> set[date]:
        rows = shop.product.connection.execute(
            "SELECT accessed_at::date, created_at FROM event_access_logs WHERE created_at > %s", [self.seen]
        ).fetchall()
        self.seen = max([self.seen, *(created_at for _, created_at in rows)])
        return {day for day, _ in rows}


def a_transaction_open_before_and_committed_after(shop: Shop, find: Found) -> set[date]:
    """The fact of the slow transaction has the older ingest time of the two, and commits last."""
    with connect(shop.database) as slow, slow.transaction():
        slow.execute(
            "INSERT INTO event_access_logs (campaign_id, session_id, accessed_at) VALUES (%s, 'slow', %s)",
            [shop.campaign, noon(LONG_AGO)],
        )
        shop.product.add(Visit(at=noon(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="quick"))
        assert find(shop) == {DAY}
        list(refresh(shop.database, [DAY]))
    return find(shop)


def a_transaction_that_wrote_only_after_the_detection(shop: Shop, find: Found) -> set[date]:
    """Its ingest time is when the transaction began, long before it wrote. A list of writers would not have shown
    it."""
    with connect(shop.database) as slow, slow.transaction():
        slow.execute("SELECT now()")
        shop.product.add(Visit(at=noon(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="quick"))
        assert find(shop) == {DAY}
        list(refresh(shop.database, [DAY]))
        slow.execute(
            "INSERT INTO event_access_logs (campaign_id, session_id, accessed_at) VALUES (%s, 'slow', %s)",
            [shop.campaign, noon(LONG_AGO)],
        )
    return find(shop)


def a_prepared_transaction(shop: Shop, find: Found) -> set[date]:
    """A prepared transaction belongs to no session."""
    with connect(shop.database) as two_phase:
        two_phase.autocommit = False
        two_phase.tpc_begin(two_phase.xid(1, "shop", "fact"))
        two_phase.execute(
            "INSERT INTO event_access_logs (campaign_id, session_id, accessed_at) VALUES (%s, 'slow', %s)",
            [shop.campaign, noon(LONG_AGO)],
        )
        two_phase.tpc_prepare()
        shop.product.add(Visit(at=noon(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="quick"))
        assert find(shop) == {DAY}
        list(refresh(shop.database, [DAY]))
        two_phase.tpc_commit()
    return find(shop)


def a_savepoint_of_a_transaction_open_before_and_committed_after(shop: Shop, find: Found) -> set[date]:
    """Its row has the transaction id of the savepoint, which no snapshot names. Both facts are of one client-day, so
    its snapshot is younger than that id."""
    with connect(shop.database) as slow, slow.transaction():
        with slow.transaction():
            slow.execute(
                "INSERT INTO event_access_logs (campaign_id, session_id, accessed_at) VALUES (%s, 'slow', %s)",
                [shop.campaign, noon(LONG_AGO)],
            )
        shop.product.add(Visit(at=noon(LONG_AGO), ingested_at=now(), campaign_id=shop.campaign, session_id="quick"))
        assert find(shop) == {LONG_AGO}
        list(refresh(shop.database, [LONG_AGO]))
        if find is by_snapshot:
            assert find(shop) == set(), "while the transaction is open, no fact is new"
    return find(shop)


SLOW = [
    a_savepoint_of_a_transaction_open_before_and_committed_after,
    a_transaction_open_before_and_committed_after,
    a_transaction_that_wrote_only_after_the_detection,
    a_prepared_transaction,
]


@pytest.mark.parametrize("find", [by_snapshot, by_time])
@pytest.mark.parametrize("happening", SLOW)
def test_a_fact_that_commits_late_is_found(
    shop: Shop, happening: Callable[[Shop, Found], set[date]], find: Found
) -> None:
    assert LONG_AGO in happening(shop, find)


@pytest.mark.parametrize("happening", SLOW)
def test_a_watermark_would_have_lost_it(shop: Shop, happening: Callable[[Shop, Found], set[date]]) -> None:
    """The same events with a watermark: this is why detection compares snapshots."""
    watermark = Watermark()
    watermark(shop)

    assert LONG_AGO not in happening(shop, watermark)


def test_detection_by_snapshot_marks_less_than_detection_by_time(shop: Shop) -> None:
    shop.product.add(Visit(at=noon(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="c"))
    shop.tick()

    assert by_time(shop) == {DAY}
    assert by_snapshot(shop) == set()


def test_a_fact_that_comes_after_a_dump_was_restored_on_a_younger_server_is_found(shop: Shop) -> None:
    shop.product.connection.execute(
        "UPDATE eventflow_stats.client_days SET computed_snapshot = '4000000000:4000000000:'::pg_snapshot"
    )
    shop.product.add(Visit(at=noon(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="new"))

    assert shop.tick() == {DAY: 1}
    assert shop.is_right()
    assert shop.tick() == {}


@pytest.mark.parametrize(
    ("version", "next_id", "whole"),
    [
        (1000, 1001, 1000),
        (1000, 2**32 + 1001, 2**32 + 1000),
        (2**32 - 1, 2**32 + 5, 2**32 - 1),
        (4, 3 * 2**32 + 5, 3 * 2**32 + 4),
        (6, 3 * 2**32 + 5, 2 * 2**32 + 6),
        (2, 3 * 2**32 + 5, 3),
    ],
)
def test_a_row_version_is_distinguished_from_one_of_four_billion_transactions_ago(
    shop: Shop, version: int, next_id: int, whole: int
) -> None:
    """A row version has 32 bits, a snapshot has 64."""
    found = shop.product.connection.execute(
        "SELECT eventflow_stats.full_transaction_id(%s, %s)::text::bigint", [version, next_id]
    ).fetchone()

    assert found == (whole,)


class TestTheCountOfTheLastDays:
    """Both days of the shop are asked about, as a tick asks about yesterday and today."""

    def miscounted(self, shop: Shop) -> list[date]:
        shop.product.connection.execute("SELECT pg_stat_force_next_flush()")
        return list(detect(shop.database, [LONG_AGO, DAY]).miscounted_days)

    def test_detected_facts_and_facts_of_no_client_are_counted_right(self, shop: Shop) -> None:
        shop.product.add(Visit(at=noon(DAY), webinar_id=shop.product.webinar(None), session_id="nobody's"))
        list(sweep(shop.database, [DAY]))
        for session in "xyz":
            shop.product.add(Visit(at=noon(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id=session))
            assert self.miscounted(shop) == []
        list(refresh(shop.database, [DAY]))
        assert self.miscounted(shop) == []

    def test_a_fact_with_an_older_ingest_time_makes_its_day_miscounted_until_it_is_in_the_rollup(
        self, shop: Shop
    ) -> None:
        assert self.miscounted(shop) == []
        shop.product.add(
            Visit(at=noon(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="new"),
            Visit(at=noon(DAY), campaign_id=shop.campaign, session_id="lagged"),
        )

        assert detect(shop.database).miscounted_days == (), (
            "a detection without last days leaves the count to the next one"
        )
        assert self.miscounted(shop) == [DAY]
        assert self.miscounted(shop) == [DAY]
        list(sweep(shop.database, [DAY]))
        list(refresh(shop.database, [DAY]))
        assert self.miscounted(shop) == []
        assert shop.is_right()

    def test_while_no_fact_is_inserted_none_is_counted(self, shop: Shop) -> None:
        assert self.miscounted(shop) == []
        shop.product.connection.execute("UPDATE eventflow_stats.client_days SET visit_facts = visit_facts + 1")
        assert self.miscounted(shop) == []

        shop.product.add(Visit(at=noon(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="new"))
        assert self.miscounted(shop) == [LONG_AGO, DAY]
