"""A failure case of the list in test_failure_cases.py: one client is backfilled while the schedule runs."""

import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import psycopg

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.day_locks import writing_day
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.orchestration.schedules import every_five_minutes
from eventflow_stats_tests.facts import Product, Visit, connect
from eventflow_stats_tests.oracle import expected_groups
from eventflow_stats_tests.orchestration.conftest import facts, instance
from eventflow_stats_tests.orchestration.shop import carry_out, schedule_tick
from eventflow_stats_tests.rollup import stored_groups, whole_rows
from eventflow_stats_tests.running import COMMAND, wait_until

__all__ = ["facts", "instance"]

TODAY = datetime.now(UTC).date()
DAYS = [TODAY - timedelta(days=days) for days in (4, 3, 2, 1, 0)]
"""The schedule refreshes the last two."""


def visit(campaign: Any, days_ago: int, session: str, *, new: bool) -> Visit:
    day = TODAY - timedelta(days=days_ago)
    at = datetime(day.year, day.month, day.day, 0, 1, tzinfo=UTC)
    # Detection does not see a fact whose ingest time is long ago. Only a rebuild or a sweep counts it.
    long_ago = at - timedelta(days=30)
    return Visit(at=at, ingested_at=datetime.now(UTC) if new else long_ago, campaign_id=campaign, session_id=session)


def tick(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """Evaluate a tick as the daemon does, and carry out the run that it asks for."""
    (request,), _ = schedule_tick(instance, every_five_minutes)
    return carry_out(instance, request, "refresh_recent_days")


def waits_for_a_day(connection: psycopg.Connection) -> bool:
    found = connection.execute(
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return found.fetchone() is not None


def test_backfill_of_one_client_while_the_schedule_runs(facts: Database, instance: dg.DagsterInstance) -> None:
    with connect(facts) as connection:
        product = Product(connection)
        ours, busy, quiet = (product.campaign(product.client(name)) for name in ("ours", "busy", "quiet"))
        campaigns = product.world.campaigns
        product.add(*(visit(c, ago, "first", new=True) for c in campaigns for ago in range(5)))
        list(rebuild(facts, DAYS))
        list(verify(facts, DAYS))
        # The other clients are stale too. Their rows would change if the backfill computed them by mistake.
        product.add(*(visit(c, ago, "stale", new=False) for c in (ours, busy, quiet) for ago in (4, 3, 2)))
        theirs = {
            name: [row for row in whole_rows(connection, campaigns[c]) if c == quiet or TODAY - row[4] > timedelta(1)]
            for name, c in (("quiet", quiet), ("busy, older days", busy))
        }

        with facts.session() as writer, writing_day(facts, writer, DAYS[1]):
            span = ("--from", str(DAYS[0]), "--to", str(DAYS[-1]))
            # The backfill waits at its second day until this block ends.
            backfill = subprocess.Popen(
                ["env", "EVENTFLOW_LOCK_TIMEOUT=120", COMMAND, "backfill", *span, "--client", "ours"],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            wait_until(lambda: waits_for_a_day(connection) or backfill.poll() is not None, 120, "the backfill to start")
            assert backfill.poll() is None, backfill.communicate()
            product.add(*(visit(c, ago, "new", new=True) for c in (ours, busy) for ago in (1, 0)))
            assert tick(instance).success
            assert waits_for_a_day(connection), "the tick's run did not wait for the backfill"
        message, _ = backfill.communicate(timeout=240)
        assert backfill.returncode == 0, message

        now = {
            name: [row for row in whole_rows(connection, campaigns[c]) if c == quiet or TODAY - row[4] > timedelta(1)]
            for name, c in (("quiet", quiet), ("busy, older days", busy))
        }
        assert now == theirs
        stored, true = stored_groups(connection), expected_groups(product.world, "UTC")
        assert {g: n for g, n in stored.items() if g.client_id == campaigns[ours]} == {
            g: n for g, n in true.items() if g.client_id == campaigns[ours]
        }
        assert {g: n for g, n in stored.items() if g.bucket_date in DAYS[3:]} == {
            g: n for g, n in true.items() if g.bucket_date in DAYS[3:]
        }
        assert stored != true
        list(rebuild(facts, DAYS))
        assert stored_groups(connection) == true
        assert {day.result for day in verify(facts, DAYS)} == {"verified"}
