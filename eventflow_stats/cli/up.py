"""up: everything running in the foreground, until Ctrl-C."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from urllib.error import URLError

import click
import psutil

from eventflow_stats.cli.alert_lines import AlertLines
from eventflow_stats.cli.dagster_home import dagster_environment, workspace_file
from eventflow_stats.cli.database_commands import bring_up_to_date
from eventflow_stats.errors import EventflowError, Refused
from eventflow_stats.local.server import open_database
from eventflow_stats.settings import load_settings

START_SECONDS = 120
STOP_SECONDS = 20
GONE_SECONDS = 5


@click.command("up")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address the Dagster UI listens on.")
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True, help="Port of the Dagster UI.")
def up_command(host: str, port: int) -> None:
    """Run PostgreSQL, the Dagster UI and the daemon (schedule, backfills) until Ctrl-C."""
    settings = load_settings()
    environment = dagster_environment(settings)
    workspace = workspace_file(environment)
    records = Path(environment["EVENTFLOW_DATA_DIR"]) / "up.json"
    logs = Path(environment["EVENTFLOW_DATA_DIR"]) / "logs"
    had_leftovers = _clear_leftovers(records)
    _require_free_port(host, port, STOP_SECONDS if had_leftovers else 0)
    with _stopped_by_signals(), open_database(settings) as database:
        applied = bring_up_to_date(database, settings)
        if applied:
            click.echo(f"Database: applied {', '.join(applied)}")
        logs.mkdir(parents=True, exist_ok=True)
        _prepare_dagster(environment)
        dagster = [sys.executable, "-W", "ignore", "-m"]
        commands = {
            "dagster-webserver": [
                *dagster,
                "dagster_webserver",
                "-h",
                host,
                "-p",
                str(port),
                "-w",
                str(workspace),
            ],
            "dagster-daemon": [*dagster, "dagster._daemon", "run", "-w", str(workspace)],
        }
        children: dict[str, subprocess.Popen[bytes]] = {}
        alerts = AlertLines(logs / "dagster-daemon.log")
        try:
            for name, command in commands.items():
                children[name] = _spawn(command, environment, logs / f"{name}.log")
                records.write_text(json.dumps({"up": os.getpid(), **{n: c.pid for n, c in children.items()}}))
            _wait_for_ui(host, port, children, logs)
            click.echo(f"Dagster UI: http://{host}:{port}  (logs in {logs}; Ctrl-C stops everything)")
            _watch(children, logs, alerts)
        except KeyboardInterrupt:
            click.echo("Stopping ...")
        finally:
            # Stopping is bounded; a second Ctrl-C must not leave half of it running.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            _stop(children)
            records.unlink(missing_ok=True)
    click.echo("Stopped.")


def _require_free_port(host: str, port: int, patience: float) -> None:
    """A process just killed keeps its port for a moment longer: ``patience`` is how many seconds to allow it."""
    deadline = time.monotonic() + patience
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                if time.monotonic() >= deadline:
                    raise Refused(f"cannot listen on {host}:{port}: {error.strerror}; give another --port") from None
            else:
                return
        time.sleep(0.1)


def _clear_leftovers(records: Path) -> bool:
    """Stop what an `up` that was killed left running, and tell whether there was any; refuse while one still runs."""
    try:
        known: dict[str, int] = json.loads(records.read_text())
    except (OSError, ValueError):
        return False
    if _runs(known.get("up"), "eventflow-stats"):
        raise Refused(f"`eventflow-stats up` runs already (process {known['up']}); stop it with Ctrl-C first")
    for name in ("dagster-webserver", "dagster-daemon"):
        pid = known.get(name)
        if pid is not None and _runs(pid, "dagster"):
            _end_group(pid)
    records.unlink(missing_ok=True)
    return True


def _end_group(leader: int) -> None:
    """Kill a process with all it started (runs, code servers) and wait until they are gone: the embedded server
    stops only when nobody holds it any more."""
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(process.pid) == leader:
                members.append(process)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
    psutil.wait_procs(members, timeout=GONE_SECONDS)


def _runs(pid: int | None, word: str) -> bool:
    """Whether that process lives and is ours: a pid may have gone to another program since."""
    try:
        return pid is not None and any(word in part for part in psutil.Process(pid).cmdline())
    except psutil.Error:
        return False


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """SIGTERM stops as Ctrl-C does, and Ctrl-C does even where a script started this with SIGINT ignored."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _prepare_dagster(environment: dict[str, str]) -> None:
    """Create Dagster's tables before two processes try to at once, and end the runs of processes that are gone."""
    command = [sys.executable, "-W", "ignore", "-m", "eventflow_stats.orchestration.dead_runs"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise Refused(f"Dagster's storage cannot be used: {lines[-1]}")
    for run_id in done.stdout.split():
        click.echo(f"Run {run_id} lost its process when it was killed: noted as failed")


def _spawn(command: list[str], environment: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    # A group of its own: Ctrl-C reaches this process, which then stops the children in order.
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 (our own command)
            command,
            env=environment,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )


def _wait_for_ui(host: str, port: int, children: dict[str, "subprocess.Popen[bytes]"], logs: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    reachable = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104 (compared, not bound)
    while time.monotonic() < deadline:
        _require_alive(children, logs)
        try:
            with urllib.request.urlopen(f"http://{reachable}:{port}/server_info", timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.3)
    raise EventflowError(
        f"the Dagster UI did not answer within {START_SECONDS} s; see {logs / 'dagster-webserver.log'}"
    )


def _watch(children: dict[str, "subprocess.Popen[bytes]"], logs: Path, alerts: AlertLines) -> None:
    while True:
        for line in alerts.new():
            click.echo(line)
        _require_alive(children, logs)
        time.sleep(0.5)


def _require_alive(children: dict[str, "subprocess.Popen[bytes]"], logs: Path) -> None:
    for name, child in children.items():
        if child.poll() is not None:
            raise EventflowError(f"{name} ended by itself (exit code {child.returncode}); see {logs / name}.log")


def _stop(children: dict[str, "subprocess.Popen[bytes]"]) -> None:
    for child in children.values():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGINT)
    for child in children.values():
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(STOP_SECONDS)
        _end_group(child.pid)
        child.wait()
