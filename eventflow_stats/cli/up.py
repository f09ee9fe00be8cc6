"""up: everything running in the foreground, until Ctrl-C."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from urllib.error import URLError

import click

from eventflow_stats.cli.alert_format import AlertLines
from eventflow_stats.cli.dagster_home import dagster_environment, workspace_file
from eventflow_stats.cli.database_commands import bring_up_to_date
from eventflow_stats.cli.ports import free_port, require_free_port
from eventflow_stats.cli.processes import STOP_SECONDS, Child, end_group, runs, stop
from eventflow_stats.cli.supervision import EmbeddedServer, Process, Supervised
from eventflow_stats.engine.alerts.delivery import raise_alert
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.errors import EventflowError, Refused
from eventflow_stats.local.closed_folders import closed_folder
from eventflow_stats.local.server import open_database
from eventflow_stats.local.tokens import signing_secret
from eventflow_stats.setting_types import host_names
from eventflow_stats.settings import Settings, load_settings

START_SECONDS = 120
LIMITED_HTTP = "eventflow_stats.limited_connection:LimitedConnection"
"""Serves the read API: uvicorn alone bounds neither the size of a request's head nor its time."""
PYTHON = (sys.executable, "-W", "ignore", "-m")
WEB_SERVER = "eventflow_stats.orchestration.web_server"
# The module of the command `dagster-daemon`. Started as a module it does not depend on PATH, and -W ignore applies.
DAEMON = "dagster._daemon"
EVERY_ADDRESS = ("", "0.0.0.0")  # noqa: S104 (compared, not listened on)


@click.command("up")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address the Dagster UI listens on. Dagster has no login: whoever reaches the port can start and stop "
    "everything. `up` keeps out pages of other sites that a browser has open; plain `dagster-webserver` does not.",
)
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True, help="Port of the Dagster UI.")
@click.option(
    "--allow-host",
    "allowed",
    multiple=True,
    metavar="NAME",
    callback=lambda _context, _option, names: _host_names(names),
    help="Another name that browsers may open the UI under, besides --host and the loopback names; repeatable "
    "(setting EVENTFLOW_UI_HOSTS).",
)
def up_command(host: str, port: int, allowed: tuple[str, ...]) -> None:
    """Run PostgreSQL, the Dagster UI, the daemon (schedule, sensors, backfills) and the read API until Ctrl-C.

    A process of these that ends by itself is started again, the others go on."""
    # Client names stand in logs and in what runs print. Every process of the deployment inherits this.
    os.umask(0o077)
    settings = load_settings()
    api_host, api_port = settings.api_host, settings.api_port or free_port()
    environment = dagster_environment(settings)
    data_dir = Path(environment["EVENTFLOW_DATA_DIR"])
    records, logs = data_dir / "up.json", data_dir / "logs"
    had_leftovers = _clear_leftovers(records)
    patience = STOP_SECONDS if had_leftovers else 0
    require_free_port(host, port, patience, "give another --port")
    require_free_port(api_host, api_port, patience, "set EVENTFLOW_API_PORT")
    with _stopped_by_signals(), open_database(settings) as database:
        applied = bring_up_to_date(database, settings)
        if applied:
            click.echo(f"Database: applied {', '.join(applied)}")
        closed_folder(logs)
        _prepare_dagster(environment)
        ui, api = f"http://{_reachable(host)}:{port}", f"http://{_reachable(api_host)}:{api_port}"
        own_names = () if host in EVERY_ADDRESS else (host,)
        guarded = environment | {"EVENTFLOW_UI_HOSTS": ",".join((*settings.ui_hosts, *own_names, *allowed))}
        for_api = environment | _for_the_api(settings, database, f"{ui}/graphql")
        children = [
            _read_api(for_api, logs, api_host, api_port),
            _web_server(guarded, logs, host, port),
            _daemon(environment, logs),
        ]
        alerts = AlertLines(logs / "dagster-daemon.log")
        try:
            for child in children:
                child.start()
                _record(records, children)
            _wait_for("read-api", f"{api}/openapi.json", children)
            _wait_for("dagster-webserver", f"{ui}/server_info", children)
            click.echo(f"Dagster UI: {ui}  Read API: {api}/docs  (logs in {logs}; Ctrl-C stops everything)")
            if host in EVERY_ADDRESS and not (settings.ui_hosts or allowed):
                click.echo("Only the names of this machine open the UI; allow others with --allow-host NAME")
            embedded = [EmbeddedServer(data_dir)] if settings.database_url is None else []
            _watch(children, embedded, database, records, alerts)
        except KeyboardInterrupt:
            click.echo("Stopping ...")
        finally:
            # Stopping is bounded; a second Ctrl-C must not leave half of it running.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            stop(children)
            records.unlink(missing_ok=True)
    click.echo("Stopped.")


def _read_api(environment: dict[str, str], logs: Path, host: str, port: int) -> Child:
    uvicorn = [sys.executable, "-m", "uvicorn", "eventflow_stats.api:app", "--http", LIMITED_HTTP]
    options = ["--no-access-log", "--no-server-header", "--host", host, "--port", str(port)]
    return Child("read-api", [*uvicorn, *options], environment, logs / "read-api.log")


