"""All that a report tells: what verify found, and what the ledger knows of the same days and clients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from eventflow_stats import __version__
from eventflow_stats.engine.assumptions.day_windows import today
from eventflow_stats.engine.postgres.database import Database, readable_url
from eventflow_stats.engine.postgres.migrations import applied_migration
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.engine.rollup.day_seals import NO_REPAIR
from eventflow_stats.engine.rollup.totals import totals
from eventflow_stats.engine.status.freshness import read_freshness
from eventflow_stats.engine.verification.discrepancies import format_failed_days, format_totals, repair_commands
from eventflow_stats.engine.verification.sample_confidence import sample_message
from eventflow_stats.formatting import counted, lasting, listed
from eventflow_stats.reports.calendar import Calendar, make_calendar
from eventflow_stats.reports.periods import Periods, periods_of
from eventflow_stats.reports.tables import (
    ROWS_SHOWN,
    Table,
    adjustments,
    adjustments_message,
    ever_wrong,
    top,
    unresolved_facts,
    wrong_groups,
)
from eventflow_stats.reports.verified_days import Verified
from eventflow_stats.settings import Settings

# Each rate: its name, what of what, and the setting that holds its goal.
RATES = {
    "Linkage": ("linked_entries", "entries", "min_linkage_rate", "Entries that a visit names as its own"),
    "UTM fill": ("facts_with_utm", "facts", "min_utm_fill_rate", "Visits and entries with any UTM value"),
    "Attribution": ("facts_with_link", "facts", None, "Visits and entries of a tracking link"),
    "Unknown": ("unknown_facts", "facts", "max_unknown_rate", "Visits and entries with neither link nor UTM"),
    "Tracking": ("tracked_entries", "entries", "min_tracking_success_rate", "Entries with a link or any UTM"),
}


@dataclass(frozen=True)
class Rate:
    """A rate of data quality by period (None: nothing to divide by), over all of it, and its goal."""

    name: str
    meaning: str
    by_period: Sequence[float | None]
    overall: float | None
    goal: float | None
    at_most: bool

    @property
    def met(self) -> bool | None:
        """None: no goal, or nothing to judge."""
        if self.goal is None or self.overall is None:
            return None
        return self.overall <= self.goal if self.at_most else self.overall >= self.goal


@dataclass(frozen=True)
class Report:
    """A report before it has a form; every text in it may hold what the public web sent."""

    ok: bool
    result: str
    reasons: Sequence[str]
    about: Sequence[tuple[str, str]]
    wrong: Table
    wrong_totals: str
    repair: Sequence[str]
    sample: Sequence[str]
    periods: Periods
    calendar: Calendar
    drift: pd.DataFrame
    drift_periods: Periods
    ever_wrong: Table
    verification_ages: dict[str, int]
    verification_age_text: str
    rates: Sequence[Rate]
    quality: pd.DataFrame
    quality_text: str
    """For how many of the days it is computed."""
    unresolved: Table
    adjustments: Table
    adjustments_text: str
    by_day: pd.DataFrame
    tops: dict[str, Table]


def gather(database: Database, verified: Verified) -> Report:
    """Read what the ledger, the rollup and the data quality hold of the days and clients of a verification.

    Raises:
        Refused: no connection or not migrated.
    """
    periods = periods_of(verified.first, verified.last)
    client_day: dict[str, Any] = {
        "first_day": verified.first,
        "last_day": verified.last,
        "clients": None if verified.client_ids is None else list(verified.client_ids),
    }
    by_period = client_day | {"period": periods.unit}
    reach = {name: client_day[name] for name in ("first_day", "last_day")}
    with database.session() as connection:
        migration = applied_migration(database)
        days = _frame(connection.execute(query("report/days"), reach))
        states = connection.execute(query("report/client_day_states"), by_period).all()
        drift = _frame(
            connection.execute(
                query("report/discrepancies_by_day"), client_day | {"zone": database.settings.bucket_timezone}
            )
        )
        found = connection.execute(query("report/discrepancies"), client_day | {"most": ROWS_SHOWN}).mappings().all()
        ages = dict(connection.execute(query("report/verification_ages"), client_day).mappings().one())
        quality = _frame(connection.execute(query("report/quality"), by_period))
        quality_days = connection.scalar(query("quality/count_quality_days"), reach) or 0
        adjusted = connection.execute(query("report/adjustments"), client_day | {"most": ROWS_SHOWN}).mappings().all()
    of_no_day = read_freshness(database, today(database.settings)).facts_of_no_day
    frame = totals(database, verified.first, verified.last, verified.client_ids)
    named = [(str(id_), str(id_)) for id_ in verified.client_ids or ()]
    calendar = make_calendar(states, days, periods, named)
    oldest = ages.pop("oldest")
    limit = f"The limit is {database.settings.max_drift_age:g} hours (EVENTFLOW_MAX_DRIFT_AGE)"
    quality = _filled(quality, periods)
    shown = calendar.clients
    return Report(
        ok=verified.ok,
        result=_result(verified),
        reasons=_reasons(verified),
        about=[
            (
                "Days",
                f"{verified.first} to {verified.last} ({counted((verified.last - verified.first).days + 1, 'day')})",
            ),
            (
                "Clients",
                ", ".join(verified.clients) if verified.clients else f"all ({shown:,} with anything in the ledger)",
            ),
            ("Compared at", f"{verified.at:%Y-%m-%d %H:%M:%S} UTC"),
            ("Days counted in", database.settings.bucket_timezone),
            ("Database", readable_url(database.url)),
            ("Version", f"eventflow-stats {__version__}, migration {migration}"),
        ],
        wrong=wrong_groups(verified),
        wrong_totals=format_totals(verified.days),
        repair=repair_commands(verified.days, verified.clients),
        sample=[] if verified.sample is None else sample_message(verified.sample, verified.places_that_differ),
        periods=periods,
        calendar=calendar,
        drift=_resampled(drift, drift_periods := _span(drift, verified)),
        drift_periods=drift_periods,
        ever_wrong=ever_wrong(found),
        verification_ages=dict(zip(_AGES, (int(ages[name]) for name in _AGES.values()), strict=True)),
        verification_age_text=limit if oldest is None else f"The oldest verification is {lasting(oldest)} old. {limit}",
        rates=_rates(quality, database.settings),
        quality=quality,
        quality_text=_computed_of(quality_days, (verified.last - verified.first).days + 1),
        unresolved=unresolved_facts(days, verified, of_no_day),
        adjustments=adjustments(adjusted),
        adjustments_text=adjustments_message(adjusted),
        by_day=_by_period(frame, periods),
        tops={part: top(frame, part) for part in ("source", "link")},
    )


_AGES = {
    "within the hour": "hour",
    "1 to 6 hours": "six_hours",
    "6 to 24 hours": "day",
    "1 to 7 days": "week",
    "longer": "longer",
    "never since computed": "never",
    "sealed, whenever": "sealed",
}


def _frame(result: Any) -> pd.DataFrame:
    return pd.DataFrame(result.mappings().all(), columns=list(result.keys()))


def _result(verified: Verified) -> str:
    if verified.sample is not None and not verified.sample.places:
        return "Nothing compared"
    if verified.ok:
        return "Right" if verified.sample is None else "Right, as far as drawn"
    if verified.wrong_groups:
        return f"Not right: {format_totals(verified.days)}"
    if verified.known_wrong:
        return f"Not right: {counted(verified.known_wrong, 'wrong group')} known from earlier verifications"
    edited = [day for day in verified.days_of("wrong") if day.seal is not None]
    if edited:
        return f"Not right: rows of {counted(len(edited), 'sealed day')} were edited"
    if verified.days_of("held"):
        return f"Held: {counted(len(verified.days_of('held')), 'day')} of which too many facts disappeared"
    if verified.failed:
        return f"Not known: {counted(len(verified.failed), 'day')} could not be compared"
    return f"Not up to date: {counted(len(verified.days_of('stale')), 'day')} to compute again"


def _reasons(verified: Verified) -> list[str]:
    days = verified.days
    groups, facts = sum(day.totals.groups for day in days), sum(day.totals.facts for day in days)
    visits, conversions = sum(day.totals.visits for day in days), sum(day.totals.conversions for day in days)
    compared = f"{len(verified.days_of('verified')):,} of {counted(len(days), 'day')} verified"
    if verified.days_of("sealed"):
        compared += f", {len(verified.days_of('sealed')):,} sealed and unchanged since"
    if verified.sample is not None:
        client_days = sum(day.verified_client_days + day.stale_client_days + day.wrong_client_days for day in days)
        compared = f"{counted(client_days, 'client-day')} (clients' days) on {counted(len(days), 'day')}"
    message = [
        f"{compared}: {counted(groups, 'group')} "
        f"compared with {counted(facts, 'fact')}, which give {counted(visits, 'visit')} and "
        f"{counted(conversions, 'conversion')}",
    ]
    for result, why in (
        ("wrong", "wrong groups on"),
        ("held", "held, for too many facts disappeared (restore them, or eventflow-stats accept-deletion):"),
        ("stale", "to compute again, facts changed or never computed:"),
    ):
        found = [str(day.day) for day in verified.days_of(result) if day.seal is None]
        if found:
            message.append(f"{why} {listed(found)}")
    message += [f"{day.day}: {day.seal}; {NO_REPAIR}" for day in verified.days_of("wrong") if day.seal is not None]
    message += format_failed_days(verified.failed)
    elsewhere = verified.known_wrong - verified.wrong_groups
    if elsewhere > 0:
        message.append(
            f"{counted(elsewhere, 'wrong group')} found by earlier verifications, not compared now and not repaired"
        )
    unresolved = sum(day.totals.unresolved_facts for day in days)
    if unresolved:
        message.append(f"{counted(unresolved, 'fact')} without a client, in no group (below)")
    return message


def _span(drift: pd.DataFrame, verified: Verified) -> Periods:
    if drift.empty:
        return periods_of(verified.last, verified.last)
    # Findings of long ago beside new ones: from the first to the last.
    return periods_of(drift["day"].min(), drift["day"].max())


def _resampled(drift: pd.DataFrame, periods: Periods) -> pd.DataFrame:
    starts = periods.starts()
    if drift.empty:
        return pd.DataFrame(0, index=starts, columns=["found", "repaired"])
    place = pd.to_datetime(pd.Series(starts)).searchsorted(pd.to_datetime(drift["day"]), side="right") - 1
    summed = drift.assign(period=[starts[number] for number in place]).groupby("period")[["found", "repaired"]].sum()
    return summed.reindex(starts, fill_value=0)


def _filled(quality: pd.DataFrame, periods: Periods) -> pd.DataFrame:
    filled = quality.set_index("period").reindex(periods.starts(), fill_value=0).astype("int64")
    filled["facts"] = filled["visit_facts"] + filled["entries"]
    return filled


def _rates(quality: pd.DataFrame, settings: Settings) -> list[Rate]:
    found = []
    for name, (part, whole, goal, meaning) in RATES.items():
        parts, wholes = quality[part].tolist(), quality[whole].tolist()
        found.append(
            Rate(
                name,
                meaning,
                [_percent(p, w) for p, w in zip(parts, wholes, strict=True)],
                # Not rounded: 69.996 percent are shown as 70.00, and miss a goal of 70.
                100 * sum(parts) / sum(wholes) if sum(wholes) else None,
                None if goal is None else getattr(settings, goal),
                at_most=goal is not None and goal.startswith("max_"),
            )
        )
    return found


def _computed_of(computed: int, days: int) -> str:
    if computed == days:
        return f"Computed for every one of {counted(days, 'day')}."
    return (
        f"Computed for {computed:,} of {counted(days, 'day')} alone, and the rates are theirs: schedule data_quality "
        "computes the days that were recomputed or verified whole since; others are materialized by hand."
    )


def _percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 2) if whole else None


def _by_period(frame: pd.DataFrame, periods: Periods) -> pd.DataFrame:
    starts = periods.starts()
    days = frame[frame["part"] == "day"]
    if days.empty:
        return pd.DataFrame(0, index=starts, columns=["visits", "conversions"])
    place = pd.to_datetime(pd.Series(starts)).searchsorted(pd.to_datetime(days["label"]), side="right") - 1
    summed = days.assign(period=[starts[number] for number in place]).groupby("period")[["visits", "conversions"]].sum()
    return summed.reindex(starts, fill_value=0)
