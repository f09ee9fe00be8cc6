"""Alerts: told on stdout and to a real webhook, once an hour, whatever is down."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from eventflow_stats.engine.alerts import delivery as alerts
from eventflow_stats.engine.alerts import webhook
from eventflow_stats.engine.alerts.delivery import raise_alert
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.settings import Settings
from eventflow_stats_tests.engine.postgres.inspecting import rows, run
from eventflow_stats_tests.webhook_receiver import Receiver, receiving

Output = pytest.CaptureFixture[str]
KEY, TEXT = "refresh failed", "Run of refresh_recent_days failed"


@pytest.fixture(autouse=True)
def a_process_that_printed_nothing_yet() -> None:
    """What other tests told is not remembered."""
    alerts._message.clear()


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
    """A database that nobody answers for."""
    settings = Settings(alert_webhook=SecretStr(receiver.url) if receiver else None)
    return Database("postgresql://me:pass-word@127.0.0.1:1/eventflow", settings)


def printed(output: Output) -> list[dict[str, Any]]:
    """The alerts on stdout since last asked; every line there is one, and nothing is on stderr."""
    out, err = output.readouterr()
    assert err == ""
    return [json.loads(line) for line in out.splitlines()]


def until(happened: Callable[[], Any]) -> None:
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


def test_without_a_webhook_it_is_printed_all_the_same(database: Database, capsys: Output) -> None:
    assert raise_alert(database, KEY, TEXT)
    assert not raise_alert(database, KEY, TEXT)

    assert [line["alert"] for line in printed(capsys)] == [KEY]


def test_the_same_alert_is_reported_once_an_hour_and_then_how_often_it_was_raised(
    watched: Database, receiver: Receiver, capsys: Output
) -> None:
    assert [raise_alert(watched, KEY, TEXT) for _ in range(3)] == [True, False, False]
    an_hour_later(watched)
    assert [raise_alert(watched, KEY, TEXT) for _ in range(2)] == [True, False]

    assert [line["raised"] for line in printed(capsys)] == [1, 3]
    assert receiver.texts == [TEXT, f"{TEXT} (raised 3 times since last told)"]


def test_another_alert_is_reported_at_once(watched: Database, receiver: Receiver, capsys: Output) -> None:
    assert raise_alert(watched, KEY, TEXT)
    assert raise_alert(watched, "another", "Something else")

    assert [line["alert"] for line in printed(capsys)] == [KEY, "another"]
    assert receiver.texts == [TEXT, "Something else"]


def test_alerts_raised_at_once_by_several_threads_are_sent_once(
    watched: Database, receiver: Receiver, capsys: Output
) -> None:
    receiver.may_answer.clear()
    message: list[bool] = []
    raising = [threading.Thread(target=lambda: message.append(raise_alert(watched, KEY, TEXT))) for _ in range(6)]
    for thread in raising:
        thread.start()
    # All but the one that sends are done, and it is still waiting for the webhook.
    until(lambda: len(message) == len(raising) - 1)
    receiver.may_answer.set()
    for thread in raising:
        thread.join()

    assert sorted(message) == [False] * 5 + [True]
    assert receiver.texts == [TEXT]
    assert len(printed(capsys)) == 1


def test_two_processes_share_the_hour(watched: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    url = watched.url.render_as_string(hide_password=False)
    monkeypatch.setenv("EVENTFLOW_ALERT_WEBHOOK", receiver.url)
    code = (
        "import sys; from eventflow_stats.engine.alerts.delivery import raise_alert;"
        "from eventflow_stats.engine.postgres.database import Database; from eventflow_stats.settings import load_settings;"
        "raise_alert(Database(sys.argv[1], load_settings()), 'refresh failed', 'told')"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, url], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=120)[0] for process in both]

    assert [process.returncode for process in both] == [0, 0]
    assert len("".join(said).splitlines()) == 1
    assert receiver.texts == ["message"]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_refuses_is_reported_of_and_owed_the_alert(
    watched: Database, receiver: Receiver, capsys: Output, status: int
) -> None:
    receiver.status = status
    assert raise_alert(watched, KEY, TEXT)

    alert, failure = printed(capsys)
    assert alert["alert"] == KEY
    assert failure["alert"] == "alert_webhook_failed"
    assert failure["of"] == KEY
    assert failure["text"].endswith(f"did not take the alert: it answered {status}")
    assert receiver.refused == 2

    receiver.status = 200
    assert raise_alert(watched, KEY, TEXT)
    assert not raise_alert(watched, KEY, TEXT)
    assert receiver.texts == [TEXT]
    assert printed(capsys) == []


def test_a_webhook_that_is_down_for_long_is_reported_of_once_an_hour(
    watched: Database, receiver: Receiver, capsys: Output
) -> None:
    receiver.status = 500
    key = "while the webhook is down"
    assert [raise_alert(watched, key, TEXT) for _ in range(3)] == [True, False, False]

    assert [line["alert"] for line in printed(capsys)] == [key, "alert_webhook_failed"]
    assert receiver.refused == 6


def test_nobody_listening_at_the_webhook_fails_nobody(database: Database, capsys: Output) -> None:
    assert raise_alert(with_webhook(database, "http://127.0.0.1:1/secret-path"), "nobody listens", TEXT)

    _, failure = printed(capsys)
    assert failure["text"].endswith("it cannot be reached (Connection refused)")


@pytest.mark.parametrize(
    ("each", "altogether", "why"),
    [(0.2, 30.0, "it gave no answer within 0.2 s"), (30.0, 0.3, "it gave no answer within 0.3 s")],
    ids=["each try ends", "all of them end, however slowly the other side answers"],
)
def test_a_webhook_that_hangs_is_waited_for_no_longer_than_that(
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
    # It never answers: that this ends is the verification.
    assert raise_alert(watched, key, TEXT)

    _, failure = printed(capsys)
    assert failure["text"].endswith(why)


def test_with_the_database_away_an_alert_is_reported_and_remembered_by_the_process(
    receiver: Receiver, capsys: Output
) -> None:
    key = "the database is away"
    assert [raise_alert(away(receiver), key, TEXT) for _ in range(3)] == [True, False, False]

    assert [line["raised"] for line in printed(capsys)] == [1]
    assert receiver.texts == [TEXT]


def test_with_no_database_to_be_had_the_webhook_is_found_in_the_settings(
    receiver: Receiver, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTFLOW_ALERT_WEBHOOK", receiver.url)
    assert raise_alert(None, "no server starts", TEXT)

    assert len(printed(capsys)) == 1
    assert receiver.texts == [TEXT]


def test_with_the_database_away_a_webhook_that_failed_is_owed_the_alert(receiver: Receiver, capsys: Output) -> None:
    key = "everything is away"
    receiver.status = 500
    assert raise_alert(away(receiver), key, TEXT)
    receiver.status = 200
    assert raise_alert(away(receiver), key, TEXT)

    assert [line["alert"] for line in printed(capsys)] == [key, "alert_webhook_failed"]
    assert receiver.texts == [TEXT]


def test_what_was_reported_while_the_database_was_away_is_not_reported_again_when_it_is_back(
    watched: Database, receiver: Receiver, capsys: Output
) -> None:
    key = "the database comes back"
    assert raise_alert(away(receiver), key, TEXT)
    assert not raise_alert(watched, key, TEXT)
    # And the table knows: another process keeps quiet too, until the hour is over.
    an_hour_later(watched)
    assert raise_alert(watched, key, TEXT)

    assert len(printed(capsys)) == 2
    assert len(receiver.texts) == 2


def test_what_was_reported_before_the_database_went_away_is_not_reported_again(
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
    message: list[bool] = []
    raising = threading.Thread(target=lambda: message.append(raise_alert(watched, key, TEXT)))
    raising.start()
    waiting = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'"
    until(lambda: rows(watched, f"{waiting} AND datname = current_database()"))
    receiver.may_answer.set()
    raising.join()
    assert message == [True]
    assert rows(watched, "SELECT FROM eventflow_stats.alerts") == []

    assert not raise_alert(watched, key, TEXT)
    assert len(printed(capsys)) == 1
    assert receiver.texts == [TEXT]


def test_a_process_killed_while_sending_leaves_the_alert_to_be_reported(watched: Database, receiver: Receiver) -> None:
    """Nothing is noted before it was sent."""
    receiver.may_answer.clear()
    raising = threading.Thread(target=raise_alert, args=(watched, "killed while sending", TEXT))
    raising.start()
    busy = (
        "SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    until(lambda: rows(watched, busy))
    assert rows(watched, "SELECT FROM eventflow_stats.alerts") == []
    receiver.may_answer.set()
    raising.join()
    assert len(rows(watched, "SELECT FROM eventflow_stats.alerts WHERE posted_at IS NOT NULL")) == 1


def test_no_secret_is_printed_posted_or_stored(database: Database, receiver: Receiver, capsys: Output) -> None:
    receiver.status = 500
    watched = with_webhook(database, receiver.url)
    trouble = f"no connection to postgresql://me:pass-word@db/x, password='pass-word', posting to {receiver.url}"
    assert raise_alert(watched, "secrets", trouble, url="postgresql+psycopg2://me:pass-word@db/x")
    receiver.status = 200
    assert raise_alert(watched, "secrets", trouble)

    said = capsys.readouterr().out + str(receiver.texts)
    said += str(rows(database, "SELECT a::text FROM eventflow_stats.alerts AS a"))
    assert "postgresql://me:***@db/x" in said
    assert "pass-word" not in said
    assert "secret-path" not in said
    assert "secret-path" not in repr(watched.settings)


def test_the_row_of_an_alert_says_since_when_and_how_often(database: Database) -> None:
    for text in ("first", "second", "third"):
        raise_alert(database, "a row", text)

    assert rows(
        database,
        """SELECT alert_key, text, raised_since_sent, first_raised_at < last_raised_at, printed_at < last_raised_at,
            posted_at
        FROM eventflow_stats.alerts""",
    ) == [("a row", "third", 2, True, True, None)]


def test_a_database_not_migrated_keeps_no_alert_back(empty_database: Database, capsys: Output) -> None:
    assert raise_alert(empty_database, KEY, TEXT)
    assert not raise_alert(empty_database, KEY, TEXT)

    (line,) = printed(capsys)
    assert "eventflow_stats_engine" in line["not_recorded"] or "is not migrated" in line["not_recorded"]
