"""The checks of data quality: their names, goals and descriptions.

A check's name states what is true while the check is green.
"""

from dataclasses import dataclass

import dagster as dg

from eventflow_stats.engine.quality import anomalies
from eventflow_stats.engine.quality.goals import LEAST_FACTS
from eventflow_stats.orchestration.assets.marketing_data_quality_daily import marketing_data_quality_daily
from eventflow_stats.settings import Settings

ENTRIES_HAVE_VISITS = "entries_come_with_visits"
TRAFFIC = "traffic_continues"
LINKS = "link_conversions_within_visits"


@dataclass(frozen=True)
class GoalCheck:
    """A check of one goal: the column with the rate, the setting with the goal, and words for its messages."""

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
        "Does the form keep cid and UTM of the visit? The origin of an entry without either is unknown.",
    ),
)

_RECENT = "It covers yesterday and today, and all days of a run that a person launched."
_KEY = marketing_data_quality_daily.key
SPECS = [
    *(
        dg.AssetCheckSpec(
            goal.check,
            asset=_KEY,
            description=f"Percent of a client's {goal.what}, per day. A warning when it is "
            f"{'below' if goal.is_least else 'above'} EVENTFLOW_{goal.setting.upper()}. {_RECENT} It leaves out a "
            f"client on a day with fewer than {LEAST_FACTS} facts (for rates of entries: entries).",
        )
        for goal in GOALS
    ),
    dg.AssetCheckSpec(
        ENTRIES_HAVE_VISITS,
        asset=_KEY,
        description=f"Fails, with an alert, when a client has {anomalies.LEAST_ENTRIES} entries or more today and not "
        "one visit: its visits are not recorded. Entries that belong to a visit before midnight do not count. The "
        "check does not fail in the first hour of the day.",
    ),
    dg.AssetCheckSpec(
        TRAFFIC,
        asset=_KEY,
        description="Fails, with an alert, when a client's traffic stopped: yesterday it had at most a tenth of the "
        f"lowest number of visits on the same weekday in the last {anomalies.WEEKS} weeks ({anomalies.LEAST_WEEKS} of "
        "them or more have to be known), or it has no visit today and always had some by this time of day. One outage "
        "in those weeks is left out. It fails by chance in fewer than one of a million days, so it does not cover "
        f"clients with fewer than {anomalies.LEAST_VISITS} visits on such a day.",
    ),
    dg.AssetCheckSpec(
        LINKS,
        asset=_KEY,
        description=f"A warning when a link has more conversions than visits in {anomalies.LINK_DAYS} days, and "
        f"{anomalies.LEAST_CONVERSIONS} conversions or more: visits of the link are not recorded.",
    ),
]
