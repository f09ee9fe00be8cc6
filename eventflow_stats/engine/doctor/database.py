"""All checks of the database, in this order: the cause of a problem comes before its consequences."""

from collections.abc import Mapping

from eventflow_stats.engine.doctor.check_result import DoctorLine, not_checked
from eventflow_stats.engine.doctor.connection import NO_DATABASE, check_connection
from eventflow_stats.engine.doctor.indexes import check_indexes
from eventflow_stats.engine.doctor.rights import check_rights
from eventflow_stats.engine.doctor.rollup import check_rollup
from eventflow_stats.engine.doctor.schema import check_schema
from eventflow_stats.engine.doctor.server import check_server
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.errors import EventflowError

LONGEST_STATEMENT, LONGEST_WAIT = 60.0, 5.0
"""Seconds: a locked table or a busy server makes one check fail and does not stop the others."""
AREAS_OF_THE_DATABASE = ("schema", "indexes", "rights", "server", "rollup")


def check_database(database: Database, problems: Mapping[str, str]) -> list[DoctorLine]:
    """Check everything of the database, in read-only sessions.

    Parameters: ``problems`` of the settings, as usable_settings() returns them.
    """
    database = _reading(database)
    found = check_connection(database)
    if any(line.state == "fail" and line.name != "clock" for line in found):
        return [*found, *unchecked_areas()]
    found += check_schema(database)
    # check_schema() has reported a wrong time zone. The other checks read the ledger in the time zone of the ledger.
    database = _in_its_own_time_zone(database)
    return [
        *found,
        *check_indexes(database),
        *check_rights(database, problems),
        *check_server(database),
        *check_rollup(database),
    ]


def unchecked_areas() -> list[DoctorLine]:
    """One line for each area that cannot be checked without a database."""
    return [not_checked(area, "everything", NO_DATABASE) for area in AREAS_OF_THE_DATABASE]


def _reading(database: Database) -> Database:
    """The same database with sessions that refuse every write and wait for a short time only."""
    settings = database.settings
    limits = {
        "statement_timeout": min(settings.statement_timeout, LONGEST_STATEMENT),
        "lock_timeout": min(settings.lock_timeout, LONGEST_WAIT),
    }
    hasty = settings.model_copy(update=limits)
    return Database(database.url.render_as_string(hide_password=False), hasty, read_only=True)


def _in_its_own_time_zone(database: Database) -> Database:
    try:
        with database.login_session() as connection:
            zone = connection.scalar(query("schema/deployment_timezone"))
    except EventflowError:
        return database
    settings = database.settings.model_copy(update={"bucket_timezone": zone})
    return Database(database.url.render_as_string(hide_password=False), settings, read_only=True)
