"""Prints the state of Dagster's part as one JSON object: ``python -m eventflow_stats.orchestration.deployment_state``.

`eventflow-stats doctor` starts it. It only reads: Dagster's own way to open its storage would create a missing database
and missing tables. The storage is at EVENTFLOW_DAGSTER_URL, by default database ``dagster`` beside
EVENTFLOW_DATABASE_URL. The caller starts an embedded server and passes its URL.

Keys: ``storage`` ("there") and ``read_only``, or ``storage_error``, the reason why it cannot be read; ``daemons``: the
seconds since the last heartbeat of each, and its errors; ``stopped``: schedules and sensors that an operator stopped;
``automations``: those that are on by default; ``location_error``: why the code location does not load.
"""

import json
import sys
import time
from importlib import import_module
from importlib.resources import as_file
from typing import Any

import dagster as dg
from dagster_postgres.run_storage import PostgresRunStorage
from dagster_postgres.schedule_storage import PostgresScheduleStorage
from sqlalchemy import URL, create_engine, inspect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from eventflow_stats.engine.postgres.database import driver_url
from eventflow_stats.engine.postgres.sql import shipped
from eventflow_stats.errors import EventflowError
from eventflow_stats.orchestration.dagster_internals import WorkspaceFileTarget
from eventflow_stats.orchestration.storage import DATABASE
from eventflow_stats.settings import usable_settings

CONNECT_SECONDS = 10
NEEDED_TABLES = {"runs", "daemon_heartbeats", "jobs", "job_ticks"}


def main() -> None:
    """Print the JSON object."""
    sys.stdout.write(json.dumps({**_storage(), **_location()}) + "\n")


def _storage() -> dict[str, Any]:
    url = _url()
    if url is None:
        return {"storage_error": "no server is running"}
    try:
        tables, read_only = _tables(url)
        missing = NEEDED_TABLES - tables
        if missing:
            return {"storage_error": f"its tables have not been created: no table {', '.join(sorted(missing))}"}
        bare = url.render_as_string(hide_password=False)
        heartbeats = PostgresRunStorage(bare, should_autocreate_tables=False).get_daemon_heartbeats()
        states = PostgresScheduleStorage(bare, should_autocreate_tables=False).all_instigator_state()
    except SQLAlchemyError as error:
        lines = str(getattr(error, "orig", None) or error).strip().splitlines()
        return {"storage_error": lines[0] if lines else type(error).__name__}
    return {
        "storage": "there",
        "read_only": read_only,
        "daemons": {
            kind: {
                "age": time.time() - beat.timestamp,
                "errors": [error.message.strip().splitlines()[0] for error in beat.errors or ()],
            }
            for kind, beat in heartbeats.items()
        },
        "stopped": [state.instigator_name for state in states if state.status.name == "STOPPED"],
    }


def _url() -> URL | None:
    settings, problems = usable_settings()
    if settings.dagster_url is not None:
        url = driver_url(settings.dagster_url)
    elif settings.database_url is not None and "dagster_url" not in problems:
        url = driver_url(settings.database_url).set(database=DATABASE)
    else:
        return None
    # dagster-postgres needs psycopg 2. The timeout is for a server that does not answer.
    return url.set(drivername="postgresql+psycopg2").update_query_dict({"connect_timeout": str(CONNECT_SECONDS)})


def _tables(url: URL) -> tuple[set[str], bool]:
    """The storage's tables, and whether it cannot be written."""
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            read_only = connection.exec_driver_sql(
                "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean"
            ).scalar()
        return set(inspect(engine).get_table_names()), bool(read_only)
    finally:
        engine.dispose()


def _location() -> dict[str, Any]:
    try:
        defs = _definitions()
        dg.Definitions.validate_loadable(defs)
        automations = [*(defs.schedules or ()), *(defs.sensors or ())]
    except (EventflowError, dg.DagsterError, ImportError, SyntaxError) as error:
        return {"location_error": str(error).strip().splitlines()[0]}
    running = {dg.DefaultScheduleStatus.RUNNING, dg.DefaultSensorStatus.RUNNING}
    return {
        "automations": [
            each.name
            for each in automations
            if isinstance(each, dg.ScheduleDefinition | dg.SensorDefinition) and each.default_status in running
        ]
    }


def _definitions() -> dg.Definitions:
    """The Definitions object of the module that workspace.yaml names, which is what Dagster's processes load."""
    with as_file(shipped("workspace.yaml")) as workspace:
        (origin,) = WorkspaceFileTarget(paths=[str(workspace)]).create_origins()
    name = origin.loadable_target_origin.module_name
    assert name is not None  # noqa: S101 (workspace.yaml names a module)
    module = import_module(name)
    return next(value for value in vars(module).values() if isinstance(value, dg.Definitions))


if __name__ == "__main__":
    main()
