"""Compares a rebuild of one day with the least that any rebuild has to do, and with the original way.

Run with ``python -m eventflow_stats_tests.benchmarks.rebuild_day``. It starts its own server in a temporary folder and
leaves nothing behind.
"""

import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

import click
from sqlalchemy import text

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import migrate
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import EventflowError
from eventflow_stats.local.product_tables import create_product_tables
from eventflow_stats.local.server import embedded_server
from eventflow_stats.settings import Settings
from eventflow_stats_tests.benchmarks.facts import Shape, fill_days
from eventflow_stats_tests.benchmarks.original_way import aggregate_as_the_original
from eventflow_stats_tests.benchmarks.side_by_side import (
    CONSOLE,
    Contender,
    Timing,
    own_peak_mebibytes,
    print_timings,
    process_peak_mebibytes,
    take_turns,
)

DAY = date(2026, 3, 2)
FLOOR = "bare two-level GROUP BY"
_KEY = "client_id, campaign_id, link_id, utm_source, utm_medium, utm_campaign"
_OF_DAY = (
    f"FROM eventflow_stats.visit_facts WHERE event_at >= timestamptz '{DAY} 00:00 UTC' "
    f"AND event_at < timestamptz '{DAY + timedelta(days=1)} 00:00 UTC'"
)
_SCAN = f"SELECT count(*) AS facts {_OF_DAY}"
# Without the sum the planner would leave out the counting.
_GROUP_BY = (
    f"SELECT count(*) AS groups, sum(visits) AS visits FROM (SELECT {_KEY}, count(session_key) AS visits "
    f"FROM (SELECT {_KEY}, session_key {_OF_DAY} GROUP BY {_KEY}, session_key) AS sessions "
    f"GROUP BY {_KEY}) AS groups"
)
# One new session in about every hundredth group.
_NEW_FACTS = """
INSERT INTO public.event_access_logs (
    id, campaign_id, session_id, utm_source, utm_medium, utm_campaign, marketing_campaign_link_id, accessed_at
)
SELECT
    md5('new ' || id || :attempt)::uuid, campaign_id, 'new ' || :attempt,
    utm_source, utm_medium, utm_campaign, marketing_campaign_link_id, :day + interval '12 hours'
FROM public.marketing_stats_daily
WHERE bucket_date = :day AND campaign_id IS NOT NULL AND uuid_hash_extended(id, :attempt) % 95 = 0
"""
_BACKENDS = """
SELECT pid FROM pg_stat_activity
WHERE application_name = 'eventflow-stats' AND datname = current_database() AND pid <> pg_backend_pid()
"""


class Day:
    """The measured day, and the work that is measured on it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.attempt = 0
        self.new_facts = 0
        self.visit_facts = 0
        self.clients = self._clients()

    def _clients(self) -> list[UUID]:
        with self.database.login_session() as connection:
            slugs = connection.execute(text("SELECT id FROM public.clients ORDER BY length(slug), slug"))
            return [row[0] for row in slugs][5::10]

    def ask(self, statement: str, workers: int) -> dict[str, int]:
        with self.database.session() as connection:
            connection.execute(text(f"SET max_parallel_workers_per_gather = {workers}"))
            return dict(connection.execute(text(statement)).mappings().one())

    def rebuild(self, expected: int | None, clients: list[UUID] | None = None) -> int:
        (rebuilt,) = rebuild(self.database, [DAY], clients)
        if expected is not None and rebuilt.written != expected:
            raise EventflowError(f"{rebuilt.written} rows were written instead of {expected}")
        return rebuilt.totals.facts

    def verify(self) -> int:
        (verified,) = verify(self.database, [DAY])
        if verified.result != "verified":
            raise EventflowError(f"the day was found {verified.result}")
        return verified.totals.facts

    def change(self) -> None:
        self.attempt += 1
        with self.database.login_session() as connection:
            parameters = {"attempt": self.attempt, "day": DAY}
            statement = text(_NEW_FACTS.replace(":attempt", "CAST(:attempt AS bigint)"))
            self.new_facts = connection.execute(statement, parameters).rowcount
            connection.commit()

    def empty(self) -> None:
        with self.database.login_session() as connection:
            connection.execute(text("DELETE FROM public.marketing_stats_daily WHERE bucket_date = :day"), {"day": DAY})
            connection.commit()
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.execute(text("VACUUM public.marketing_stats_daily"))

    def backend_peak(self) -> float | None:
        """Return the peak memory of the server's process that rebuilds, in MiB."""
        for _ in rebuild(self.database, [DAY]):
            with self.database.login_session() as connection:
                pids = list(connection.scalars(text(_BACKENDS)))
            peaks = [peak for peak in map(process_peak_mebibytes, pids) if peak is not None]
            return max(peaks, default=None)
        return None


