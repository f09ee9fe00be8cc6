"""Dagster's storage, made ready before the web server and the daemon start."""

import subprocess
import sys
import tempfile
import time

import click

from eventflow_stats.errors import Refused

START_SECONDS = 120


class DagsterPreparation:
    """Creates Dagster's tables before two processes try to at the same time, and ends runs without a process.

    It runs in a process of its own, because it takes seconds, or minutes if the database does not answer.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        # Closed in finished() and cancel().
        self._out, self._err = (tempfile.TemporaryFile("w+") for _ in range(2))  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "eventflow_stats.orchestration.runs.orphaned_runs"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=self._err,
        )
        self._deadline = time.monotonic() + START_SECONDS

    def finished(self) -> bool:
        if self._process.poll() is None:
            if time.monotonic() < self._deadline:
                return False
            self.cancel()
            raise Refused(f"Dagster's storage did not answer within {START_SECONDS} s")
        with self._out, self._err:
            self._out.seek(0)
            self._err.seek(0)
            out, err = self._out.read(), self._err.read()
        if self._process.returncode:
            lines = err.strip().splitlines() or ["its process failed without a message"]
            raise Refused(f"Dagster's storage cannot be used: {lines[-1]}")
        for run_id in out.split():
            click.echo(f"Run {run_id} had lost its process and is recorded as failed")
        return True

    def cancel(self) -> None:
        self._process.kill()
        self._process.wait()
        self._out.close()
        self._err.close()


def prepare_dagster(environment: dict[str, str]) -> None:
    preparation = DagsterPreparation(environment)
    try:
        while not preparation.finished():
            time.sleep(0.05)
    except KeyboardInterrupt:
        preparation.cancel()
        raise
