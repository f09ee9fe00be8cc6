"""What assets and checks get to work with."""

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
        """The database; the server is held for as long as it is used.

        Raises:
            dagster.Failure: what the engine refused, in its one line.
        """
        try:
            with open_database(load_settings()) as database:
                yield database
        except EventflowError as error:
            raise dg.Failure(description=str(error)) from error
