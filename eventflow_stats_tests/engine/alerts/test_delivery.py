"""Alerts are printed on stdout and posted to a real webhook, once an hour, whatever is down."""

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from eventflow_stats.engine.alerts import sent_alerts, webhook
from eventflow_stats.engine.alerts.delivery import raise_alert
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.settings import Settings
from eventflow_stats_tests.engine.postgres.inspecting import rows, run
from eventflow_stats_tests.webhook_receiver import Receiver, receiving

Output = pytest.CaptureFixture[str]
KEY, TEXT = "refresh failed", "Run of refresh_recent_days failed"


@pytest.fixture(autouse=True)
def no_alert_sent_yet() -> None:
    """The process remembers no alert that another test sent."""
    sent_alerts._sent.clear()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def watched(database: Database, receiver: Receiver) -> Database:
    """A database of a deployment whose alerts go to the receiver."""
    return with_webhook(database, receiver.url)


def with_webhook(database: Database, url: str) -> Database:
    settings = database.settings.model_copy(update={"alert_webhook": SecretStr(url)})
    return Database(database.url.render_as_string(hide_password=False), settings)


def away(receiver: Receiver | None) -> Database:
    """A database that does not answer."""
    settings = Settings(alert_webhook=SecretStr(receiver.url) if receiver else None)
    return Database("postgresql://me:pass-word@127.0.0.1:1/eventflow", settings)


def printed(output: Output) -> list[dict[str, Any]]:
    """The alerts on stdout since the last call; every line there is an alert, and stderr is empty."""
    out, err = output.readouterr()
    assert err == ""
    return [json.loads(line) for line in out.splitlines()]


def wait_until(happened: Callable[[], Any]) -> None:
    gives_up = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < gives_up
        time.sleep(0.02)


def an_hour_later(database: Database) -> None:
    run(
        database,
        """UPDATE eventflow_stats.alerts
        SET printed_at = printed_at - interval '1 hour', posted_at = posted_at - interval '1 hour'""",
    )


def test_an_alert_is_one_json_line_and_one_message(watched: Database, receiver: Receiver, capsys: Output) -> None:
    assert raise_alert(watched, KEY, f"{TEXT}:\n<timeout> & more", days="2026-03-03", run_id=7)

    (line,) = printed(capsys)
    assert line.pop("at").endswith("+00:00")
    message = f"{TEXT}: <timeout> & more"
    assert line == {"alert": KEY, "text": message, "raised": 1, "days": "2026-03-03", "run_id": 7}
    assert receiver.texts == [f"{TEXT}: &lt;timeout&gt; &amp; more"]


def test_without_a_webhook_an_alert_is_only_printed(database: Database, capsys: Output) -> None:
    assert raise_alert(database, KEY, TEXT)
    assert not raise_alert(database, KEY, TEXT)

    assert [line["alert"] for line in printed(capsys)] == [KEY]


def test_the_same_alert_is_sent_once_an_hour_with_how_often_it_was_raised(
    watched: Database, receiver: Receiver, capsys: Output
) -> None:
    assert [raise_alert(watched, KEY, TEXT) for _ in range(3)] == [True, False, False]
    an_hour_later(watched)
    assert [raise_alert(watched, KEY, TEXT) for _ in range(2)] == [True, False]

    assert [line["raised"] for line in printed(capsys)] == [1, 3]
    assert receiver.texts == [TEXT, f"{TEXT} (raised 3 times since it was last sent)"]


def test_another_alert_is_sent_at_once(watched: Database, receiver: Receiver, capsys: Output) -> None:
    assert raise_alert(watched, KEY, TEXT)
    assert raise_alert(watched, "another", "Something else")

    assert [line["alert"] for line in printed(capsys)] == [KEY, "another"]
    assert receiver.texts == [TEXT, "Something else"]


def test_alerts_raised_at_once_by_several_threads_are_sent_once(
    watched: Database, receiver: Receiver, capsys: Output
) -> None:
    receiver.may_answer.clear()
    sent: list[bool] = []
    raising = [threading.Thread(target=lambda: sent.append(raise_alert(watched, KEY, TEXT))) for _ in range(6)]
    for thread in raising:
        thread.start()
    # One thread waits for the webhook; the others have ended.
    wait_until(lambda: len(sent) == len(raising) - 1)
    receiver.may_answer.set()
    for thread in raising:
        thread.join()

    assert sorted(sent) == [False] * 5 + [True]
    assert receiver.texts == [TEXT]
    assert len(printed(capsys)) == 1


