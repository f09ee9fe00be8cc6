"""up: runs the whole deployment in the foreground, until Ctrl-C."""

import contextlib
import json
import os
import signal
import sys
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
from eventflow_stats.cli.dagster_preparation import START_SECONDS, DagsterPreparation, prepare_dagster
from eventflow_stats.cli.database_commands import bring_up_to_date
from eventflow_stats.cli.ports import free_port, require_free_port
from eventflow_stats.cli.processes import STOP_SECONDS, Child, end_group, is_running, stop
from eventflow_stats.cli.supervision import EmbeddedServer, Process, Supervised
from eventflow_stats.engine.alerts.delivery import raise_alert
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.errors import EventflowError, Refused
from eventflow_stats.local.closed_folders import make_closed_folder
from eventflow_stats.local.server import open_database
from eventflow_stats.local.tokens import signing_secret
from eventflow_stats.setting_types import host_names
from eventflow_stats.settings import Settings, load_settings

LIMITED_HTTP = "eventflow_stats.limited_connection:LimitedConnection"
"""Serves the read API, because uvicorn alone limits neither the size nor the time of a request's headers."""
# The module of the command `dagster-daemon`. Started as a module it does not depend on PATH, and -W ignore applies.
DAEMON = "dagster._daemon"
PYTHON = (sys.executable, "-W", "ignore", "-m")
WEB_SERVER = "eventflow_stats.orchestration.web_server"
EVERY_ADDRESS = ("", "0.0.0.0")  # noqa: S104 (compared, not listened on)


@click.command("up")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address that the Dagster UI listens on. Dagster has no login: anybody who reaches the port can start and "
    "stop everything. `up` refuses requests from pages of other sites; plain `dagster-webserver` does not.",
)
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True, help="Port of the Dagster UI.")
@click.option(
    "--allow-host",
    "allowed",
    multiple=True,
    metavar="NAME",
    callback=lambda _context, _option, names: _host_names(names),
    help="Another host name by which browsers may open the UI, beside --host and the loopback names; may be repeated "
    "(setting EVENTFLOW_UI_HOSTS).",
)
def up_command(host: str, port: int, allowed: tuple[str, ...]) -> None:
    """Run the whole deployment until Ctrl-C.

    It is PostgreSQL, the Dagster UI, the daemon (schedule, sensors, backfills) and the read API. A process that
    ends by itself is started again; the others continue.
    """
    # Logs and the output of runs contain client names. Every process of the deployment inherits this umask.
    os.umask(0o077)
    settings = load_settings()
    api_host, api_port = settings.api_host, settings.api_port or free_port()
    environment = dagster_environment(settings)
    data_dir = Path(environment["EVENTFLOW_DATA_DIR"])
    records, logs = data_dir / "up.json", data_dir / "logs"
    had_leftovers = _clear_leftovers(records)
    seconds = STOP_SECONDS if had_leftovers else 0
    require_free_port(host, port, seconds, "give another --port")
    require_free_port(api_host, api_port, seconds, "set EVENTFLOW_API_PORT")
    with _stopped_by_signals(), open_database(settings) as database:
        applied = bring_up_to_date(database, settings)
        if applied:
            click.echo(f"Database: applied {', '.join(applied)}")
        make_closed_folder(logs)
        prepare_dagster(environment)
        ui, api = f"http://{_reachable(host)}:{port}", f"http://{_reachable(api_host)}:{api_port}"
        own_names = () if host in EVERY_ADDRESS else (host,)
        guarded = environment | {"EVENTFLOW_UI_HOSTS": ",".join((*settings.ui_hosts, *own_names, *allowed))}
        for_api = environment | _api_environment(settings, database, f"{ui}/graphql")
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
                click.echo(
                    "Browsers can open the UI only by the names of this machine; allow others with --allow-host NAME"
                )
            embedded = [EmbeddedServer(data_dir)] if settings.database_url is None else []
            _watch(children, embedded, database, records, alerts)
        except KeyboardInterrupt:
            click.echo("Stopping ...")
        finally:
            # Stopping takes a limited time, and a second Ctrl-C must not leave processes running.
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
    # Runs that ended with the daemon would keep their places in the queue.
    prepare = partial(DagsterPreparation, environment)
    return Child("dagster-daemon", command, environment, logs / "dagster-daemon.log", before_restart=prepare)


def _host_names(names: Sequence[str]) -> tuple[str, ...]:
    try:
        return tuple(name for given in names for name in host_names(given))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _reachable(host: str) -> str:
    """The address by which this machine reaches a server that listens on ``host``."""
    return "127.0.0.1" if host in EVERY_ADDRESS else host


def _record(records: Path, children: Sequence[Child]) -> None:
    """Record the processes for the next `up`, in case this one is killed."""
    pids = {child.name: child.pid for child in children if child.pid is not None}
    records.write_text(json.dumps({"up": os.getpid(), **pids}))


def _clear_leftovers(records: Path) -> bool:
    """Stop processes that a killed `up` left, and return whether there were any; refuse while another `up` runs."""
    try:
        known: dict[str, int] = json.loads(records.read_text())
    except (OSError, ValueError):
        return False
    if is_running(known.get("up"), "eventflow-stats"):
        raise Refused(f"`eventflow-stats up` runs already (process {known['up']}); stop it with Ctrl-C first")
    for name, word in {"read-api": "uvicorn", "dagster-webserver": WEB_SERVER, "dagster-daemon": "dagster"}.items():
        pid = known.get(name)
        if pid is not None and is_running(pid, word):
            end_group(pid)
    records.unlink(missing_ok=True)
    return True


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Make SIGTERM work like Ctrl-C, and Ctrl-C work also if a script started this process with SIGINT ignored."""

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


def _api_environment(settings: Settings, database: Database, graphql_url: str) -> dict[str, str]:
    """The settings that the read API needs and that the environment does not set."""
    given = {"EVENTFLOW_DATABASE_URL": database.url.set(drivername="postgresql").render_as_string(hide_password=False)}
    if "EVENTFLOW_DAGSTER_GRAPHQL_URL" not in os.environ:
        given["EVENTFLOW_DAGSTER_GRAPHQL_URL"] = graphql_url
    if settings.database_url is None and settings.jwks_url is None:
        given["EVENTFLOW_JWT_SECRET"] = signing_secret(settings)
    return given


def _wait_for(name: str, url: str, children: Sequence[Child]) -> None:
    """Wait until it answers. If a child ends before, `up` ends, because the child would end again."""
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
    """Until Ctrl-C: print alerts, and start processes again that ended."""

    def report(name: str, line: str) -> None:
        click.echo(line)
        raise_alert(database, f"process ended: {name}", line, process=name)

    # The database first: the others need it.
    processes: tuple[Process, ...] = (*embedded, *children)
    supervised = [Supervised(process, report) for process in processes]
    while True:
        for line in alerts.new():
            click.echo(line)
        for process in supervised:
            if process.restart_if_ended():
                _record(records, children)
        time.sleep(0.5)
