"""Dagster's own storage (runs, events, ticks) on the server of the facts.

``dagster.yaml`` names this class, so ``eventflow-stats up`` and plain ``dagster`` commands find the same storage with
the same settings.
"""

import atexit
from contextlib import ExitStack

import psycopg
from dagster_postgres import DagsterPostgresStorage
from sqlalchemy import make_url

from eventflow_stats.engine.postgres.database import connection_string, driver_url, readable_url
from eventflow_stats.errors import Refused
from eventflow_stats.local.server import create_database, embedded_server
from eventflow_stats.orchestration.dagster_internals import ConfigurableClassData
from eventflow_stats.settings import load_settings

DATABASE = "dagster"

# The embedded server has to run as long as this process may use its storage.
_held = ExitStack()
atexit.register(_held.close)


class EventflowDagsterStorage(DagsterPostgresStorage):
    """PostgreSQL storage at ``EVENTFLOW_DAGSTER_URL``; by default database ``dagster`` on the server of the facts."""

    @classmethod
    def config_type(cls) -> dict[str, object]:
        return {}

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls, inst_data: ConfigurableClassData | None, config_value: dict[str, object]
    ) -> "EventflowDagsterStorage":
        return cls(postgres_url=storage_url(), inst_data=inst_data)


def storage_url() -> str:
    """The URL of Dagster's storage. Creates the database ``dagster`` if it is missing.

    Raises:
        Refused: the server cannot be reached, or the user may not create the database.
    """
    settings = load_settings()
    if settings.dagster_url is not None:
        url = make_url(settings.dagster_url.replace("postgres://", "postgresql://", 1))
    else:
        facts_url = settings.database_url or _held.enter_context(embedded_server(settings.data_dir))
        facts = driver_url(facts_url).set(drivername="postgresql")
        url = facts.set(database=DATABASE)
        try:
            with psycopg.connect(connection_string(facts), autocommit=True) as connection:
                create_database(connection, DATABASE)
        except psycopg.OperationalError as error:
            raise Refused(f"no connection to {readable_url(facts)}: {str(error).splitlines()[0]}") from None
        except psycopg.errors.InsufficientPrivilege:
            raise Refused(
                f"the user of {readable_url(facts)} may not create database {DATABASE!r}: create it, or name "
                "another with setting EVENTFLOW_DAGSTER_URL"
            ) from None
    # dagster-postgres needs psycopg 2 for LISTEN and NOTIFY; SQLAlchemy reads a bare URL as psycopg 3.
    return url.set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
