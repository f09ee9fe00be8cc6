"""Results and metadata that several checks share. Dagster's UI shows descriptions as Markdown."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import dagster as dg

from eventflow_stats.engine.adjustments import DayAdjustments
from eventflow_stats.engine.verification.discrepancies import (
    COLUMNS,
    format_columns,
    format_line,
    format_totals,
    repair_commands,
)
from eventflow_stats.engine.verification.verify import NAMED_GROUPS, GroupDifference, VerifiedDay
from eventflow_stats.errors import Unverifiable
from eventflow_stats.formatting import format_count, markdown_code

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
NAMED_IN_THE_UI = 200
# Few columns that are narrow or can wrap: a wider table pushes its numbers and the page's text off the screen.
_TABLE = dg.TableSchema(
    columns=[dg.TableColumn(name, "string", meaning or None) for name, meaning in COLUMNS.items()],
)


def format_difference(group: GroupDifference) -> str:
    """One group that differs from the facts, as a line of Markdown."""
    which, differs = format_line(group)
    return f"{markdown_code(which)}: {differs}"


def difference_metadata(verified: Sequence[VerifiedDay], clients: Sequence[str]) -> dict[str, Any]:
    """Metadata about the groups that differ from the facts; empty if there are none.

    It has a table (wrong groups first), the sum of the differences, and how to repair. ``clients`` are the clients that
    were verified; none means all."""
    named = sorted_differences(verified)
    if not named:
        return {}
    listed = named[:NAMED_IN_THE_UI]
    shown: dict[str, Any] = {
        "group_differences": dg.MetadataValue.table(
            records=[dg.TableRecord(dict(format_columns(day, group))) for day, group in listed], schema=_TABLE
        ),
        "differences_in_all": dg.MetadataValue.text(format_totals(verified)),
        "how_to_repair": how_to_repair(verified, clients),
    }
    if len(named) > len(listed) or any(len(day.differences) == NAMED_GROUPS for day in verified):
        message = f"{len(listed):,} groups; every wrong one is in eventflow_stats.discrepancies"
        shown["named_here"] = dg.MetadataValue.text(message)
    return shown


def unverifiable_result(error: Unverifiable) -> dg.AssetCheckResult:
    """The failed result of a check that may not compare: facts may be hidden, so the comparison would be worthless."""
    return dg.AssetCheckResult(
        passed=False,
        severity=ERROR,
        description=f"{markdown_code(str(error))}.",
        metadata={"broken_assumptions": ", ".join(error.broken)},
    )


def adjustments_message(total: DayAdjustments) -> str:
    """Such as "2 manual adjustments in force (visits -5, conversions +3)"."""
    adjustments = format_count(total.adjustments, "manual adjustment")
    return f"{adjustments} in force (visits {total.visits:+,}, conversions {total.conversions:+,})"


def sorted_differences(verified: Sequence[VerifiedDay]) -> list[tuple[date, GroupDifference]]:
    """Every group that differs from the facts, with its day: wrong groups first, then by day."""
    named = [(day.day, group) for day in verified for group in day.differences]
    return sorted(named, key=lambda pair: (pair[1].result != "wrong", pair[0]))


def how_to_repair(verified: Sequence[VerifiedDay], clients: Sequence[str]) -> str:
    """What an operator can do. It is plain text, because the UI hides Markdown behind a click."""
    commands = " then ".join(repair_commands(verified, clients))
    return (
        "The sensor repair recomputes wrong groups within minutes. By hand: materialize the days named here (asset "
        f"page, Materialize…), or run: {commands}. The check then runs again."
    )
