"""`kill -9` of the daemon with its runs, at random moments: `up` says so and ends; started again, all goes on."""

import json
import os
import random
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from eventflow_stats.settings import load_settings
from eventflow_stats_tests.running import COMMAND, free_port, running_up, wait_until

KILLS = 3
LAST = datetime.now(UTC).date() - timedelta(days=40)
FIRST = LAST - timedelta(days=3)


def told(*arguments: str) -> Any:
    done = subprocess.run([COMMAND, *arguments, "--json"], capture_output=True, text=True, check=False)
    return json.loads(done.stdout)


def brought_in(status: Any) -> bool:
    """Every day with facts, whatever days without any are computed beside them."""
    return status["days"]["first_covered_day"] == str(FIRST) and not status["dirty"]


def test_a_daemon_killed_at_any_moment_leaves_nothing_wrong_and_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTFLOW_SENSOR_SECONDS", "5")
    size = ["--visits", "120000", "--days", "4", "--until", str(LAST)]
    subprocess.run([COMMAND, "sample", *size], check=True, capture_output=True)
    records = load_settings().data_dir / "up.json"
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    drawn = random.Random(seed)

    for number in range(KILLS):
        command = [COMMAND, "up", "--port", str(free_port())]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as up:
            assert up.stdout is not None
            assert any("Dagster UI: http" in line for line in iter(up.stdout.readline, ""))
            # Its sensors look first after some five seconds; the history is then computed, day after day.
            time.sleep((number + drawn.random()) * 12 / KILLS)
            os.killpg(json.loads(records.read_text())["dagster-daemon"], signal.SIGKILL)
            _, complaint = up.communicate(timeout=120)
        assert up.returncode == 1
        assert complaint.startswith("eventflow-stats: dagster-daemon ended by itself (exit code -9); see ")
        assert len(complaint.splitlines()) == 1
        outcome = told("verify", "--from", str(FIRST), "--to", str(LAST))
        assert {day["verdict"] for day in outcome["days"]} <= {"proved", "stale"}

    with running_up():
        wait_until(lambda: brought_in(told("status")), 240, "the sensor to bring in the history by itself", 2)
    assert told("verify", "--from", str(FIRST), "--to", str(LAST))["days_proved"] == 4
