"""The report as Markdown, readable as plain text and on GitHub. Texts of the facts are in code spans, which they cannot
leave."""

from collections.abc import Iterable, Sequence

from eventflow_stats.formatting import markdown_code
from eventflow_stats.reports.calendar import STATES
from eventflow_stats.reports.report_data import Report
from eventflow_stats.reports.tables import Table

_LETTERS = {
    "unverifiable": "U",
    "wrong": "X",
    "held": "H",
    "stale": "s",
    "never computed": "?",
    "not verified": "o",
    "verified": "+",
    "sealed": "S",
    "no facts": ".",
}


def as_markdown(report: Report) -> str:
    """The report as a Markdown document."""
    return "\n".join(_lines(report)).rstrip() + "\n"


def _lines(report: Report) -> Iterable[str]:
    yield f"# {report.result}"
    yield ""
    yield from (f"- {reason}" for reason in report.reasons)
    yield ""
    yield from _table(Table(["", ""], report.about))
    if report.sample:
        yield "## What the sample shows"
        yield ""
        yield from (f"- {line}" for line in report.sample)
        yield ""
    yield "## What is wrong, and how to repair it"
    yield ""
    if report.wrong.rows:
        yield f"**{report.wrong_totals}.** A difference is stored minus true: above zero, the rollup counts too many."
        yield ""
        yield from _table(report.wrong)
    else:
        yield "Every group that was compared equals the facts."
        yield ""
    if report.repair:
        yield "Sensor `repair` rebuilds wrong groups, and the schedule refreshes stale ones. By hand:"
        yield ""
        yield from (f"    {' '.join(command.split())}" for command in report.repair)
        yield ""
    yield from _calendar(report)
    yield "## Wrong groups over time"
    yield ""
    drift = report.drift
    if drift["found"].sum():
        starts = report.drift_periods.starts()
        rows = [
            [str(start), f"{found:,}", f"{repaired:,}"]
            for start, found, repaired in zip(starts, drift["found"], drift["repaired"], strict=True)
            if found or repaired
        ]
        yield from _table(Table([report.drift_periods.unit, "found wrong", "repaired"], rows))
        yield from _table(report.ever_wrong)
    else:
        yield "No group of these days was ever found wrong."
        yield ""
    yield from _quality(report)
    yield "## Facts without a client"
    yield ""
    yield from _table(report.unresolved) if report.unresolved.rows else (report.unresolved.left_out or "None.", "")
    yield "## Manual adjustments"
    yield ""
    yield report.adjustments_text
    yield ""
    if report.adjustments.rows:
        yield from _table(report.adjustments)
    yield "## Totals"
    yield ""
    rows = [
        [str(start), f"{visits:,}", f"{conversions:,}"]
        for start, visits, conversions in zip(
            report.periods.starts(), report.by_day["visits"], report.by_day["conversions"], strict=True
        )
    ]
    rows.append(["all", f"{report.by_day['visits'].sum():,}", f"{report.by_day['conversions'].sum():,}"])
    yield from _table(Table([report.periods.unit, "visits", "conversions"], rows))
    for top in report.tops.values():
        yield from _table(top)


def _calendar(report: Report) -> Iterable[str]:
    yield "## Coverage and verification"
    yield ""
    message = ", ".join(f"{_LETTERS[state]} {state}" for state in STATES)
    first, last = report.periods.first, report.periods.last
    yield f"One letter for each {report.periods.unit} from {first} to {last}, for its worst day: {message}."
    yield ""
    calendar = report.calendar
    rows = [
        [row.client, "".join(_LETTERS[cell.state] for cell in row.cells)]
        for row in [*calendar.rows, *([calendar.others] if calendar.others else [])]
    ]
    shown = (
        f"The {len(calendar.rows)} worst of {calendar.clients:,} clients are shown, and all others together."
        if calendar.others
        else ""
    )
    yield from _table(Table(["client", report.periods.unit], rows, shown))
    counts = [[state, f"{int(calendar.in_all[state].sum()):,}"] for state in STATES]
    yield from _table(Table(["state", "client-days"], counts))
    ages = [[age, f"{number:,}"] for age, number in report.verification_ages.items()]
    yield from _table(Table(["verified", "client-days"], ages, f"{report.verification_age_text}."))


def _quality(report: Report) -> Iterable[str]:
    yield "## Data quality"
    yield ""
    if not report.quality["facts"].sum():
        yield "Not computed for these days; materialize asset `marketing_data_quality_daily`."
        yield ""
        return
    yield report.quality_text
    yield ""
    rows = []
    for rate in report.rates:
        overall = "none" if rate.overall is None else f"{rate.overall:.2f}"
        rows.append([rate.name, rate.meaning, overall, rate.goal_text, rate.met_text])
    yield from _table(Table(["rate", "what", "percent", "goal", "met"], rows))


def _table(table: Table) -> Iterable[str]:
    yield _row(table.headers)
    yield _row(["---"] * len(table.headers))
    for row in table.rows:
        yield _row([_cell(cell) for cell in row])
    yield ""
    if table.left_out:
        yield table.left_out
        yield ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    # A pipe ends a cell even inside a code span, unless a backslash is before it.
    plain = all(character.isalnum() or character in " .,:+-%" for character in text)
    return text if plain else markdown_code(text).replace("|", "\\|")