def contenders(day: Day) -> list[Contender]:
    """Return what is timed. The GROUP BY reads the facts that the scan counts."""
    few = len(day.clients)

    def scan() -> int:
        day.visit_facts = day.ask(_SCAN, workers=0)["facts"]
        return day.visit_facts

    def group_by(workers: int) -> int:
        day.ask(_GROUP_BY, workers)
        return day.visit_facts

    return [
        Contender("scan alone, count(*)", scan),
        Contender(FLOOR, lambda: group_by(workers=0)),
        Contender("  with 2 parallel workers", lambda: group_by(workers=2)),
        Contender("rebuild, nothing changed", lambda: day.rebuild(0)),
        Contender("rebuild, 1 % of groups changed", lambda: day.rebuild(day.new_facts), day.change),
        Contender(f"rebuild of {few} clients", lambda: day.rebuild(0, day.clients)),
        Contender("verify", day.verify),
        Contender("rebuild, first build", lambda: day.rebuild(None), day.empty),
    ]


@click.command()
@click.option("--facts", default=1_000_000, show_default=True, help="Visits a day.")
@click.option("--groups", default=100_000, show_default=True, help="Groups a day, about.")
@click.option("--clients", default=200, show_default=True, help="Clients that share them, unevenly.")
@click.option("--rounds", default=5, show_default=True, help="Rounds; the medians are reported.")
@click.option("--keys", default=5_000, show_default=True, help="Groups written the original way.")
def main(facts: int, groups: int, clients: int, rounds: int, keys: int) -> None:
    """Time the rebuild of one day, the middle one of three, side by side with the bare GROUP BY and the original way.

    Needs no database: an embedded server starts in a temporary folder. Settings of the engine's session
    come from the environment (EVENTFLOW_WORK_MEM).
    """
    settings = Settings(bucket_timezone="UTC")
    started = time.perf_counter()
    with (
        tempfile.TemporaryDirectory(prefix="eventflow-benchmark-") as folder,
        embedded_server(Path(folder)) as url,
    ):
        database = Database(url, settings)
        create_product_tables(database)
        migrate(database)
        days = [DAY - timedelta(days=1), DAY, DAY + timedelta(days=1)]
        with CONSOLE.status("making facts"):
            fill_days(database, days, Shape(facts, groups, clients))
            built = list(rebuild(database, days))[1]
        totals = built.totals
        CONSOLE.print(
            f"3 days of {facts:,} visits. The middle one: {totals.facts:,} facts in {totals.groups:,} groups "
            f"of {clients} clients, {totals.visits:,} distinct sessions, {totals.conversions:,} conversions. "
            f"work_mem {settings.work_mem}. Made and built in {time.perf_counter() - started:.0f} s.\n"
        )
        _measure(Day(database), rounds, keys)
    CONSOLE.print(f"whole benchmark: {time.perf_counter() - started:.0f} s")


def _measure(day: Day, rounds: int, keys: int) -> None:
    timings = take_turns(contenders(day), rounds)
    backend, own = day.backend_peak(), own_peak_mebibytes()
    with CONSOLE.status("the original way"):
        original = aggregate_as_the_original(day.database, DAY, keys)
    (last,) = (rebuilt.totals for rebuilt in rebuild(day.database, [DAY]))
    if (original.groups, original.visits, original.conversions) != (
        last.groups,
        last.visits,
        last.conversions,
    ):
        raise EventflowError("the original way came to other numbers than the rebuild")
    extrapolated = Timing("original way (extrapolated)", (original.seconds,), last.facts)
    print_timings(f"medians of {rounds} rounds", [*timings.values(), extrapolated], timings[FLOOR])
    CONSOLE.print(
        f"original way: {original.reading:.1f} s to fetch all facts, {original.counting:.1f} s to count them "
        f"in Python, {original.writing:.1f} s for one SELECT and one UPDATE each on {original.written:,} of "
        f"{original.groups:,} groups, extrapolated to all: {original.seconds:.0f} s. Measured once, and "
        "faster than it was: one connection, one transaction, no HTTP, one day instead of two."
    )
    message = "not reported by this system" if backend is None else f"{backend:.0f} MiB (shared buffers included)"
    CONSOLE.print(
        f"peak memory: rebuild {own:.0f} MiB in Python and {message} in its PostgreSQL process; "
        f"original way {own_peak_mebibytes():.0f} MiB in Python"
    )


if __name__ == "__main__":
    try:
        main()
    except EventflowError as error:
        sys.exit(f"{error}")