def test_two_processes_share_the_hour(watched: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    url = watched.url.render_as_string(hide_password=False)
    monkeypatch.setenv("EVENTFLOW_ALERT_WEBHOOK", receiver.url)
    code = (
        "import sys; from eventflow_stats.engine.alerts.delivery import raise_alert;"
        "from eventflow_stats.engine.postgres.database import Database;"
        "from eventflow_stats.settings import load_settings;"
        "raise_alert(Database(sys.argv[1], load_settings()), 'refresh failed', 'a message')"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, url], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=120)[0] for process in both]

    assert [process.returncode for process in both] == [0, 0]
    assert len("".join(outputs).splitlines()) == 1
    assert receiver.texts == ["a message"]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_refuses_is_reported_and_gets_the_alert_later(
    watched: Database, receiver: Receiver, capsys: Output, status: int
) -> None:
    receiver.status = status
    assert raise_alert(watched, KEY, TEXT)

    alert, failure = printed(capsys)
    assert alert["alert"] == KEY
    assert failure["alert"] == "alert_webhook_failed"
    assert failure["of"] == KEY
    assert failure["text"].endswith(f"did not accept the alert: it answered {status}")
    assert receiver.refused == 2

    receiver.status = 200
    assert raise_alert(watched, KEY, TEXT)
    assert not raise_alert(watched, KEY, TEXT)
    assert receiver.texts == [TEXT]
    assert printed(capsys) == []


def test_a_webhook_that_is_down_for_long_is_reported_once_an_hour(
    watched: Database, receiver: Receiver, capsys: Output
) -> None:
    receiver.status = 500
    key = "while the webhook is down"
    assert [raise_alert(watched, key, TEXT) for _ in range(3)] == [True, False, False]

    assert [line["alert"] for line in printed(capsys)] == [key, "alert_webhook_failed"]
    assert receiver.refused == 6


def test_an_alert_does_not_fail_where_nothing_listens_at_the_webhook(database: Database, capsys: Output) -> None:
    assert raise_alert(with_webhook(database, "http://127.0.0.1:1/secret-path"), "nobody listens", TEXT)

    _, failure = printed(capsys)
    assert failure["text"].endswith("it cannot be reached (Connection refused)")


@pytest.mark.parametrize(
    ("each", "altogether", "why"),
    [(0.2, 30.0, "it gave no answer within 0.2 s"), (30.0, 0.3, "it gave no answer within 0.3 s")],
    ids=["each try", "all tries together"],
)
def test_the_wait_for_a_webhook_that_hangs_is_limited(
    watched: Database,
    receiver: Receiver,
    capsys: Output,
    monkeypatch: pytest.MonkeyPatch,
    each: float,
    altogether: float,
    why: str,
) -> None:
    monkeypatch.setattr(webhook, "TRY_SECONDS", each)
    monkeypatch.setattr(webhook, "ALL_SECONDS", altogether)
    receiver.may_answer.clear()
    key = f"the webhook hangs {each}"
    # The webhook never answers: the test is that this call returns.
    assert raise_alert(watched, key, TEXT)

    _, failure = printed(capsys)
    assert failure["text"].endswith(why)


def test_with_the_database_away_an_alert_is_sent_and_the_process_remembers_it(
    receiver: Receiver, capsys: Output
) -> None:
    key = "the database is away"
    assert [raise_alert(away(receiver), key, TEXT) for _ in range(3)] == [True, False, False]

    assert [line["raised"] for line in printed(capsys)] == [1]
    assert receiver.texts == [TEXT]


