"""How differences are reported in Dagster's UI: as a table, and in descriptions, which it renders as Markdown."""

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
from eventflow_stats.formatting import counted, verbatim

NAMED_IN_THE_UI = 200
# Few columns, all narrow or able to wrap: a wider table pushes the numbers, and the page's text, off the screen.
_TABLE = dg.TableSchema(
    columns=[dg.TableColumn(name, "string", meaning or None) for name, meaning in COLUMNS.items()],
)


def first_of(group: GroupDifference) -> str:
    """One differing group in a line of Markdown."""
    which, differs = format_line(group)
    return f"{verbatim(which)}: {differs}"


def differences_shown(verified: Sequence[VerifiedDay], clients: Sequence[str]) -> dict[str, Any]:
    """Metadata of a check that found differing groups: the table, wrong ones first, their totals, how to repair; empty
    where none was found. ``clients`` as asked for, none for all."""
    named = in_order(verified)
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
    """The result of a check that may not compare: facts may be hidden, and hidden facts would agree."""
    return dg.AssetCheckResult(
        passed=False,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{verbatim(str(error))}.",
        metadata={"broken_assumptions": ", ".join(error.broken)},
    )


def adjustments_message(total: DayAdjustments) -> str:
    """Such as "2 manual adjustments in force (visits -5, conversions +3)"."""
    adjustments = counted(total.adjustments, "manual adjustment")
    return f"{adjustments} in force (visits {total.visits:+,}, conversions {total.conversions:+,})"


def in_order(verified: Sequence[VerifiedDay]) -> list[tuple[date, GroupDifference]]:
    """Every differing group with its day, wrong ones first, oldest day first."""
    named = [(day.day, group) for day in verified for group in day.differences]
    return sorted(named, key=lambda pair: (pair[1].result != "wrong", pair[0]))


def how_to_repair(verified: Sequence[VerifiedDay], clients: Sequence[str]) -> str:
    """What an operator may do: here, or on the command line. Plain text: the UI hides Markdown behind a click."""
    commands = " then ".join(repair_commands(verified, clients))
    return (
        "Sensor repair computes wrong groups again by itself, within minutes. By hand: materialize the days named "
        f"here again (asset page, Materialize…), or run: {commands}. This check then runs again."
    )
