"""Dagster's web server behind the guard: ``python -m eventflow_stats.orchestration.web_server``.

It does what `dagster-webserver` does, with the same defaults. Guard and web server are one process, so no unguarded
port exists.
"""

import sys
from pathlib import Path

import click
import uvicorn
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.cli import (
    DEFAULT_DB_STATEMENT_TIMEOUT,
    DEFAULT_POOL_MAX_OVERFLOW,
    DEFAULT_POOL_RECYCLE,
)
from dagster_webserver.version import __version__

from eventflow_stats.errors import EventflowError
from eventflow_stats.limited_connection import LimitedWebConnection
from eventflow_stats.orchestration.dagster_internals import (
    WorkspaceFileTarget,
    WorkspaceProcessContext,
    configure_loggers,
    get_instance_for_cli,
)
from eventflow_stats.orchestration.ui_guard import MOST_BODY_BYTES, UiGuard
from eventflow_stats.settings import load_settings

POLL_MILLISECONDS = 2000
"""How often the UI asks for news."""
STOP_SECONDS = 5
"""How long open pages may delay the end; each holds a websocket."""


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=3000, show_default=True, help="Port to listen on.")
@click.option("--workspace", type=click.Path(exists=True, dir_okay=False, path_type=Path), default="workspace.yaml")
@click.option("--read-only", is_flag=True, envvar="DAGSTER_WEBSERVER_READ_ONLY", help="Refuse all mutations.")
def main(host: str, port: int, workspace: Path, read_only: bool) -> None:
    """Serve the Dagster UI. Settings define its host names and whether it accepts reports of assets."""
    settings = load_settings()
    token = settings.report_token
    configure_loggers()
    with get_instance_for_cli() as instance:
        instance.optimize_for_webserver(DEFAULT_DB_STATEMENT_TIMEOUT, DEFAULT_POOL_RECYCLE, DEFAULT_POOL_MAX_OVERFLOW)
        target = WorkspaceFileTarget(paths=[str(workspace)])
        with WorkspaceProcessContext(instance, target, version=__version__, read_only=read_only) as context:
            app = create_app_from_workspace_process_context(context, live_data_poll_rate=POLL_MILLISECONDS)
            uvicorn.run(
                UiGuard(app, settings.ui_hosts, token.get_secret_value() if token else None),
                host=host,
                port=port,
                log_level="warning",
                http=LimitedWebConnection,
                ws_max_size=MOST_BODY_BYTES,
                lifespan="off",
                server_header=False,
                timeout_graceful_shutdown=STOP_SECONDS,
            )


if __name__ == "__main__":
    try:
        main()
    except EventflowError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
