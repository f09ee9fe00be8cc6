"""Another version's files of sql/functions: they run again when changed, and what lost its file is dropped.

A version is a copy of the package and of its SQL files, edited, in a process of its own.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import migrate
from eventflow_stats_tests.engine.postgres.inspecting import everything_in, rows, run, schema_of

PACKAGE = Path(__file__).parents[3]
MADE = "made again (views and functions of this version)"
MORE = """
CREATE OR REPLACE FUNCTION eventflow_stats.more(days integer) RETURNS integer LANGUAGE sql IMMUTABLE RETURN days + 1;
CREATE OR REPLACE VIEW eventflow_stats.more_days AS SELECT eventflow_stats.more(1) AS days;
CREATE OR REPLACE FUNCTION public.marketing_more() RETURNS integer LANGUAGE sql STABLE
    RETURN eventflow_stats.more((SELECT days FROM eventflow_stats.more_days));
"""
PROGRAM = """
import sys
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import migrate
from eventflow_stats.settings import Settings
for line in migrate(Database(sys.argv[1], Settings())):
    print(line)
"""


class Version:
    """A copy of the package, to be edited."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("eventflow_stats", "sql"):
            shutil.copytree(PACKAGE / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        self.more = folder / "sql" / "functions" / "13_more.sql"
        self.more.write_text(MORE)

    def migrate(self, database: Database) -> list[str]:
        """What this version's ``migrate`` does."""
        url = database.url.render_as_string(hide_password=False)
        # An interpreter looks into its own folder first.
        call = [sys.executable, "-c", PROGRAM, url]
        done = subprocess.run(call, cwd=self.folder, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()


@pytest.fixture
def later(tmp_path: Path) -> Version:
    """A version with a function, a view and a door that this one does not have."""
    return Version(tmp_path)


def test_a_changed_file_runs_again_and_what_lost_its_file_is_dropped(database: Database, later: Version) -> None:
    before = schema_of(database)
    assert later.migrate(database) == [MADE]
    assert rows(database, "SELECT public.marketing_more()") == [(3,)]
    # As after a restore, which gives every object another id.
    run(database, "UPDATE eventflow_stats.own_objects SET object_id = 1")

    assert migrate(database) == [
        MADE,
        "dropped public.marketing_more()",
        "dropped eventflow_stats.more_days",
        "dropped eventflow_stats.more(days integer)",
    ]
    assert schema_of(database) == before
    assert migrate(database) == []


def test_a_function_with_other_parameters_replaces_the_one_before(database: Database, later: Version) -> None:
    function = "CREATE OR REPLACE FUNCTION eventflow_stats.more(days {0}) RETURNS {0} LANGUAGE sql RETURN days + 1;"
    later.more.write_text(function.format("integer"))
    later.migrate(database)
    later.more.write_text(function.format("bigint"))
    assert later.migrate(database) == [MADE, "dropped eventflow_stats.more(days integer)"]
    assert rows(database, "SELECT eventflow_stats.more(1)") == [(2,)]
    assert later.migrate(database) == []


def test_functions_of_others_are_not_dropped(database: Database, later: Version) -> None:
    run(
        database,
        """CREATE FUNCTION public.marketing_of_the_product() RETURNS integer LANGUAGE sql RETURN 1;
        CREATE FUNCTION eventflow_stats.of_mine() RETURNS integer LANGUAGE sql RETURN 1""",
    )
    later.migrate(database)
    migrate(database)
    assert rows(database, "SELECT public.marketing_of_the_product() + eventflow_stats.of_mine()") == [(2,)]


def test_what_something_else_needs_is_named_and_nothing_is_changed(database: Database, later: Version) -> None:
    later.migrate(database)
    run(database, "CREATE VIEW public.of_mine AS SELECT * FROM eventflow_stats.more_days")
    before = everything_in(database)
    with pytest.raises(Exception, match=r"view of_mine depends on view eventflow_stats\.more_days"):
        migrate(database)
    assert everything_in(database) == before
