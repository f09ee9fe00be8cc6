"""A real Dagster instance for a benchmark: the project's dagster.yaml, and storage on the benchmark's server."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import dagster as dg
import psycopg

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import shipped
from eventflow_stats.local.server import create_database


@contextmanager
def dagster_beside(database: Database, folder: Path, **settings: str) -> Iterator[dg.DagsterInstance]:
    """Set the environment so that this process and its children work on ``database``; yields the instance.

    ``settings`` are further variables of that environment, such as EVENTFLOW_START_DATE."""
    url = database.url.set(drivername="postgresql")
    (folder / "dagster.yaml").write_text(shipped("dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    facts = url.render_as_string(hide_password=False)
    with psycopg.connect(facts, autocommit=True) as connection:
        create_database(connection, "dagster")
    environment = {
        "EVENTFLOW_DATABASE_URL": facts,
        "EVENTFLOW_DAGSTER_URL": url.set(database="dagster").render_as_string(hide_password=False),
        "DAGSTER_HOME": str(folder),
        **settings,
    }
    with mock.patch.dict(os.environ, environment), dg.DagsterInstance.get() as instance:
        yield instance
