"""The counts of the read API's answers: several processes add to them, and old ones are deleted."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.status.answer_counts import AnswerSource, RawShare, count_answers, raw_share
from eventflow_stats.errors import EventflowError, Refused
from eventflow_stats_tests.engine.postgres.inspecting import rows, run

NOW = datetime.now(UTC).replace(second=0, microsecond=0)
BEFORE = NOW - timedelta(minutes=1)


def test_answers_of_one_minute_and_source_add_up(database: Database) -> None:
    count_answers(database, {(NOW, "aggregated"): 3, (NOW, "raw"): 1})
    count_answers(database, {(NOW, "aggregated"): 4, (BEFORE, "raw"): 2})

    found = rows(database, "SELECT minute, source, answers FROM eventflow_stats.answers ORDER BY 1, 2")
    assert found == [(BEFORE, "raw", 2), (NOW, "aggregated", 7), (NOW, "raw", 1)]


def test_the_raw_share_is_that_of_the_minutes_since(database: Database) -> None:
    count_answers(database, {(NOW, "aggregated"): 9, (NOW, "raw"): 1, (BEFORE, "raw"): 5})

    assert raw_share(database, NOW) == RawShare(answers=10, raw=1)
    assert raw_share(database, NOW).percent == 10
    assert raw_share(database, BEFORE) == RawShare(answers=15, raw=6)


def test_the_share_of_no_answers_is_zero(database: Database) -> None:
    assert raw_share(database, BEFORE) == RawShare(answers=0, raw=0)
    assert raw_share(database, BEFORE).percent == 0


def test_answers_of_two_days_ago_are_deleted(database: Database) -> None:
    kept, forgotten = NOW - timedelta(hours=47), NOW - timedelta(hours=49)
    run(database, f"INSERT INTO eventflow_stats.answers VALUES ('{kept}', 'raw', 1), ('{forgotten}', 'raw', 1)")

    count_answers(database, {(NOW, "raw"): 1})

    assert rows(database, "SELECT minute FROM eventflow_stats.answers ORDER BY 1") == [(kept,), (NOW,)]


def test_processes_that_write_at_once_add_up(database: Database) -> None:
    failed: list[EventflowError] = []

    def write(source: AnswerSource) -> None:
        try:
            for _ in range(10):
                count_answers(database, {(NOW, source): 1, (BEFORE, "raw"): 1, (BEFORE, "aggregated"): 1})
        except EventflowError as error:
            failed.append(error)

    writing = [threading.Thread(target=write, args=[source]) for source in ("raw", "aggregated", "raw", "aggregated")]
    for thread in writing:
        thread.start()
    for thread in writing:
        thread.join()

    assert failed == []
    found = rows(database, "SELECT minute, source, answers FROM eventflow_stats.answers ORDER BY 1, 2")
    assert found == [(BEFORE, "aggregated", 40), (BEFORE, "raw", 40), (NOW, "aggregated", 20), (NOW, "raw", 20)]


def test_after_an_error_no_answer_of_the_call_is_counted(database: Database) -> None:
    run(database, "REVOKE DELETE ON eventflow_stats.answers FROM eventflow_stats_engine")

    with pytest.raises(Refused, match="permission denied"):
        count_answers(database, {(NOW, "raw"): 1})

    assert rows(database, "SELECT FROM eventflow_stats.answers") == []


def test_a_database_without_the_table_needs_a_migration(database: Database) -> None:
    run(database, "DROP TABLE eventflow_stats.answers")

    with pytest.raises(Refused, match="run `eventflow-stats migrate`"):
        raw_share(database, NOW)


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role", "eventflow_stats_reader"])
def test_no_other_role_reads_or_writes_the_counts(database: Database, role: str) -> None:
    rights = "SELECT, INSERT, UPDATE, DELETE, TRUNCATE"

    assert rows(database, f"SELECT has_table_privilege('{role}', 'eventflow_stats.answers', '{rights}')") == [(False,)]
