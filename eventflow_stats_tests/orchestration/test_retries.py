"""Runs that lose their connection, or find no server."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date

import dagster as dg
import psycopg
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.day_locks import writing_day
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import VerifiedDay, verify
from eventflow_stats.errors import OnFailedDay
from eventflow_stats.orchestration.runs import retries
from eventflow_stats.orchestration.runs.retries import MOST_RETRIES, DayByDay
from eventflow_stats_tests.orchestration.runs import FIRST, LAST, plain_url, rows, run, run_check, run_verification
from eventflow_stats_tests.orchestration.shop import failure, giving_up_on

DAYS = [date(2026, 3, day) for day in range(1, 5)]


@contextmanager
def cut_off_at(database: Database, day: date, times: int = 1) -> Iterator[list[int]]:
    """In this context, connections that work on the day are cut, so many times; the list has their process ids."""
    held = threading.Event()
    ended: list[int] = []

    def cut() -> None:
        with database.session() as holder, writing_day(database, holder, day):
            held.set()
            with psycopg.connect(plain_url(database), autocommit=True) as connection:
                while len(ended) < times:
                    found = connection.execute(
                        "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                        " AND application_name = 'eventflow-stats' AND wait_event = 'advisory' AND pid <> ALL(%s)",
                        [ended],
                    ).fetchall()
                    ended.extend(pid for pid, _ in found)
                    time.sleep(0.01)

    thread = threading.Thread(target=cut)
    thread.start()
    assert held.wait(60)
    yield ended
    thread.join()


def text(instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> list[str]:
    """The lines of the run's log about retries."""
    messages = [entry.user_message for entry in instance.all_logs(result.run_id)]
    return [message for message in messages if "trying again" in message]


@pytest.fixture(autouse=True)
def long_lock_timeout(monkeypatch: pytest.MonkeyPatch, facts: Database) -> None:
    """No day counts as busy while its connection waits to be cut."""
    monkeypatch.setenv("EVENTFLOW_LOCK_TIMEOUT", "60")


def test_a_run_whose_connection_is_cut_continues_and_reports_each_day_once(
    instance: dg.DagsterInstance, sampled: Database
) -> None:
    with cut_off_at(sampled, date(2026, 3, 3)) as ended:
        result = run(instance)

    assert result.success
    assert len(ended) == 1
    (line,) = text(instance, result)
    assert line.startswith("no connection to ")
    assert "(1 of 3)" in line
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
    records = instance.fetch_materializations(dg.AssetKey("marketing_stats_daily"), limit=100).records
    assert sorted(str(record.partition_key) for record in records) == [str(day) for day in DAYS]
    assert all(record.asset_materialization and "visits" in record.asset_materialization.metadata for record in records)


def test_a_check_whose_connection_is_cut_continues(instance: dg.DagsterInstance, sampled: Database) -> None:
    run(instance)

    with cut_off_at(sampled, date(2026, 3, 2)) as ended:
        check = run_verification(instance, FIRST, LAST)

    assert len(ended) == 1
    assert check.passed
    assert check.metadata["days"].value == 4


def test_a_connection_cut_four_times_at_one_day_fails_the_run(instance: dg.DagsterInstance, sampled: Database) -> None:
    with cut_off_at(sampled, date(2026, 3, 3), times=1 + MOST_RETRIES):
        result = run(instance)

    assert not result.success
    assert failure(result).startswith("no connection to ")
    assert len(text(instance, result)) == 3
    # Committed days are shown, and nothing of the day that failed is stored.
    assert instance.get_materialized_partitions(dg.AssetKey("marketing_stats_daily")) == {"2026-03-01", "2026-03-02"}
    assert rows(sampled, "SELECT max(bucket_date)::text FROM marketing_stats_daily") == [("2026-03-02",)]


