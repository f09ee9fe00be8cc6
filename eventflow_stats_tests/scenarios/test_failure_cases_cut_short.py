"""Failure cases of a database that stops, is full or gives up, by name (the index is in test_failure_cases.py)."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import migrate
from eventflow_stats.errors import Failed, Refused
from eventflow_stats.local.product_tables import create_product_tables
from eventflow_stats.local.server import embedded_server
from eventflow_stats.settings import Settings
from eventflow_stats_tests.facts import Visit, connect
from eventflow_stats_tests.scenarios.progress_shop import (
    DAY,
    Shop,
    Working,
    at,
    now,
    rebuild,
    refresh,
    row_held,
    shop,
    until,
)

__all__ = ["shop"]


def late_facts(shop: Shop, number: int = 1) -> None:
    shop.product.add(
        *(
            Visit(at=at(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id=f"{n}", utm_source=f"{n}")
            for n in range(number)
        )
    )


def test_database_restart_in_the_middle() -> None:
    """The server dies as it does when its machine loses power, while a rebuild is at work; it comes back, recovers."""
    with tempfile.TemporaryDirectory(prefix="pg_") as name:
        folder = Path(name)
        with embedded_server(folder) as url:
            database = Database(url, Settings(lock_timeout=60))
            create_product_tables(database)
            migrate(database)
            connection = connect(database)
            shop = Shop(database, connection)
            late_facts(shop)
            # The connection that holds the row dies with the server.
            with suppress(psycopg.OperationalError), row_held(shop):
                working = Working(rebuild, database)
                until(lambda: shop.waiting() == 1)
                os.kill(int((folder / "postgres" / "postmaster.pid").read_text().splitlines()[0]), signal.SIGQUIT)
                working.join()
            connection.close()
            assert working.done == []
            assert isinstance(working.failure, Refused | Failed), working.failure
            assert len(str(working.failure).splitlines()) == 1

            with embedded_server(folder), connect(database) as again:
                shop.connection = shop.product.connection = again
                assert shop.keep_right() == [DAY]
                shop.must_be_right()


@pytest.fixture
def tiny_disk(shop: Shop) -> Iterator[str]:
    """A tablespace on a disk of 256 kB, where the sessions of the database keep their working tables."""
    name = f"tiny_{shop.database.url.database}"
    folder = Path(tempfile.mkdtemp(prefix="tiny_"))
    data = shop.connection.execute("SHOW data_directory").fetchone()
    owner = Path((data or [""])[0]).stat()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size=256k,uid={owner.st_uid},gid={owner.st_gid},mode=700", "tmpfs", folder],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        shutil.rmtree(folder)
        pytest.fail(f"only a user that may mount a disk can fill one: {mounted.stderr.strip()}")
    try:
        shop.connection.execute(f"CREATE TABLESPACE {name} LOCATION '{folder}'")
        shop.connection.execute(f"GRANT CREATE ON TABLESPACE {name} TO PUBLIC")
        yield name
        shop.connection.execute(f"DROP TABLESPACE {name}")
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        shutil.rmtree(folder)


@pytest.mark.mount
def test_disk_full(shop: Shop, tiny_disk: str) -> None:
    late_facts(shop, 5_000)
    fails_and_is_made_good(shop, f"temp_tablespaces = {tiny_disk}", "No space left on device")


def test_disk_full_by_quota(shop: Shop) -> None:
    """As a provider rations it: what a session may write to temporary files."""
    late_facts(shop, 5_000)
    fails_and_is_made_good(shop, "temp_file_limit = '64kB'", "temporary file size exceeds", work_mem="64kB")


def fails_and_is_made_good(shop: Shop, setting: str, message: str, **settings: str) -> None:
    """A refresh fails in one line that says why, changes nothing, and the next one makes it good."""
    name = shop.database.url.database
    before = shop.connection.execute("SELECT m::text FROM marketing_stats_daily AS m ORDER BY 1").fetchall()
    shop.detected()
    shop.connection.execute(f"ALTER DATABASE {name} SET {setting}")
    with pytest.raises(Failed, match=message) as failure:
        list(refresh(shop.patient(**settings), [DAY]))
    shop.connection.execute(f"ALTER DATABASE {name} RESET ALL")
    assert len(str(failure.value).splitlines()) == 1
    assert "nothing was changed" in str(failure.value)
    now = shop.connection.execute("SELECT m::text FROM marketing_stats_daily AS m ORDER BY 1").fetchall()
    assert now == before

    assert shop.keep_right() == [DAY], "what failed is still stale"
    shop.must_be_right()


def test_statement_timeout(shop: Shop) -> None:
    late_facts(shop)
    shop.detected()
    with row_held(shop):
        working = Working(refresh, shop.patient(statement_timeout=0.3))
        working.join()
    assert isinstance(working.failure, Failed), working.failure
    assert "raise EVENTFLOW_STATEMENT_TIMEOUT (it is 0.3 s) or try again" in str(working.failure)
    assert len(str(working.failure).splitlines()) == 1

    assert shop.keep_right() == [DAY], "what failed is still stale"
    shop.must_be_right()
