"""Dagster's own storage on the server that holds the facts.

``dagster.yaml`` names this class, so that ``eventflow-stats up`` and plain ``dagster`` commands find the
same storage from the same settings.
"""

import atexit
from contextlib import ExitStack

import psycopg
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from sqlalchemy import make_url

from eventflow_stats.engine.postgres.database import connection_string, driver_url, readable_url
from eventflow_stats.errors import Refused
from eventflow_stats.local.server import create_database, embedded_server
from eventflow_stats.settings import load_settings

DATABASE = "dagster"

# The embedded server runs for as long as this process may ask its storage something.
_held = ExitStack()
atexit.register(_held.close)


class EventflowDagsterStorage(DagsterPostgresStorage):
    """PostgreSQL storage at ``EVENTFLOW_DAGSTER_URL``, else in database ``dagster`` of the facts' server."""

    @classmethod
    def config_type(cls) -> dict[str, object]:
        return {}

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls, inst_data: ConfigurableClassData | None, config_value: dict[str, object]
    ) -> "EventflowDagsterStorage":
        return cls(postgres_url=storage_url(), inst_data=inst_data)


def storage_url() -> str:
    """The URL of Dagster's storage; its database is created if the server has none of that name.

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
    # dagster-postgres speaks psycopg 2 (LISTEN/NOTIFY); a bare URL would be read as psycopg 3.
    return url.set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
