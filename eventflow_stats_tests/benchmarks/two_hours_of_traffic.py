"""Measures the lag of a real deployment under steady, bursty and late traffic, two hours compressed to 24 minutes.

Run with ``python -m eventflow_stats_tests.benchmarks.two_hours_of_traffic``. It starts a deployment in a temporary
folder and leaves nothing behind. Ticks are every minute instead of every five, the shortest interval of Dagster's
schedules. Sensors are as much more frequent. So 24 minutes have as many ticks as two hours.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click
import dagster as dg
import psycopg

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import migrate
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.local.product_tables import create_product_tables
from eventflow_stats.local.sample import SampleSize, make_sample
from eventflow_stats.local.server import embedded_server
from eventflow_stats.settings import load_settings
from eventflow_stats_tests.benchmarks.dagster_activity import runs_of, ticks_of, unfinished
from eventflow_stats_tests.benchmarks.recount import differences
from eventflow_stats_tests.benchmarks.side_by_side import CONSOLE
from eventflow_stats_tests.benchmarks.traffic import Traffic
from eventflow_stats_tests.benchmarks.traffic_report import Observations, Planted, print_observations
from eventflow_stats_tests.running import running_up, wait_until

DEFAULT_TICK_MINUTES = 5
DEFAULT_SENSOR_SECONDS = 60
HISTORY_DAYS = 14
STEP_SECONDS = 0.2


@contextmanager
def deployment(folder: Path, tick_minutes: int, drift_age: float, start: date) -> Iterator[tuple[str, Database]]:
    """Set short intervals and start an embedded server with a migrated database; yields its URL and database."""
    for name in [name for name in os.environ if name.startswith(("EVENTFLOW_", "DAGSTER_"))]:
        del os.environ[name]
    os.environ["EVENTFLOW_DATA_DIR"] = str(folder)
    os.environ["EVENTFLOW_START_DATE"] = str(start)
    os.environ["EVENTFLOW_TICK_MINUTES"] = str(tick_minutes)
    os.environ["EVENTFLOW_SENSOR_SECONDS"] = str(DEFAULT_SENSOR_SECONDS * tick_minutes // DEFAULT_TICK_MINUTES)
    os.environ["EVENTFLOW_MAX_DRIFT_AGE"] = str(drift_age)
    with embedded_server(folder) as url:
        database = Database(url, load_settings())
        create_product_tables(database)
        migrate(database)
        yield url, database


def make_history(database: Database, until: date) -> None:
    """Make facts of other clients up to a day, and compute the days."""
    make_sample(database, SampleSize(visits=20_000, clients=6, days=HISTORY_DAYS, until=until, seed=1))
    for _ in rebuild(database, [until - timedelta(days=back) for back in range(HISTORY_DAYS)]):
        pass


@dataclass
class Watcher:
    """Reads the ledger through its own connection."""

    connection: psycopg.Connection

    def ticked(self) -> bool:
        return self._count("SELECT count(ticked_at) FROM eventflow_stats.progress") > 0

    def stale_client_days(self) -> int:
        return self._count("SELECT count(*) FROM eventflow_stats.client_days WHERE stale_since IS NOT NULL")

    def plant(self) -> Planted:
        """Falsify one row of a client without traffic. Only a verification can find it."""
        row = self.connection.execute(
            "UPDATE public.marketing_stats_daily SET visits = visits + 7 WHERE (client_id, bucket_date, id) = ("
            "SELECT client_id, bucket_date, m.id FROM public.marketing_stats_daily AS m "
            "JOIN public.clients AS c ON c.id = client_id WHERE c.slug = 'sample-1-2' ORDER BY random() LIMIT 1"
            ") RETURNING client_id, bucket_date, visits - 7"
        ).fetchone()
        assert row is not None
        return Planted(time.time(), *row)

    def update(self, planted: Planted) -> None:
        """Record when the planted row was found and repaired, if it was."""
        row = self.connection.execute(
            "SELECT extract(epoch FROM found_at)::float8, extract(epoch FROM repaired_at)::float8, repaired_by "
            "FROM eventflow_stats.discrepancies WHERE client_id = %s AND bucket_date = %s AND true_visits = %s "
            "AND stored_visits = true_visits + 7",
            [planted.client_id, planted.day, planted.visits],
        ).fetchone()
        if row is not None:
            planted.found, planted.repaired, planted.repaired_by = row

    def discrepancies(self) -> int:
        return self._count("SELECT count(*) FROM eventflow_stats.discrepancies")

    def days(self) -> list[date]:
        """Return every day that has a fact or a row."""
        rows = self.connection.execute(
            "SELECT (accessed_at AT TIME ZONE 'UTC')::date FROM public.event_access_logs UNION "
            "SELECT (created_at AT TIME ZONE 'UTC')::date FROM public.event_survey_entries UNION "
            "SELECT bucket_date FROM public.marketing_stats_daily"
        ).fetchall()
        return sorted(row[0] for row in rows)

    def _count(self, statement: str) -> int:
        (found,) = self.connection.execute(statement.encode()).fetchone() or (0,)
        return int(found)


def run_traffic(traffic: Traffic, watcher: Watcher, minutes: float, timeout: float) -> Planted:
    """Write facts for ``minutes`` and falsify a row in the middle; then wait until everything is in the rollup, at most
    ``timeout`` minutes."""
    ends = time.time() + minutes * 60
    planting = ends - minutes * 30
    planted: Planted | None = None
    with CONSOLE.status("writing facts"):
        while time.time() < ends:
            traffic.step()
            if planted is None and time.time() >= planting:
                planted = watcher.plant()
            time.sleep(STEP_SECONDS)
    assert planted is not None
    gives_up = time.time() + timeout * 60
    with CONSOLE.status("settling"):
        while time.time() < gives_up:
            traffic.step(writing=False)
            watcher.update(planted)
            settled = not traffic.slow and not traffic.missing() and planted.repaired
            if settled and not watcher.stale_client_days():
                break
            time.sleep(STEP_SECONDS)
    return planted


@click.command()
@click.option("--minutes", default=24.0, show_default=True, help="Minutes of traffic, in real time.")
@click.option("--tick-minutes", type=click.IntRange(1, 5), default=1, show_default=True, help="5: not compressed.")
@click.option("--drift-age", default=0.2, show_default=True, help="EVENTFLOW_MAX_DRIFT_AGE, in hours.")
@click.option("--timeout", default=15.0, show_default=True, help="Minutes to wait for the last fact to arrive.")
@click.option("--seed", default=1, show_default=True, help="The same seed draws the same traffic.")
def main(minutes: float, tick_minutes: int, drift_age: float, timeout: float, seed: int) -> None:
    """Run a deployment under traffic; print the lag from each fact's commit to the rollup and what Dagster did.

    The exit code is 1 if a fact never arrived or a number is wrong.
    """
    until = datetime.now(UTC).date() - timedelta(days=3)
    start = until - timedelta(days=60)
    with (
        tempfile.TemporaryDirectory(prefix="eventflow-two-hours-") as name,
        deployment(Path(name), tick_minutes, drift_age, start) as (url, database),
        closing(psycopg.connect(url, autocommit=True)) as connection,
    ):
        make_history(database, until)
        watcher = Watcher(connection)
        with running_up():
            wait_until(watcher.ticked, 60 * tick_minutes + 120, "the first tick")
            with (
                dg.DagsterInstance.from_config(str(Path(name) / "dagster")) as instance,
                closing(Traffic(url, seed)) as traffic,
            ):
                began = time.time()
                planted = run_traffic(traffic, watcher, minutes, timeout)
                wait_until(lambda: not unfinished(runs_of(instance, began)), 300, "the last run to end")
                ticks, runs = ticks_of(instance, began), runs_of(instance, began)
        verifications = list(verify(database, watcher.days()))
        groups, wrong = differences(connection)
        seen = Observations(
            minutes, DEFAULT_TICK_MINUTES / tick_minutes, drift_age, traffic, planted, ticks, runs, verifications
        )
        problems = print_observations(seen, groups, wrong, watcher.discrepancies())
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
