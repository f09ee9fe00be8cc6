"""backfill, verify and status: an interrupted backfill continues; a wrong group is named, repaired, verified again."""

import json
import os
import signal
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import psutil
import psycopg
import pytest

from eventflow_stats.cli.alert_format import is_alert
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.local.sample import SampleSize, make_sample
from eventflow_stats_tests.cli.command import eventflow, started
from eventflow_stats_tests.cli.conftest import Call

SIZE = SampleSize(visits=3_000, clients=3, days=6, until=date(2026, 3, 6), seed=1)
DAYS = ("--from", "2026-03-01", "--to", "2026-03-06")
Rows = list[tuple[object, ...]]
Read = Callable[[str], Rows]


@pytest.fixture
def sampled(database: Database, own: dict[str, str]) -> dict[str, str]:
    """The settings of a database with made-up facts of three clients over six days, nothing computed."""
    make_sample(database, SIZE)
    return own


@pytest.fixture
def read(own: dict[str, str]) -> Read:
    def answer(statement: str) -> Rows:
        with psycopg.connect(own["EVENTFLOW_DATABASE_URL"]) as connection:
            return connection.execute(statement.encode()).fetchall()

    return answer


COMPUTED = (
    "SELECT bucket_date::text, rebuilt_at::text FROM eventflow_stats.days WHERE rebuilt_at IS NOT NULL ORDER BY 1"
)
OTHERS = (
    "SELECT m::text FROM marketing_stats_daily AS m JOIN clients AS c ON c.id = client_id "
    "WHERE slug <> 'sample-1-1' ORDER BY 1"
)
TABLE = "SELECT m::text FROM marketing_stats_daily AS m ORDER BY 1"


@pytest.mark.slow
def test_an_interrupted_backfill_keeps_its_days_and_goes_on_with_the_missing_ones(
    tmp_path: Path, sampled: dict[str, str], read: Read
) -> None:
    with psycopg.connect(sampled["EVENTFLOW_DATABASE_URL"], autocommit=True) as busy:
        # Lock the fourth day like another writer, so that the backfill waits there until it is interrupted.
        busy.execute("SELECT pg_advisory_lock(hashtext('eventflow_stats.day'), date '2026-03-04' - date '1970-01-01')")
        call = started(tmp_path, "backfill", *DAYS, **sampled)
        while len(read(COMPUTED)) < 3 and call.poll() is None:
            time.sleep(0.1)
        # Ctrl-C in a terminal reaches the whole group.
        os.killpg(call.pid, signal.SIGINT)
        out, err = call.communicate(timeout=60)
    assert (call.returncode, out) == (130, "")
    # click begins a new line below the terminal's ^C.
    assert err == "\neventflow-stats: interrupted; finished work is saved, run the command again to continue\n"
    done = read(COMPUTED)
    assert [day for day, _ in done] == ["2026-03-01", "2026-03-02", "2026-03-03"]
    first_days = read("SELECT m::text FROM marketing_stats_daily AS m WHERE bucket_date <= '2026-03-03' ORDER BY 1")

    resumed = eventflow(tmp_path, "backfill", *DAYS, "--missing", "--json", **sampled)
    assert resumed.returncode == 0, resumed.stderr
    # Days that were computed but not verified are rebuilt, too; unchanged rows are not written.
    (run,) = json.loads(resumed.stdout)["runs"]
    assert (run["first_day"], run["last_day"], run["verified"]) == ("2026-03-01", "2026-03-06", True)
    now = read(COMPUTED)
    assert len(now) == 6
    assert (
        read("SELECT m::text FROM marketing_stats_daily AS m WHERE bucket_date <= '2026-03-03' ORDER BY 1")
        == first_days
    )
    verified = eventflow(tmp_path, "verify", *DAYS, **sampled)
    assert verified.returncode == 0, verified.stdout
    assert "6 of 6 days verified" in verified.stdout

    nothing_left = eventflow(tmp_path, "backfill", *DAYS, "--missing", **sampled)
    assert (nothing_left.returncode, "every day is computed and verified already" in nothing_left.stdout) == (0, True)
    assert read(COMPUTED) == now


def test_an_interrupted_run_is_the_backfills_last(tmp_path: Path, sampled: dict[str, str], read: Read) -> None:
    with psycopg.connect(sampled["EVENTFLOW_DATABASE_URL"], autocommit=True) as busy:
        busy.execute("SELECT pg_advisory_lock(hashtext('eventflow_stats.day'), date '2026-03-04' - date '1970-01-01')")
        call = started(tmp_path, "backfill", *DAYS, **sampled, EVENTFLOW_MAX_PARTITIONS_PER_RUN="2")
        while len(read(COMPUTED)) < 3 and call.poll() is None:
            time.sleep(0.1)
        # The signal reaches only the run, not the command that waits for it.
        (run,) = psutil.Process(call.pid).children()
        run.send_signal(signal.SIGINT)
        out, err = call.communicate(timeout=60)
    assert (call.returncode, out) == (130, "")
    assert err == "\neventflow-stats: interrupted; finished work is saved, run the command again to continue\n"
    assert [day for day, _ in read(COMPUTED)] == ["2026-03-01", "2026-03-02", "2026-03-03"]


