"""`kill -9` of the daemon with its runs, at random moments: `up` starts it again, and all goes on."""

import json
import os
import random
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from eventflow_stats.settings import load_settings
from eventflow_stats_tests.running import COMMAND, running_up, wait_until

# Three starts of the daemon, each with its code: on a busy machine a minute or more apiece.
pytestmark = pytest.mark.timeout(1200)

KILLS = 3
LAST = datetime.now(UTC).date() - timedelta(days=40)
FIRST = LAST - timedelta(days=3)


def message(*arguments: str) -> Any:
    done = subprocess.run([COMMAND, *arguments, "--json"], capture_output=True, text=True, check=False)
    return json.loads(done.stdout)


def brought_in(status: Any) -> bool:
    """Every day with facts, whatever days without any are computed beside them."""
    return status["days"]["first_computed_day"] == str(FIRST) and not status["stale"]


def daemon_of(records: Path) -> int:
    return int(json.loads(records.read_text())["dagster-daemon"])


def is_another(records: Path, daemon: int) -> bool:
    return daemon_of(records) != daemon


def test_a_daemon_killed_at_any_moment_leaves_nothing_wrong_and_is_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EVENTFLOW_SENSOR_SECONDS", "5")
    size = ["--visits", "120000", "--days", "4", "--until", str(LAST)]
    subprocess.run([COMMAND, "sample", *size], check=True, capture_output=True)
    records = load_settings().data_dir / "up.json"
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    drawn = random.Random(seed)

    with running_up():
        for number in range(KILLS):
            # Its sensors look first after some five seconds; the history is then computed, day after day.
            time.sleep((number + drawn.random()) * 12 / KILLS)
            killed = daemon_of(records)
            os.killpg(killed, signal.SIGKILL)
            outcome = message("verify", "--from", str(FIRST), "--to", str(LAST))
            assert {day["result"] for day in outcome["days"]} <= {"verified", "stale"}
            wait_until(partial(is_another, records, killed), 120, "the daemon to be started again")
        wait_until(lambda: brought_in(message("status")), 240, "the sensor to bring in the history by itself", 2)
    assert message("verify", "--from", str(FIRST), "--to", str(LAST))["days_verified"] == 4
