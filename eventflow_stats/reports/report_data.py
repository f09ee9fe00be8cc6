"""The content of a report: what a verification found, and what the ledger holds of the same days and clients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from eventflow_stats import __version__
from eventflow_stats.engine.assumptions.day_windows import today
from eventflow_stats.engine.postgres.database import Database, readable_url
from eventflow_stats.engine.postgres.migrations import applied_migration
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.engine.rollup.totals import totals
from eventflow_stats.engine.status.freshness import read_freshness
from eventflow_stats.engine.verification.discrepancies import format_totals, repair_commands
from eventflow_stats.engine.verification.sample_confidence import sample_message
from eventflow_stats.formatting import format_count, format_duration
from eventflow_stats.reports.calendar import Calendar, make_calendar
from eventflow_stats.reports.periods import Periods, periods_of
from eventflow_stats.reports.rates import Rate, computed_days_message, count_by_period, rates_of
from eventflow_stats.reports.summary import reasons, result_message
from eventflow_stats.reports.tables import (
    ROWS_SHOWN,
    Table,
    adjustments_message,
    adjustments_table,
    discrepancies_table,
    top_table,
    unresolved_facts_table,
    wrong_groups_table,
)
from eventflow_stats.reports.verified_days import Verified

VERIFICATION_AGES = {
    "within the hour": "hour",
    "1 to 6 hours": "six_hours",
    "6 to 24 hours": "day",
    "1 to 7 days": "week",
    "longer": "longer",
    "never since computed": "never",
    "sealed, at any time": "sealed",
}
"""Ages of a verification, and the columns of `report/verification_ages.sql` that count them."""


@dataclass(frozen=True)
class Report:
    """The content of a report, whatever its form; any text in it may come from the public web."""

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
    unresolved: Table
    adjustments: Table
    adjustments_text: str
    by_day: pd.DataFrame
    tops: dict[str, Table]


def read_report(database: Database, verified: Verified) -> Report:
    """Read what the ledger, the rollup and the data quality hold of the days and clients of a verification.

    Raises:
        Refused: no connection or not migrated.
    """
    periods = periods_of(verified.first, verified.last)
    days_in_all = (verified.last - verified.first).days + 1
    of_days = {"first_day": verified.first, "last_day": verified.last}
    selected: dict[str, Any] = of_days | {
        "clients": None if verified.client_ids is None else list(verified.client_ids),
    }
    by_period = selected | {"period": periods.unit}
    settings = database.settings
    with database.session() as connection:
        migration = applied_migration(database)
        days = _frame(connection.execute(query("report/days"), of_days))
        states = connection.execute(query("report/client_day_states"), by_period).all()
        drift = _frame(
            connection.execute(query("report/discrepancies_by_day"), selected | {"zone": settings.bucket_timezone})
        )
        ever_wrong = connection.execute(query("report/discrepancies"), selected | {"most": ROWS_SHOWN}).mappings().all()
        ages = dict(connection.execute(query("report/verification_ages"), selected).mappings().one())
        quality = _frame(connection.execute(query("report/quality"), by_period))
        quality_days = connection.scalar(query("quality/count_quality_days"), of_days) or 0
        adjusted = connection.execute(query("report/adjustments"), selected | {"most": ROWS_SHOWN}).mappings().all()
    of_no_day = read_freshness(database, today(settings)).facts_of_no_day
    frame = totals(database, verified.first, verified.last, verified.client_ids)
    calendar = make_calendar(states, days, periods, [(str(id_), str(id_)) for id_ in verified.client_ids or ()])
    limit = f"The limit is {settings.max_drift_age:g} hours (EVENTFLOW_MAX_DRIFT_AGE)"
    oldest = ages["oldest"]
    counts = count_by_period(quality, periods)
    drift_periods = _drift_periods(drift, verified)
    clients = ", ".join(verified.clients) or f"all ({calendar.clients:,} with anything in the ledger)"
    return Report(
        ok=verified.ok,
        result=result_message(verified),
        reasons=reasons(verified),
        about=[
            ("Days", f"{verified.first} to {verified.last} ({format_count(days_in_all, 'day')})"),
            ("Clients", clients),
            ("Compared at", f"{verified.at:%Y-%m-%d %H:%M:%S} UTC"),
            ("Time zone of the days", settings.bucket_timezone),
            ("Database", readable_url(database.url)),
            ("Version", f"eventflow-stats {__version__}, migration {migration}"),
        ],
        wrong=wrong_groups_table(verified),
        wrong_totals=format_totals(verified.days),
        repair=repair_commands(verified.days, verified.clients),
        sample=[] if verified.sample is None else sample_message(verified.sample, verified.places_that_differ),
        periods=periods,
        calendar=calendar,
        drift=drift_periods.sums(drift, "day", ["found", "repaired"]),
        drift_periods=drift_periods,
        ever_wrong=discrepancies_table(ever_wrong),
        verification_ages={age: int(ages[column]) for age, column in VERIFICATION_AGES.items()},
        verification_age_text=limit
        if oldest is None
        else f"The oldest verification is {format_duration(oldest)} old. {limit}",
        rates=rates_of(counts, settings),
        quality=counts,
        quality_text=computed_days_message(quality_days, days_in_all),
        unresolved=unresolved_facts_table(days, verified, of_no_day),
        adjustments=adjustments_table(adjusted),
        adjustments_text=adjustments_message(adjusted),
        by_day=periods.sums(frame[frame["part"] == "day"], "label", ["visits", "conversions"]),
        tops={part: top_table(frame, part) for part in ("source", "link")},
    )


def _frame(result: Any) -> pd.DataFrame:
    return pd.DataFrame(result.mappings().all(), columns=list(result.keys()))


def _drift_periods(drift: pd.DataFrame, verified: Verified) -> Periods:
    """Periods from the first finding to the last: groups of these days may have been found wrong at any later time."""
    if drift.empty:
        return periods_of(verified.last, verified.last)
    return periods_of(drift["day"].min(), drift["day"].max())