def _web_server(environment: dict[str, str], logs: Path, host: str, port: int) -> Child:
    where = ["--host", host, "--port", str(port), "--workspace", str(workspace_file(environment))]
    log = logs / "dagster-webserver.log"
    return Child("dagster-webserver", [*PYTHON, WEB_SERVER, *where], environment, log)


def _daemon(environment: dict[str, str], logs: Path) -> Child:
    command = [*PYTHON, DAEMON, "run", "-w", str(workspace_file(environment))]
    # The runs that ended with it would keep their places in the queue.
    prepare = partial(DagsterPreparation, environment)
    return Child("dagster-daemon", command, environment, logs / "dagster-daemon.log", before_restart=prepare)


def _host_names(names: Sequence[str]) -> tuple[str, ...]:
    try:
        return tuple(name for given in names for name in host_names(given))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _reachable(host: str) -> str:
    """Where this machine reaches what listens there."""
    return "127.0.0.1" if host in EVERY_ADDRESS else host


def _record(records: Path, children: Sequence[Child]) -> None:
    """Note the processes for the next `up`, in case this one is killed."""
    pids = {child.name: child.pid for child in children if child.pid is not None}
    records.write_text(json.dumps({"up": os.getpid(), **pids}))


def _clear_leftovers(records: Path) -> bool:
    """Stop what an `up` that was killed left running, and tell whether there was any; refuse while one still runs."""
    try:
        known: dict[str, int] = json.loads(records.read_text())
    except (OSError, ValueError):
        return False
    if runs(known.get("up"), "eventflow-stats"):
        raise Refused(f"`eventflow-stats up` runs already (process {known['up']}); stop it with Ctrl-C first")
    for name, word in {"read-api": "uvicorn", "dagster-webserver": WEB_SERVER, "dagster-daemon": "dagster"}.items():
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


class DagsterPreparation:
    """Creates Dagster's tables before two processes try to at once, and ends the runs of processes that are gone. A
    process of its own does it, because it takes seconds, and minutes where the database does not answer."""

    def __init__(self, environment: dict[str, str]) -> None:
        # Closed with the process.
        self._out, self._err = (tempfile.TemporaryFile("w+") for _ in range(2))  # noqa: SIM115
        self._process = subprocess.Popen(  # noqa: S603 (our own command)
            [*PYTHON, "eventflow_stats.orchestration.runs.orphaned_runs"],
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
            lines = err.strip().splitlines() or ["it said nothing"]
            raise Refused(f"Dagster's storage cannot be used: {lines[-1]}")
        for run_id in out.split():
            click.echo(f"Run {run_id} lost its process when it was killed: noted as failed")
        return True

    def cancel(self) -> None:
        self._process.kill()
        self._process.wait()
        self._out.close()
        self._err.close()


def _prepare_dagster(environment: dict[str, str]) -> None:
    preparation = DagsterPreparation(environment)
    try:
        while not preparation.finished():
            time.sleep(0.05)
    except KeyboardInterrupt:
        preparation.cancel()
        raise


def _for_the_api(settings: Settings, database: Database, graphql_url: str) -> dict[str, str]:
    """What the read API needs beside the settings of the environment, where they leave it open."""
    given = {"EVENTFLOW_DATABASE_URL": database.url.set(drivername="postgresql").render_as_string(hide_password=False)}
    if "EVENTFLOW_DAGSTER_GRAPHQL_URL" not in os.environ:
        given["EVENTFLOW_DAGSTER_GRAPHQL_URL"] = graphql_url
    if settings.database_url is None and settings.jwks_url is None:
        given["EVENTFLOW_JWT_SECRET"] = signing_secret(settings)
    return given


def _wait_for(name: str, url: str, children: Sequence[Child]) -> None:
    """Wait until it answers; a child that ends meanwhile would end again, so `up` ends with it."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        for child in children:
            how = child.ended()
            if how is not None:
                raise EventflowError(f"{child.name} ended by itself ({how}); see {child.log}")
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 (our own URL)
                return
        except (URLError, OSError):
            time.sleep(0.3)
    log = next(child.log for child in children if child.name == name)
    raise EventflowError(f"{name} did not answer within {START_SECONDS} s; see {log}")


def _watch(
    children: Sequence[Child],
    embedded: Sequence[EmbeddedServer],
    database: Database,
    records: Path,
    alerts: AlertLines,
) -> None:
    """Until Ctrl-C: pass on alerts, and start again what ended."""

    def report(name: str, line: str) -> None:
        click.echo(line)
        raise_alert(database, f"process ended: {name}", line, process=name)

    # The database first: the others cannot do without.
    processes: tuple[Process, ...] = (*embedded, *children)
    supervised = [Supervised(process, report) for process in processes]
    while True:
        for line in alerts.new():
            click.echo(line)
        for process in supervised:
            if process.restart_if_ended():
                _record(records, children)
        time.sleep(0.5)