@pytest.mark.slow
def test_a_wrong_group_is_named_repaired_for_its_client_only_and_verified_again(
    tmp_path: Path, call: Call, sampled: dict[str, str], read: Read
) -> None:
    assert eventflow(tmp_path, "backfill", *DAYS, **sampled).returncode == 0
    code, out, _ = call("status", "--json", **sampled)
    status = json.loads(out)
    assert (code, status["ok"], status["days"]["computed_days"], status["days"]["verified_days"]) == (0, True, 6, 6)
    assert status["migration"].startswith("0")
    assert status["bucket_timezone"] == "UTC"

    right = read(TABLE)
    with psycopg.connect(sampled["EVENTFLOW_DATABASE_URL"]) as connection:
        # One group of one client counts a visit more, one of another client is gone.
        connection.execute(
            "UPDATE marketing_stats_daily SET visits = visits + 1 WHERE id = (SELECT m.id FROM marketing_stats_daily "
            "AS m JOIN clients AS c ON c.id = client_id WHERE slug = 'sample-1-1' AND bucket_date = '2026-03-02' "
            "ORDER BY visits DESC, m.id LIMIT 1)"
        )
        connection.execute(
            "DELETE FROM marketing_stats_daily WHERE id = (SELECT m.id FROM marketing_stats_daily AS m "
            "JOIN clients AS c ON c.id = client_id WHERE slug = 'sample-1-2' AND bucket_date = '2026-03-05' "
            "ORDER BY visits DESC, m.id LIMIT 1)"
        )
    planted = read(TABLE)
    code, out, err = call("verify", *DAYS, "--json", **sampled)
    answer = json.loads(out)
    assert (code, answer["ok"], answer["days_verified"], answer["wrong_groups"]) == (1, False, 4, 2)
    # Alerts are on stderr, so that a program can read the answer on stdout.
    alerts = [json.loads(line) for line in err.splitlines() if is_alert(line)]
    assert [(alert["day"], alert["client"]) for alert in alerts] == [
        ("2026-03-02", "Sample client 1 of seed 1"),
        ("2026-03-05", "Sample client 2 of seed 1"),
    ]
    wrong = {day["day"]: day["differences"] for day in answer["days"] if day["result"] == "wrong"}
    assert wrong.keys() == {"2026-03-02", "2026-03-05"}
    ((more,), (gone,)) = wrong["2026-03-02"], wrong["2026-03-05"]
    assert (more["client_name"], more["stored_visits"] - more["true_visits"]) == ("Sample client 1 of seed 1", 1)
    assert (gone["client_name"], gone["stored_visits"]) == ("Sample client 2 of seed 1", None)
    assert read(TABLE) == planted

    code, out, _ = call("verify", *DAYS, **sampled)
    assert code == 1
    assert "2026-03-05: 1 wrong" in out
    assert "visits no row, should be" in out
    assert "4 of 6 days verified" in out
    code, out, _ = call("status", **sampled)
    assert (code, out.splitlines()[-1].split(" (")[0]) == (1, "not right: 2 wrong groups on 2026-03-02, 2026-03-05")

    others = read(OTHERS)
    # The repair of one client leaves every other client's rows byte-identical, the wrong one included.
    repaired = eventflow(tmp_path, "backfill", *DAYS, "--client", "sample-1-1", "--json", **sampled)
    assert repaired.returncode == 0, repaired.stdout
    assert read(OTHERS) == others
    assert call("verify", *DAYS, "--client", "Sample client 1 of seed 1", **sampled)[0] == 0
    assert call("verify", *DAYS, "--client", "sample-1-2", **sampled)[0] == 1
    assert len(read(TABLE)) == len(right) - 1

    assert eventflow(tmp_path, "backfill", "--from", "2026-03-05", "--to", "2026-03-05", **sampled).returncode == 0
    assert call("verify", *DAYS, **sampled)[0] == 0
    assert call("status", **sampled)[0] == 0
    keys = "SELECT id, visits, conversions, cvr FROM marketing_stats_daily ORDER BY id"
    assert len(read(keys)) == len(right)
    assert read("SELECT count(*), count(repaired_by) FROM eventflow_stats.discrepancies") == [(2, 2)]


def test_verify_without_days_checks_yesterday_and_today_and_days_never_computed_are_not_right(
    call: Call, own: dict[str, str]
) -> None:
    code, out, _ = call("verify", **own)
    assert code == 1
    assert out.count("stale, never computed for every client") == 2
    assert "0 of 2 days verified" in out