def test_a_run_with_a_conflict_at_one_day_retries_it_and_continues(
    instance: dg.DagsterInstance, sampled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE_SECONDS", 0.01)
    with giving_up_on(sampled, DAYS[1], "40001", times=MOST_RETRIES):
        result = run(instance)

    assert result.success
    assert len(text(instance, result)) == MOST_RETRIES


def test_days_with_four_conflicts_fail_the_run_and_the_other_days_are_done(
    instance: dg.DagsterInstance, sampled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE_SECONDS", 0.01)
    with giving_up_on(sampled, DAYS[1], "40001"):
        result = run(instance)

    assert not result.success
    assert failure(result).startswith("1 of 4 days were not rebuilt: 2026-03-02: ")
    assert "gave up: cannot go on" in failure(result)
    assert len(text(instance, result)) == MOST_RETRIES
    assert instance.get_materialized_partitions(dg.AssetKey("marketing_stats_daily")) == {
        "2026-03-01",
        "2026-03-03",
        "2026-03-04",
    }


def test_a_run_that_finds_no_server_fails_after_three_retries_in_one_line(
    instance: dg.DagsterInstance, facts: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTFLOW_DATABASE_URL", "postgresql://me@127.0.0.1:1/eventflow")
    monkeypatch.setattr(retries, "FIRST_PAUSE_SECONDS", 0.01)

    result = run(instance, clients=["somebody"])

    assert not result.success
    line = failure(result)
    assert line.startswith("no connection to postgresql://me@127.0.0.1:1/eventflow: ")
    assert line.endswith("; check setting EVENTFLOW_DATABASE_URL and the server")
    assert "\n" not in line
    assert [message.rsplit("(")[-1] for message in text(instance, result)] == ["1 of 3)", "2 of 3)", "3 of 3)"]


def test_each_pause_is_about_twice_the_one_before(
    instance: dg.DagsterInstance, facts: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTFLOW_DATABASE_URL", "postgresql://me@127.0.0.1:1/eventflow")
    monkeypatch.setattr(retries, "FIRST_PAUSE_SECONDS", 0.4)

    result = run(instance)

    pauses = [float(line.split("trying again in ")[1].split(" s")[0]) for line in text(instance, result)]
    for pause, middle in zip(pauses, (0.4, 0.8, 1.6), strict=True):
        assert 0.75 * middle - 0.05 <= pause <= 1.25 * middle + 0.05


@pytest.mark.parametrize(
    ("clients", "setting", "value"),
    [
        (["nobody"], "EVENTFLOW_LOCK_TIMEOUT", "60"),
        ([], "EVENTFLOW_BUCKET_TIMEZONE", "Asia/Seoul"),
        ([], "EVENTFLOW_STATEMENT_TIMEOUT", "0"),
    ],
)
def test_refusals_and_unknown_errors_fail_without_a_retry(
    instance: dg.DagsterInstance,
    sampled: Database,
    monkeypatch: pytest.MonkeyPatch,
    clients: list[str],
    setting: str,
    value: str,
) -> None:
    monkeypatch.setenv(setting, value)

    result = run(instance, clients=clients)

    assert not result.success
    assert text(instance, result) == []


def test_days_that_were_done_are_not_repeated(sampled: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    list(rebuild(sampled, DAYS))
    asked: list[Sequence[date]] = []

    def verifying(days: Sequence[date], on_failed_day: OnFailedDay) -> Iterator[VerifiedDay]:
        asked.append(list(days))
        waiting = Database(plain_url(sampled), sampled.settings.model_copy(update={"lock_timeout": 60}))
        return verify(waiting, days, on_failed_day=on_failed_day)

    with cut_off_at(sampled, DAYS[2]):
        verified = list(DayByDay(verifying, DAYS, dg.get_dagster_logger()))

    assert [day.day for day in verified] == DAYS
    assert asked == [DAYS, DAYS[2:]]


@pytest.mark.parametrize(
    "check",
    [
        "sample_verified",
        "rollup_is_fresh",
        "history_verified",
        "api_answers_from_rollup",
        "adjustments_are_valid",
    ],
)
def test_a_check_that_finds_no_server_retries(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, check: str
) -> None:
    monkeypatch.setenv("EVENTFLOW_DATABASE_URL", "postgresql://me@127.0.0.1:1/eventflow")
    monkeypatch.setattr(retries, "FIRST_PAUSE_SECONDS", 0.01)

    result = run_check(instance, check)

    assert not result.success
    assert len(text(instance, result)) == MOST_RETRIES
