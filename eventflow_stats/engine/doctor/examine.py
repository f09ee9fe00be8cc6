"""All that is asked of settings and database, in the order in which a trouble explains the next."""

from collections.abc import Mapping

from eventflow_stats.engine.doctor.connection import NO_DATABASE, examine_connection
from eventflow_stats.engine.doctor.diagnosis import Diagnosis, not_checked
from eventflow_stats.engine.doctor.indexes import examine_indexes
from eventflow_stats.engine.doctor.rights import examine_rights
from eventflow_stats.engine.doctor.rollup import examine_rollup
from eventflow_stats.engine.doctor.schema import examine_schema
from eventflow_stats.engine.doctor.server import examine_server
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.errors import EventflowError

LONGEST_STATEMENT, LONGEST_WAIT = 60.0, 5.0
"""Seconds: a locked table or a busy server costs one line its answer, and the doctor not its day."""
WITHOUT_CONNECTION = ("schema", "indexes", "rights", "server", "rollup")


def examine_database(database: Database, problems: Mapping[str, str]) -> list[Diagnosis]:
    """Everything of the database, read-only.

    Parameters: ``problems`` of the settings, as usable_settings() tells them.
    """
    # Its sessions refuse to write, whatever is asked in them, and wait for nobody.
    database = _reading(database)
    found = examine_connection(database)
    broken = next((each for each in found if each.state == "fail" and each.name != "clock"), None)
    if broken is not None:
        return [*found, *nothing_checked()]
    found += examine_schema(database)
    # Another time zone is reported once: what the ledger says is asked in its own.
    database = _in_its_own_zone(database)
    return [
        *found,
        *examine_indexes(database),
        *examine_rights(database, problems),
        *examine_server(database),
        *examine_rollup(database),
    ]


def nothing_checked() -> list[Diagnosis]:
    """One line an area of what only a database could answer."""
    return [not_checked(area, "everything", NO_DATABASE) for area in WITHOUT_CONNECTION]


def _reading(database: Database) -> Database:
    settings = database.settings
    patience = {
        "statement_timeout": min(settings.statement_timeout, LONGEST_STATEMENT),
        "lock_timeout": min(settings.lock_timeout, LONGEST_WAIT),
    }
    hasty = settings.model_copy(update=patience)
    return Database(database.url.render_as_string(hide_password=False), hasty, read_only=True)


def _in_its_own_zone(database: Database) -> Database:
    try:
        with database.login_session() as connection:
            zone = connection.scalar(query("schema/deployment_timezone"))
    except EventflowError:
        return database
    settings = database.settings.model_copy(update={"bucket_timezone": zone})
    return Database(database.url.render_as_string(hide_password=False), settings, read_only=True)
