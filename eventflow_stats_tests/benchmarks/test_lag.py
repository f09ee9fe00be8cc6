"""The figures of ``two_hours_of_traffic`` are right."""

import psycopg
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.local.sample import SampleSize, make_sample
from eventflow_stats_tests.benchmarks.lag import Probe, lag_with_longer_interval, percentile, record_seen
from eventflow_stats_tests.benchmarks.recount import differences
from eventflow_stats_tests.facts import connect
from eventflow_stats_tests.orchestration.runs import LAST


def test_a_lag_lasts_from_the_commit_to_the_first_reading_with_the_fact() -> None:
    probe = Probe("steady", "probe 1", committed=100)

    record_seen([probe], {"probe 2"}, 103)
    assert probe.lag is None
    record_seen([probe], {"probe 1", "probe 2"}, 107)
    record_seen([probe], {"probe 1", "probe 2"}, 109)

    assert probe.lag == 7


def test_a_deleted_fact_has_arrived_when_its_group_is_gone() -> None:
    probe = Probe("deleted", "probe 1", gone=True, committed=100)

    record_seen([probe], {"probe 1"}, 103)
    assert probe.lag is None
    record_seen([probe], set(), 107)

    assert probe.lag == 7


def test_a_reading_before_the_commit_is_ignored() -> None:
    open_still = Probe("deleted", "probe 1", gone=True)
    later = Probe("deleted", "probe 2", gone=True, committed=100)

    record_seen([open_still, later], set(), 99)

    assert (open_still.seen, later.seen) == (None, None)


@pytest.mark.parametrize(
    ("share", "expected"),
    # Of 200 values 1 to 200 the 99 % are the first 198.
    [(0.5, 100), (0.99, 198), (1, 200), (0, 1)],
)
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(share: float, expected: int) -> None:
    assert percentile([float(value) for value in range(200, 0, -1)], share) == expected


def test_a_longer_interval_lengthens_the_wait_for_the_tick_and_not_the_work() -> None:
    # 20 s to the tick that is due at 120, and 8 s of work. With five times the interval, 100 s and 8 s.
    probe = Probe("steady", "probe 1", committed=100, seen=128)

    assert lag_with_longer_interval(probe, [60, 120, 180], 5) == pytest.approx(108)
    assert lag_with_longer_interval(probe, [60, 120, 180], 1) == pytest.approx(28)


def test_the_wait_of_a_fact_that_arrived_before_the_next_tick_is_its_lag() -> None:
    probe = Probe("late", "probe 1", committed=100, seen=106)

    assert lag_with_longer_interval(probe, [120], 5) == pytest.approx(30)


def test_without_a_tick_after_the_commit_there_is_no_longer_lag() -> None:
    assert lag_with_longer_interval(Probe("late", "probe 1", committed=100, seen=106), [60], 5) is None
    assert lag_with_longer_interval(Probe("late", "probe 1", committed=100), [120], 5) is None


def test_the_recount_names_a_wrong_a_missing_and_a_surplus_group(database: Database) -> None:
    make_sample(database, SampleSize(visits=500, clients=3, days=1, until=LAST, seed=7))
    for _ in rebuild(database, [LAST]):
        pass
    with connect(database) as connection:
        groups, wrong = differences(connection)
        assert groups == count(connection)
        assert wrong == []

        (falsified, removed) = connection.execute(
            "SELECT client_id, bucket_date, id FROM marketing_stats_daily LIMIT 2"
        ).fetchall()
        of_group = "WHERE (client_id, bucket_date, id) = (%s, %s, %s)"
        connection.execute(f"UPDATE marketing_stats_daily SET visits = visits + 1 {of_group}".encode(), falsified)
        connection.execute(f"DELETE FROM marketing_stats_daily {of_group}".encode(), removed)
        connection.execute(
            "INSERT INTO marketing_stats_daily (id, client_id, bucket_date, utm_source, visits, conversions) "
            "VALUES (gen_random_uuid(), %s, %s, 'nobody', 1, 0)",
            falsified[:2],
        )
        _, wrong = differences(connection)

    assert sorted((stored is None, true is None) for _, stored, true in wrong) == [
        (False, False),
        (False, True),
        (True, False),
    ]


def count(connection: psycopg.Connection) -> int:
    (found,) = connection.execute("SELECT count(*) FROM marketing_stats_daily").fetchone() or (0,)
    return int(found)
