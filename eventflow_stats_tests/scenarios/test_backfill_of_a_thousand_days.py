"""A backfill of 1,000 days, launched as the UI does, and carried out by the real daemon in four runs."""

import subprocess
from datetime import date, timedelta

import psycopg
import pytest

from eventflow_stats.local.server import embedded_server
from eventflow_stats.settings import load_settings
from eventflow_stats_tests.running import COMMAND, Dagster, running_up, wait_until

LAST = date(2026, 3, 4)
DAYS = 1000

LAUNCH = """
mutation($days: [String!]!) {
  launchPartitionBackfill(backfillParams: {
    assetSelection: [{path: ["marketing_stats_daily"]}], partitionNames: $days
  }) { __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } }
}
"""
STATUS = "query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }"
RUNS = """
query($id: String!) {
  runsOrError(filter: {tags: [{key: "dagster/backfill", value: $id}]}) { ... on Runs { results { status } } }
}
"""
PARTITIONS = """
{ assetNodeOrError(assetKey: {path: ["marketing_stats_daily"]}) { ... on AssetNode { partitionStats {
  numMaterialized numFailed
} } } }
"""


def test_a_thousand_days_are_four_runs_and_every_day_is_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    first = LAST - timedelta(days=DAYS - 1)
    monkeypatch.setenv("EVENTFLOW_START_DATE", first.isoformat())
    sample = ["sample", "--visits", "20000", "--days", str(DAYS), "--until", LAST.isoformat(), "--clients", "5"]
    subprocess.run([COMMAND, *sample], check=True, capture_output=True)

    with running_up() as dagster:
        days = [(first + timedelta(days=count)).isoformat() for count in range(DAYS)]
        launched = dagster.ask(LAUNCH, days=days)["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        backfill = launched["backfillId"]
        wait_until(lambda: _status(dagster, backfill) == "COMPLETED_SUCCESS", 400, "the backfill")

        runs = dagster.ask(RUNS, id=backfill)["runsOrError"]["results"]
        assert [run["status"] for run in runs] == ["SUCCESS"] * 4
        partitions = dagster.ask(PARTITIONS)["assetNodeOrError"]["partitionStats"]
        assert partitions["numFailed"] == 0
        assert partitions["numMaterialized"] >= DAYS

    with embedded_server(load_settings().data_dir) as url, psycopg.connect(url) as connection:
        verified = connection.execute(
            "SELECT count(*) FROM eventflow_stats.days WHERE verification_result = 'verified' AND bucket_date <= %s",
            [LAST],
        ).fetchone()
        assert verified == (DAYS,)


def _status(dagster: Dagster, backfill: str) -> str:
    status = str(dagster.ask(STATUS, id=backfill)["partitionBackfillOrError"]["status"])
    assert status not in ("FAILED", "COMPLETED_FAILED", "CANCELED"), status
    return status
