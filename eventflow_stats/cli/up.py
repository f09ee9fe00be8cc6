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

from eventflow_stats.cli.alert_lines import AlertLines
from eventflow_stats.cli.dagster_home import dagster_environment, workspace_file
from eventflow_stats.cli.database_commands import bring_up_to_date
from eventflow_stats.cli.processes import STOP_SECONDS, Children, end_group, require_alive, runs, spawn, stop
from eventflow_stats.engine.database import Database
from eventflow_stats.errors import EventflowError, Refused
from eventflow_stats.local.server import open_database
from eventflow_stats.local.tokens import signing_secret
from eventflow_stats.settings import Settings, load_settings

START_SECONDS = 120
LIMITED_HTTP = "eventflow_stats.api.connections:LimitedConnection"
"""Serves the read API: uvicorn alone bounds neither the size of a request's head nor its time."""


@click.command("up")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address the Dagster UI listens on.")
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True, help="Port of the Dagster UI.")
def up_command(host: str, port: int) -> None:
    """Run PostgreSQL, the Dagster UI, the daemon (schedule, sensors, backfills) and the read API until Ctrl-C."""
    settings = load_settings()
    api_host, api_port = settings.api_host, settings.api_port or _free_port()
    environment = dagster_environment(settings)
    workspace = workspace_file(environment)
    records = Path(environment["EVENTFLOW_DATA_DIR"]) / "up.json"
    logs = Path(environment["EVENTFLOW_DATA_DIR"]) / "logs"
    had_leftovers = _clear_leftovers(records)
    patience = STOP_SECONDS if had_leftovers else 0
    _require_free_port(host, port, patience, "give another --port")
    _require_free_port(api_host, api_port, patience, "set EVENTFLOW_API_PORT")
    with _stopped_by_signals(), open_database(settings) as database:
        applied = bring_up_to_date(database, settings)
        if applied:
            click.echo(f"Database: applied {', '.join(applied)}")
        logs.mkdir(parents=True, exist_ok=True)
        _prepare_dagster(environment)
        ui = f"http://{host}:{port}"
        dagster = [sys.executable, "-W", "ignore", "-m"]
        webserver = [*dagster, "dagster_webserver", "-h", host, "-p", str(port), "-w", str(workspace)]
        daemon = [*dagster, "dagster._daemon", "run", "-w", str(workspace)]
        uvicorn = [sys.executable, "-m", "uvicorn", "eventflow_stats.api:app", "--http", LIMITED_HTTP]
        commands = {
            "read-api": (
                [*uvicorn, "--no-access-log", "--no-server-header", "--host", api_host, "--port", str(api_port)],
                environment | _for_the_api(settings, database, f"{ui}/graphql"),
            ),
            "dagster-webserver": (webserver, environment),
            "dagster-daemon": (daemon, environment),
        }
        children: Children = {}
        alerts = AlertLines(logs / "dagster-daemon.log")
        try:
            for name, (command, own) in commands.items():
                children[name] = spawn(command, own, logs / f"{name}.log")
                records.write_text(json.dumps({"up": os.getpid(), **{n: c.pid for n, c in children.items()}}))
            api = f"http://{api_host}:{api_port}"
            _wait_for("read-api", f"{api}/openapi.json", children, logs)
            _wait_for("dagster-webserver", f"{ui}/server_info", children, logs)
            click.echo(f"Dagster UI: {ui}  Read API: {api}/docs  (logs in {logs}; Ctrl-C stops everything)")
            _watch(children, logs, alerts)
        except KeyboardInterrupt:
            click.echo("Stopping ...")
        finally:
            # Stopping is bounded; a second Ctrl-C must not leave half of it running.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            stop(children)
            records.unlink(missing_ok=True)
    click.echo("Stopped.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _require_free_port(host: str, port: int, patience: float, remedy: str) -> None:
    """A process just killed keeps its port for a moment longer: ``patience`` is how many seconds to allow it."""
    deadline = time.monotonic() + patience
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                if time.monotonic() >= deadline:
                    raise Refused(f"cannot listen on {host}:{port}: {error.strerror}; {remedy}") from None
            else:
                return
        time.sleep(0.1)


def _clear_leftovers(records: Path) -> bool:
    """Stop what an `up` that was killed left running, and tell whether there was any; refuse while one still runs."""
    try:
        known: dict[str, int] = json.loads(records.read_text())
    except (OSError, ValueError):
        return False
    if runs(known.get("up"), "eventflow-stats"):
        raise Refused(f"`eventflow-stats up` runs already (process {known['up']}); stop it with Ctrl-C first")
    for name, word in {"read-api": "uvicorn", "dagster-webserver": "dagster", "dagster-daemon": "dagster"}.items():
        pid = known.get(name)
        if pid is not None and runs(pid, word):
            end_group(pid)
    records.unlink(missing_ok=True)
    return True


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


def _for_the_api(settings: Settings, database: Database, graphql_url: str) -> dict[str, str]:
    """What the read API needs beside the settings of the environment, where they leave it open."""
    given = {"EVENTFLOW_DATABASE_URL": database.url.set(drivername="postgresql").render_as_string(hide_password=False)}
    if "EVENTFLOW_DAGSTER_GRAPHQL_URL" not in os.environ:
        given["EVENTFLOW_DAGSTER_GRAPHQL_URL"] = graphql_url
    if settings.database_url is None and settings.jwks_url is None:
        given["EVENTFLOW_JWT_SECRET"] = signing_secret(settings)
    return given


def _wait_for(name: str, url: str, children: Children, logs: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    reachable = url.replace("//0.0.0.0:", "//127.0.0.1:")
    while time.monotonic() < deadline:
        require_alive(children, logs)
        try:
            with urllib.request.urlopen(reachable, timeout=2):  # noqa: S310 (our own URL)
                return
        except (URLError, OSError):
            time.sleep(0.3)
    raise EventflowError(f"{name} did not answer within {START_SECONDS} s; see {logs / name}.log")


def _watch(children: Children, logs: Path, alerts: AlertLines) -> None:
    while True:
        for line in alerts.new():
            click.echo(line)
        require_alive(children, logs)
        time.sleep(0.5)
