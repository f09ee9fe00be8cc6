"""Checks of data quality: the product's goals, as warnings, and three alarms, each naming the clients.

All are evaluated together, after each computation and by each idle tick of the schedule: traffic that stopped
leaves nothing to compute.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.quality import anomalies as anomalies
from eventflow_stats.engine.quality.anomalies import Anomalies, Clock
from eventflow_stats.engine.quality.goals import LEAST_FACTS, goal_results
from eventflow_stats.engine.status.progress import TOO_OLD, read_progress
from eventflow_stats.formatting import lasting
from eventflow_stats.orchestration.alerting import raise_with
from eventflow_stats.orchestration.assets.marketing_data_quality_daily import marketing_data_quality_daily
from eventflow_stats.orchestration.checks.data_quality_texts import (
    NAMED_IN_THE_UI,
    CheckText,
    goal_text,
    overrun_links_text,
    stopped_text,
    without_visits_text,
)
from eventflow_stats.orchestration.partitions import days_of
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.orchestration.runs.retries import with_retries
from eventflow_stats.settings import Settings, load_settings

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
GRACE = timedelta(hours=1)
"""Of a day so young, nobody misses that it was not computed, or that yesterday was not once more."""
ALERTED = ("zero_visits_while_entries_arrive", "traffic_stopped")
"""Checks whose failure is reported by an alert as well."""


@dataclass(frozen=True)
class GoalCheck:
    """A check of one goal: its column of the table, the setting that holds the goal, and what it is called."""

    check: str
    rate: str
    setting: str
    is_least: bool
    what: str
    remedy: str

    def goal(self, settings: Settings) -> float:
        return float(getattr(settings, self.setting))


GOALS = (
    GoalCheck(
        "linkage_rate_reaches_goal",
        "linkage_rate",
        "min_linkage_rate",
        True,
        "entries linked to a visit (by its entry_id)",
        "Do the pages pass the session on to the form, and does the form write entry_id to its visit?",
    ),
    GoalCheck(
        "utm_fill_rate_reaches_goal",
        "utm_fill_rate",
        "min_utm_fill_rate",
        True,
        "visits and entries with a UTM",
        "Share campaign links with UTM parameters; a redirect on the way may drop them.",
    ),
    GoalCheck(
        "unknown_rate_within_goal",
        "unknown_rate",
        "max_unknown_rate",
        False,
        "visits and entries with neither link nor UTM",
        "Which pages are shared without a link? The rollup has these facts in the group of no link and no UTM.",
    ),
    GoalCheck(
        "tracking_success_rate_reaches_goal",
        "tracking_success_rate",
        "min_tracking_success_rate",
        True,
        "entries with a link or UTM",
        "Does the form keep cid and UTM of the visit? Entries without either cannot be told where they came from.",
    ),
)

_KEY = marketing_data_quality_daily.key
_RECENT = "Yesterday and today, and the days of a run launched by hand."
_SPECS = [
    *(
        dg.AssetCheckSpec(
            goal.check,
            asset=_KEY,
            description=f"Percent of a client's {goal.what}: a warning where it is "
            f"{'below' if goal.is_least else 'above'} EVENTFLOW_{goal.setting.upper()}. {_RECENT} Clients' days with "
            f"fewer than {LEAST_FACTS} facts are not judged.",
        )
        for goal in GOALS
    ),
    dg.AssetCheckSpec(
        "zero_visits_while_entries_arrive",
        asset=_KEY,
        description="Fails where a client has not one visit today and "
        f"{anomalies.LEAST_ENTRIES} entries or more, those that a visit of before midnight names not counted: its "
        "visits are not recorded. Nothing is said in the first hour of the day. An alert as well.",
    ),
    dg.AssetCheckSpec(
        "traffic_stopped",
        asset=_KEY,
        description="Fails where a client's visits of yesterday are a tenth or less of the smallest of the same "
        f"weekdays of the last {anomalies.WEEKS} weeks, {anomalies.LEAST_WEEKS} or more of them known, or "
        "where there are none today while there always were by this time; one outage among them "
        "is left out. Only where so few would come by chance "
        f"less than once in a million days, so none of clients with fewer than {anomalies.LEAST_VISITS} visits "
        "on such a day. An alert as well.",
    ),
    dg.AssetCheckSpec(
        "link_conversions_exceed_visits",
        asset=_KEY,
        description=f"A warning where a link has more conversions than visits over {anomalies.LINK_DAYS} days, "
        f"{anomalies.LEAST_CONVERSIONS} or more: visits of the link are not recorded.",
    ),
]


@dg.multi_asset_check(
    name="data_quality_checks", specs=_SPECS, description="The goals and the alarms of data quality, all at once."
)
def data_quality_checks(
    context: dg.AssetCheckExecutionContext, database: RollupDatabase
) -> Iterator[dg.AssetCheckResult]:
    run: Any = context.op_execution_context
    config = run.run.run_config.get("ops", {}).get(marketing_data_quality_daily.op.name, {}).get("config", {})
    by_hand = (run.has_partition_key or run.has_partition_key_range) and not config.get("only_due")
    today = _today()
    with database.opened() as opened:
        work = partial(quality_results, opened, today, days_of(run.partition_keys) if by_hand else [])
        results = with_retries(work, context.log)
    alert_of(database, results)
    yield from results.values()


def quality_results(database: Database, today: date, days: Sequence[date] = ()) -> dict[str, dg.AssetCheckResult]:
    """All checks by name, as things stand; the goals are judged on yesterday, today and ``days``."""
    found_anomalies = anomalies.find_anomalies(database, today)
    unseen = _unseen(database, today)
    checked = sorted({*days, today - timedelta(days=1), today})
    found = goal_results(database, checked, NAMED_IN_THE_UI)
    settings = database.settings
    message: dict[str, tuple[CheckText, dg.AssetCheckSeverity]] = {
        goal.check: (
            goal_text(
                [day for day in found if day.goal == goal.rate],
                goal.goal(settings),
                goal.what,
                goal.is_least,
                goal.remedy,
                LEAST_FACTS,
                checked,
            ),
            WARN,
        )
        for goal in GOALS
    }
    message["zero_visits_while_entries_arrive"] = _zero_visits(found_anomalies, today, unseen)
    message["traffic_stopped"] = _stopped(found_anomalies, unseen)
    message["link_conversions_exceed_visits"] = (
        overrun_links_text(found_anomalies.overrun_links, anomalies.LINK_DAYS),
        WARN,
    )
    return {
        name: dg.AssetCheckResult(
            passed=result.passed,
            asset_key=_KEY,
            check_name=name,
            severity=severity,
            description=result.description,
            metadata=result.metadata,
        )
        for name, (result, severity) in message.items()
    }


def in_short(results: Mapping[str, dg.AssetCheckResult]) -> str:
    """What a tick says: the alarms in full, the warnings by name."""
    failed = {name: result for name, result in results.items() if not result.passed}
    found_anomalies = [str(result.description) for result in failed.values() if result.severity == ERROR]
    warnings = [name for name, result in failed.items() if result.severity == WARN]
    message = [*found_anomalies, *([f"Warnings: {', '.join(warnings)}."] if warnings else [])]
    return " ".join(message) or "All its checks pass."


def alert_of(database: RollupDatabase, results: Mapping[str, dg.AssetCheckResult]) -> None:
    """Raise an alert for each of the two alarms that failed; the same one at most once an hour."""
    for name in ALERTED:
        result = results[name]
        if not result.passed and result.severity == ERROR:
            raise_with(database, f"check failed: {name}", f"{name}: {result.description}")


def _unseen(database: Database, today: date) -> CheckText | None:
    """None as long as the facts of the last half hour are known; else what is to be said where no alarm is found."""
    age = read_progress(database, today).age
    if age is None or age < TOO_OLD:
        return None
    return CheckText(
        False,
        f"Facts of the last {lasting(age)} may be missing, so nobody can tell: are the schedules every_five_minutes "
        "and data_quality on, and does what they start succeed?",
        {},
    )


def _zero_visits(
    found_anomalies: Anomalies, today: date, unseen: CheckText | None
) -> tuple[CheckText, dg.AssetCheckSeverity]:
    if found_anomalies.clock.today_computed_at is None:
        return _not_computed(found_anomalies.clock, "Today's data quality was not computed yet"), WARN
    if unseen and not found_anomalies.without_visits:
        return unseen, WARN
    return without_visits_text(found_anomalies.without_visits, today), ERROR


def _stopped(found_anomalies: Anomalies, unseen: CheckText | None) -> tuple[CheckText, dg.AssetCheckSeverity]:
    if not (found_anomalies.stopped or found_anomalies.clock.is_yesterday_closed):
        return _not_computed(
            found_anomalies.clock, "Yesterday's data quality was not computed since the day ended"
        ), WARN
    if unseen and not found_anomalies.stopped:
        return unseen, WARN
    return stopped_text(found_anomalies.stopped), ERROR


def _not_computed(clock: Clock, what: str) -> CheckText:
    young = clock.elapsed < GRACE
    more = "; the day has just begun" if young else ": are the schedules every_five_minutes, rolling_verification and "
    return CheckText(young, f"{what}{more}{'.' if young else 'data_quality on? Until then nobody can tell.'}", {})


def _today() -> date:
    return datetime.now(ZoneInfo(load_settings().bucket_timezone)).date()
