"""Writes the list of everything that ``migrate`` leaves (sql/migrations/laid.txt).

Run with ``python -m eventflow_stats_tests.engine.postgres.left_by_the_migrations``.
"""

import tempfile
from pathlib import Path

from eventflow_stats.engine.doctor.schema import laid
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import migrate
from eventflow_stats.local.product_tables import create_product_tables
from eventflow_stats.local.server import embedded_server
from eventflow_stats.settings import Settings

LIST = Path(__file__).parents[3] / "sql" / "migrations" / "laid.txt"


def listed(database: Database) -> str:
    """Everything of ours in a migrated database, a line each, as in the file."""
    return "".join(f"{kind}\t{line}\n" for kind, line in laid(database))


def main() -> None:
    """Write the list after a change of migrations or functions; read its diff before you commit it."""
    with tempfile.TemporaryDirectory(prefix="pg_") as folder, embedded_server(Path(folder)) as url:
        database = Database(url, Settings())
        create_product_tables(database)
        migrate(database)
        LIST.write_text(listed(database), encoding="utf-8")


if __name__ == "__main__":
    main()
