"""The rates of data quality in a report, with their goals."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from eventflow_stats.formatting import format_count
from eventflow_stats.reports.periods import Periods
from eventflow_stats.settings import Settings

# The name of each rate: numerator, denominator, the setting that holds its goal, and the meaning.
RATES = {
    "Linkage": ("linked_entries", "entries", "min_linkage_rate", "Entries that a visit names as its own"),
    "UTM fill": ("facts_with_utm", "facts", "min_utm_fill_rate", "Visits and entries with any UTM value"),
    "Attribution": ("facts_with_link", "facts", None, "Visits and entries of a tracking link"),
    "Unknown": ("unknown_facts", "facts", "max_unknown_rate", "Visits and entries with neither link nor UTM"),
    "Tracking": ("tracked_entries", "entries", "min_tracking_success_rate", "Entries with a link or any UTM"),
}


@dataclass(frozen=True)
class Rate:
    """A rate in percent by period and over all days (None: the denominator is 0), and its goal."""

    name: str
    meaning: str
    by_period: Sequence[float | None]
    overall: float | None
    goal: float | None
    at_most: bool

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without a goal or without a rate."""
        if self.goal is None or self.overall is None:
            return None
        return self.overall <= self.goal if self.at_most else self.overall >= self.goal

    @property
    def goal_text(self) -> str:
        """The goal for a person, such as "at least 70"."""
        return "none" if self.goal is None else f"{'at most' if self.at_most else 'at least'} {self.goal:g}"

    @property
    def met_text(self) -> str:
        """Whether the goal is met, for a person; empty without a goal or a rate."""
        return {True: "yes", False: "no", None: ""}[self.met]


def count_by_period(quality: pd.DataFrame, periods: Periods) -> pd.DataFrame:
    """The counts of `report/quality.sql` for every period, with 0 where it has none; column ``facts`` is added."""
    filled = quality.set_index("period").reindex(periods.starts(), fill_value=0).astype("int64")
    filled["facts"] = filled["visit_facts"] + filled["entries"]
    return filled


def rates_of(counts: pd.DataFrame, settings: Settings) -> list[Rate]:
    """Every rate of the counts by period."""
    found = []
    for name, (part, whole, goal, meaning) in RATES.items():
        parts, wholes = counts[part].tolist(), counts[whole].tolist()
        found.append(
            Rate(
                name,
                meaning,
                [round(100 * p / w, 2) if w else None for p, w in zip(parts, wholes, strict=True)],
                # Not rounded: 69.996 percent is shown as 70.00 and misses a goal of 70.
                100 * sum(parts) / sum(wholes) if sum(wholes) else None,
                None if goal is None else getattr(settings, goal),
                at_most=goal is not None and goal.startswith("max_"),
            )
        )
    return found


def computed_days_message(computed: int, days: int) -> str:
    """For how many of the days the data quality is computed."""
    if computed == days:
        return f"Computed for every one of {format_count(days, 'day')}."
    return (
        f"Computed for {computed:,} of {format_count(days, 'day')}; the rates are those of these days only. "
        "The schedule "
        "data_quality computes days that were rebuilt or fully verified since; materialize the others by hand."
    )
