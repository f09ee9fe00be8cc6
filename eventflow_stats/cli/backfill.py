"""Rebuild days through Dagster, in a process of its own, and follow it in the ledger."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import click

from eventflow_stats.cli.alert_format import is_alert
from eventflow_stats.cli.dagster_home import dagster_environment
from eventflow_stats.cli.options import progress_bar
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.clients import find_clients
from eventflow_stats.engine.rollup.rebuild import NO_APPROVAL, OperatorApproval
from eventflow_stats.engine.status.day_summary import count_computed_days
from eventflow_stats.errors import INTERRUPTED, MISUSED, REFUSED, EventflowError, InvalidInput, Refused

POLL_SECONDS = 0.5


@dataclass(frozen=True)
class BackfillRun:
    """One Dagster run of a backfill and what its check said of the days' numbers."""

    first_day: date
    last_day: date
    run_id: str
    success: bool
    verified: bool | None
    error: str | None
    check: str | None


def backfill(
    database: Database,
    first: date,
    last: date,
    clients: Sequence[str],
    reason: str,
    approval: OperatorApproval = NO_APPROVAL,
) -> list[BackfillRun]:
    """Rebuild the days from first to last, both included, as Dagster runs; returns them as they ended.

    ``clients`` (id, slug or name) limits the rebuild; empty means all. Interrupting it keeps the days
    already rebuilt. ``approval``: whether sealed days are unsealed, and what disappeared is accepted.

    Raises:
        InvalidInput: an unknown client, or a day that has no partition; nothing was changed.
        Refused: Dagster's storage cannot be reached.
        EventflowError: Dagster's process ended without an answer.
        KeyboardInterrupt: a run was interrupted, here or there.
    """
    found = find_clients(database, clients)
    started = datetime.now(UTC)
    total = (last - first).days + 1
    command = [sys.executable, "-W", "ignore", "-m", "eventflow_stats.orchestration.run_backfill"]
    command += [first.isoformat(), last.isoformat(), "--reason", reason]
    command += [word for client in found or () for word in ("--client", str(client))]
    if approval != NO_APPROVAL:
        command += ["--decided-by", approval.by]
        command += [*["--unseal"] * approval.unseal, *["--accept-deletion"] * approval.accept_deletion]
    with tempfile.TemporaryFile("w+") as errors, progress_bar() as bar:
        task = bar.add_task("Rebuilding days", total=total)
        with subprocess.Popen(  # noqa: S603 (our own module, arguments checked above)
            command,
            env=dagster_environment(database.settings),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process:
            try:
                while True:
                    try:
                        message, _ = process.communicate(timeout=POLL_SECONDS)
                        break
                    except subprocess.TimeoutExpired:
                        bar.update(task, completed=count_computed_days(database, first, last, found, started))
            except BaseException:
                # Dagster notes the run as interrupted; the day in work is rolled back.
                process.terminate()
                process.wait()
                raise
        errors.seek(0)
        complaints = errors.read().strip().splitlines()
    for line in filter(is_alert, complaints):
        click.echo(line, err=True)
    if process.returncode == INTERRUPTED:
        raise KeyboardInterrupt
    runs = [BackfillRun(**json.loads(line)) for line in message.splitlines()]
    if not runs:
        said = [line for line in complaints if not is_alert(line)]
        line = said[-1].removeprefix("eventflow-stats: ") if said else "it said nothing"
        kinds = {MISUSED: InvalidInput, REFUSED: Refused}
        raise kinds.get(process.returncode, EventflowError)(line)
    return runs
