"""The check that the read API answers from the rollup: an answer measured from facts is right, and slow."""

from datetime import UTC, datetime, timedelta
from functools import partial

import dagster as dg

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.status.answer_counts import raw_share
from eventflow_stats.formatting import counted
from eventflow_stats.orchestration.assets.marketing_stats_daily import marketing_stats_daily
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.orchestration.runs.retries import with_retries

MOST_RAW_PERCENT = 10.0
JUDGED_SPAN = timedelta(hours=1)
LEAST_ANSWERS = 20
"""Fewer are not judged: one request for a day never computed is no trouble."""


@dg.asset_check(
    asset=marketing_stats_daily,
    description="How many of the read API's answers of the last hour were measured from facts: a warning when they "
    f"are more than {MOST_RAW_PERCENT} percent of {LEAST_ANSWERS} answers or more.",
)
def answers_come_from_the_rollup(
    context: dg.AssetCheckExecutionContext, database: RollupDatabase
) -> dg.AssetCheckResult:
    with database.opened() as opened:
        return with_retries(partial(raw_share_result, opened), context.log)


def raw_share_result(database: Database) -> dg.AssetCheckResult:
    """The last hour's answers, compared with the limit."""
    limit = MOST_RAW_PERCENT
    found = raw_share(database, datetime.now(UTC) - JUDGED_SPAN)
    message = f"{found.raw:,} of {counted(found.answers, 'answer')} of the last hour were measured from facts"
    checked = found.answers >= LEAST_ANSWERS
    passed = not checked or found.percent <= limit
    if not found.answers:
        message = "The read API gave no answer in the last hour."
    elif not checked:
        message += f"; fewer than {LEAST_ANSWERS} are not judged."
    elif passed:
        message += f" ({found.percent:.1f} %, the limit is {limit:g} %)."
    else:
        message += (
            f" ({found.percent:.1f} %, the limit is {limit:g} %): so are days never computed, stale or known to be "
            "wrong; `eventflow-stats doctor` tells of them, and they are answered from the rollup once computed: days "
            "before the first with facts by `eventflow-stats backfill` alone. Days still to come are not counted."
        )
    return dg.AssetCheckResult(
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=message,
        metadata={
            "answers": found.answers,
            "raw_answers": found.raw,
            "raw_percent": round(found.percent, 2),
            "max_raw_percent": limit,
        },
    )