def test_without_a_database_the_webhook_comes_from_the_settings(
    receiver: Receiver, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTFLOW_ALERT_WEBHOOK", receiver.url)
    assert raise_alert(None, "no server starts", TEXT)

    assert len(printed(capsys)) == 1
    assert receiver.texts == [TEXT]


def test_with_the_database_away_a_webhook_that_failed_gets_the_alert_later(receiver: Receiver, capsys: Output) -> None:
    key = "everything is away"
    receiver.status = 500
    assert raise_alert(away(receiver), key, TEXT)
    receiver.status = 200
    assert raise_alert(away(receiver), key, TEXT)

    assert [line["alert"] for line in printed(capsys)] == [key, "alert_webhook_failed"]
    assert receiver.texts == [TEXT]


def test_an_alert_sent_while_the_database_was_away_is_not_sent_again_when_it_is_back(
    watched: Database, receiver: Receiver, capsys: Output
) -> None:
    key = "the database comes back"
    assert raise_alert(away(receiver), key, TEXT)
    assert not raise_alert(watched, key, TEXT)
    # The table has it now: no process sends it again until the hour is over.
    an_hour_later(watched)
    assert raise_alert(watched, key, TEXT)

    assert len(printed(capsys)) == 2
    assert len(receiver.texts) == 2


def test_an_alert_sent_before_the_database_went_away_is_not_sent_again(
    watched: Database, receiver: Receiver, capsys: Output
) -> None:
    key = "the database goes away"
    assert raise_alert(watched, key, TEXT)
    assert not raise_alert(away(receiver), key, TEXT)

    assert len(printed(capsys)) == 1


def test_a_connection_lost_while_sending_sends_no_second_time(
    watched: Database, receiver: Receiver, capsys: Output
) -> None:
    key = "lost while sending"
    receiver.may_answer.clear()
    sent: list[bool] = []
    raising = threading.Thread(target=lambda: sent.append(raise_alert(watched, key, TEXT)))
    raising.start()
    waiting = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'"
    wait_until(lambda: rows(watched, f"{waiting} AND datname = current_database()"))
    receiver.may_answer.set()
    raising.join()
    assert sent == [True]
    assert rows(watched, "SELECT FROM eventflow_stats.alerts") == []

    assert not raise_alert(watched, key, TEXT)
    assert len(printed(capsys)) == 1
    assert receiver.texts == [TEXT]


def test_an_alert_is_recorded_only_after_it_was_sent(watched: Database, receiver: Receiver) -> None:
    """So a process that is killed while it sends leaves the alert to be sent again."""
    receiver.may_answer.clear()
    raising = threading.Thread(target=raise_alert, args=(watched, "killed while sending", TEXT))
    raising.start()
    busy = (
        "SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    wait_until(lambda: rows(watched, busy))
    assert rows(watched, "SELECT FROM eventflow_stats.alerts") == []
    receiver.may_answer.set()
    raising.join()
    assert len(rows(watched, "SELECT FROM eventflow_stats.alerts WHERE posted_at IS NOT NULL")) == 1


def test_no_secret_is_printed_posted_stored_or_logged(
    database: Database, receiver: Receiver, capsys: Output, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    receiver.status = 500
    watched = with_webhook(database, receiver.url)
    trouble = f"no connection to postgresql://me:pass-word@db/x, password='pass-word', posting to {receiver.url}"
    assert raise_alert(watched, "secrets", trouble, url="postgresql+psycopg2://me:pass-word@db/x")
    receiver.status = 200
    assert raise_alert(watched, "secrets", trouble)

    found = capsys.readouterr().out + str(receiver.texts) + caplog.text
    found += str(rows(database, "SELECT a::text FROM eventflow_stats.alerts AS a"))
    assert "postgresql://me:***@db/x" in found
    assert "pass-word" not in found
    assert "secret-path" not in found
    assert "secret-path" not in repr(watched.settings)


def test_the_row_of_an_alert_has_when_and_how_often_it_was_raised(database: Database) -> None:
    for text in ("first", "second", "third"):
        raise_alert(database, "a row", text)

    assert rows(
        database,
        """SELECT alert_key, text, raised_since_sent, first_raised_at < last_raised_at, printed_at < last_raised_at,
            posted_at
        FROM eventflow_stats.alerts""",
    ) == [("a row", "third", 2, True, True, None)]


def test_a_database_that_is_not_migrated_suppresses_no_alert(empty_database: Database, capsys: Output) -> None:
    assert raise_alert(empty_database, KEY, TEXT)
    assert not raise_alert(empty_database, KEY, TEXT)

    (line,) = printed(capsys)
    assert "eventflow_stats_engine" in line["not_recorded"] or "is not migrated" in line["not_recorded"]
