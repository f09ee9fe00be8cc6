"""Errors that may pass are distinguished from errors that somebody has to fix."""

import threading
from datetime import date

import pytest
from sqlalchemy import text

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.status.freshness import read_freshness
from eventflow_stats.errors import Conflict, Refused, Unreachable
from eventflow_stats.settings import Settings
from eventflow_stats_tests.facts import connect


def opened(server: Database, **parts: object) -> Refused:
    """The error of a session on another server, as another user, or in another database."""
    url = server.url.set(**parts)  # type: ignore[arg-type]
    other = Database(url.render_as_string(hide_password=False), Settings())
    with pytest.raises(Refused) as refusal, other.session():
        pass
    assert str(refusal.value).startswith("no connection to ")
    return refusal.value


def test_a_server_that_does_not_answer_is_unreachable(database: Database) -> None:
    assert isinstance(opened(database, host="127.0.0.1", port=1, query={}), Unreachable)
    assert isinstance(opened(database, host="db.invalid", query={}), Unreachable)


def test_an_unknown_user_database_or_option_is_refused_permanently(database: Database) -> None:
    assert not isinstance(opened(database, username="nobody"), Unreachable)
    assert not isinstance(opened(database, database="nowhere"), Unreachable)
    assert not isinstance(opened(database, query={**database.url.query, "no_such_option": "1"}), Unreachable)


def test_a_server_without_a_free_place_is_unreachable(database: Database) -> None:
    with database.login_session() as connection:
        connection.execute(text("CREATE ROLE waiting LOGIN CONNECTION LIMIT 0"))
        connection.commit()
        try:
            assert isinstance(opened(database, username="waiting"), Unreachable)
        finally:
            connection.execute(text("DROP ROLE waiting"))
            connection.commit()


def test_a_session_that_the_server_ended_is_unreachable(database: Database) -> None:
    with pytest.raises(Unreachable, match=r"no connection to .*terminating connection"):
        _end_own_session(database)


def _end_own_session(database: Database) -> None:
    with database.login_session() as connection:
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


def test_a_ledger_older_than_the_code_is_not_migrated(database: Database) -> None:
    with connect(database) as connection:
        connection.execute("ALTER TABLE eventflow_stats.client_days DROP COLUMN stale_from")

    with pytest.raises(
        Refused, match=r"is not migrated \(column .*stale_from.* does not exist.*run `eventflow-stats mig"
    ):
        read_freshness(database, date(2026, 3, 4))


def test_a_deadlock_is_a_conflict(database: Database) -> None:
    both_hold = threading.Barrier(2, timeout=60)
    raised: list[BaseException] = []

    def take(first: int, second: int) -> None:
        try:
            with database.session() as connection:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": first})
                both_hold.wait()
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": second})
        except Conflict as error:
            raised.append(error)

    threads = [threading.Thread(target=take, args=order) for order in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    (error,) = raised
    assert "deadlock detected; nothing was changed, try again" in str(error)
