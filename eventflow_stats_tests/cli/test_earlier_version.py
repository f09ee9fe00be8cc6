"""An embedded database of an earlier version, as a person meets it: one line, and what it says gives exact numbers."""

import re
import shutil
from datetime import date
from pathlib import Path

import psycopg
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.local.server import embedded_server
from eventflow_stats.settings import Settings
from eventflow_stats_tests.cli.command import eventflow, one_line

DAY = date(2026, 3, 1)
VISITS = """session_id,accessed_at,campaign,utm_source
a,2026-03-01T09:00:00Z,toys,mail
a,2026-03-01T10:00:00Z,toys,mail
b,2026-03-01T11:00:00Z,toys,mail
c,2026-03-01T12:00:00Z,toys,
"""


@pytest.mark.slow
def test_the_folder_is_moved_away_and_the_same_facts_are_imported_again(tmp_path: Path) -> None:
    (tmp_path / "visits.csv").write_text(VISITS)
    first = eventflow(tmp_path, "import", "--visits", "visits.csv")
    assert first.returncode == 0, first.stderr
    with embedded_server(tmp_path / "data") as url, psycopg.connect(url) as connection:
        connection.execute("UPDATE eventflow_stats.schema_version SET version_num = '0024_second_count'")

    for command in (("migrate",), ("import", "--visits", "visits.csv"), ("sample", "--visits", "10")):
        refused = eventflow(tmp_path, *command)
        assert refused.returncode != 0
        line = one_line(refused.stderr)
        assert "an earlier version of eventflow-stats made this database (migration 0024_second_count)" in line
        assert "import the facts again, backfill their days" in line
    [folder] = re.findall(r"move folder (\S+) away", line)
    shutil.move(folder, tmp_path / "away")

    again = eventflow(tmp_path, "import", "--visits", "visits.csv")
    assert again.stdout == first.stdout
    with embedded_server(tmp_path / "data") as url:
        database = Database(url, Settings())
        list(rebuild(database, [DAY]))
        assert [day.result for day in verify(database, [DAY])] == ["verified"]
        with psycopg.connect(url) as connection:
            rows = connection.execute("SELECT utm_source, visits FROM marketing_stats_daily ORDER BY 1").fetchall()
    assert rows == [("mail", 2), (None, 1)]
