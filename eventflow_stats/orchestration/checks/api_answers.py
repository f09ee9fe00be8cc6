"""The check that the read API answers from the rollup. An answer from facts is right, but slow."""

from datetime import UTC, datetime, timedelta
from functools import partial

import dagster as dg

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.status.answer_counts import raw_share
from eventflow_stats.formatting import format_count
from eventflow_stats.orchestration.assets.marketing_stats_daily import marketing_stats_daily
from eventflow_stats.orchestration.checks.check_metadata import WARN
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.orchestration.runs.retries import with_retries

CHECKED_SPAN = timedelta(hours=1)
MOST_RAW_PERCENT = 10.0
LEAST_ANSWERS = 20
"""With fewer answers the check passes: one request for a day that was never computed is no problem."""


@dg.asset_check(
    asset=marketing_stats_daily,
    description="How many answers of the read API in the last hour came from facts instead of the rollup. They are "
    f"right, but slow. A warning when there were {LEAST_ANSWERS} answers or more, and more than {MOST_RAW_PERCENT:g} "
    "percent of them came from facts.",
)
def api_answers_from_rollup(context: dg.AssetCheckExecutionContext, database: RollupDatabase) -> dg.AssetCheckResult:
    with database.opened() as opened:
        return with_retries(partial(raw_share_result, opened), context.log)


def raw_share_result(database: Database) -> dg.AssetCheckResult:
    """The share of answers from facts in the last hour, against the limit."""
    limit = MOST_RAW_PERCENT
    found = raw_share(database, datetime.now(UTC) - CHECKED_SPAN)
    message = f"{found.raw:,} of {format_count(found.answers, 'answer')} of the last hour came from facts"
    checked = found.answers >= LEAST_ANSWERS
    passed = not checked or found.percent <= limit
    if not found.answers:
        message = "The read API gave no answer in the last hour."
    elif not checked:
        message += f"; with fewer than {LEAST_ANSWERS} answers no limit applies."
    elif passed:
        message += f" ({found.percent:.1f} %, the limit is {limit:g} %)."
    else:
        message += (
            f" ({found.percent:.1f} %, the limit is {limit:g} %). Days that were never computed, are stale or are "
            "known to be wrong are answered from facts until they are recomputed; `eventflow-stats doctor` lists them. "
            "Only `eventflow-stats backfill` computes days before the first with facts. Future days are not counted."
        )
    return dg.AssetCheckResult(
        passed=passed,
        severity=WARN,
        description=message,
        metadata={
            "answers": found.answers,
            "raw_answers": found.raw,
            "raw_percent": round(found.percent, 2),
            "max_raw_percent": limit,
        },
    )
