"""The report as one HTML page: no script, nothing loaded from elsewhere, every text escaped."""

from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from eventflow_stats.formatting import escape_unprintable
from eventflow_stats.reports.calendar import STATES
from eventflow_stats.reports.charts import named_bars, paired_bars, rate_line, stacked_bars
from eventflow_stats.reports.report_data import Report

MARKS = {
    "unverifiable": "!",
    "wrong": "✗",
    "held": "‖",
    "stale": "≈",
    "never computed": "?",
    "not verified": "○",
    "verified": "✓",
    "sealed": "■",
    "no facts": "·",
}
"""A mark for each state, for readers who do not see its colour."""


def as_html(report: Report) -> str:
    """The report as an HTML page."""
    starts = report.periods.starts()
    in_all = report.calendar.in_all
    quality = report.quality
    charts = {
        "states": stacked_bars(
            starts, {state: in_all[state].tolist() for state in STATES}, {state: _ink(state) for state in STATES}
        ),
        "visits": stacked_bars(starts, {"visits": report.by_day["visits"].tolist()}, {"visits": "first"}),
        "conversions": stacked_bars(
            starts, {"conversions": report.by_day["conversions"].tolist()}, {"conversions": "second"}
        ),
        "drift": paired_bars(
            report.drift_periods.starts(),
            {name: report.drift[name].tolist() for name in ("found", "repaired")},
            {"found": "wrong", "repaired": "verified"},
        ),
        "ages": named_bars(list(report.verification_ages), list(report.verification_ages.values()), "first"),
        "entries": paired_bars(
            starts,
            {name: quality[name].tolist() for name in ("visits", "entries")},
            {"visits": "first", "entries": "second"},
        ),
    }
    rates = {rate.name: rate_line(starts, rate.by_period, rate.goal) for rate in report.rates}
    return _template().render(
        report=report, charts=charts, rate_charts=rates, states=STATES, marks=MARKS, ink=_ink, css=_file("report.css")
    )


def _ink(state: str) -> str:
    return state.replace(" ", "-")


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_shown
    )
    return environment.from_string(_file("report.html"))


def _shown(value: object) -> object:
    """The text without control codes, which a reader could copy into a terminal."""
    return escape_unprintable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _file(name: str) -> str:
    return files("eventflow_stats.reports").joinpath("templates", name).read_text(encoding="utf-8")
