"""The resource of assets, checks, schedules and sensors: the database."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.errors import EventflowError
from eventflow_stats.local.server import open_database
from eventflow_stats.settings import load_settings


class RollupDatabase(dg.ConfigurableResource[Database]):
    """The database of facts and rollup: EVENTFLOW_DATABASE_URL, else the embedded server."""

    @contextmanager
    def opened(self) -> Iterator[Database]:
        """Open the database; an embedded server stays up until this context ends.

        Raises:
            dagster.Failure: with the one-line message of an error of the engine.
        """
        try:
            with open_database(load_settings()) as database:
                yield database
        except EventflowError as error:
            raise dg.Failure(description=str(error)) from error
