"""How differences are told in Dagster's UI: as a table, and in descriptions, which it renders as Markdown."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import dagster as dg

from eventflow_stats.engine.adjustments import DayAdjustments
from eventflow_stats.engine.differences import COLUMNS, repair_commands, told_in_columns, told_in_line, told_totals
from eventflow_stats.engine.prove import NAMED_GROUPS, DifferingGroup, ProvedDay
from eventflow_stats.errors import Unverifiable
from eventflow_stats.words import counted, verbatim

NAMED_IN_THE_UI = 200
# Few columns, all narrow or able to wrap: a wider table pushes the numbers, and the page's text, off the screen.
_TABLE = dg.TableSchema(
    columns=[dg.TableColumn(name, "string", meaning or None) for name, meaning in COLUMNS.items()],
)


def first_of(group: DifferingGroup) -> str:
    """One differing group in a line of Markdown."""
    which, differs = told_in_line(group)
    return f"{verbatim(which)}: {differs}"


def differences_shown(proved: Sequence[ProvedDay], clients: Sequence[str]) -> dict[str, Any]:
    """Metadata of a check that found differing groups: the table, wrong ones first, their totals, how to repair; empty
    where none was found. ``clients`` as asked for, none for all."""
    named = in_order(proved)
    if not named:
        return {}
    listed = named[:NAMED_IN_THE_UI]
    shown: dict[str, Any] = {
        "differing_groups": dg.MetadataValue.table(
            records=[dg.TableRecord(dict(told_in_columns(day, group))) for day, group in listed], schema=_TABLE
        ),
        "differences_in_all": dg.MetadataValue.text(told_totals(proved)),
        "how_to_repair": how_to_repair(proved, clients),
    }
    if len(named) > len(listed) or any(len(day.differing) == NAMED_GROUPS for day in proved):
        told = f"{len(listed):,} groups; every wrong one is in eventflow_stats.discrepancies"
        shown["named_here"] = dg.MetadataValue.text(told)
    return shown


def unverifiable_result(error: Unverifiable) -> dg.AssetCheckResult:
    """The result of a check that may not compare: facts may be hidden, and hidden facts would agree."""
    return dg.AssetCheckResult(
        passed=False,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{verbatim(str(error))}.",
        metadata={"broken_assumptions": ", ".join(error.broken)},
    )


def told_adjustments(total: DayAdjustments) -> str:
    """Such as "2 manual corrections in force (visits -5, conversions +3)"."""
    corrections = counted(total.adjustments, "manual correction")
    return f"{corrections} in force (visits {total.visits:+,}, conversions {total.conversions:+,})"


def in_order(proved: Sequence[ProvedDay]) -> list[tuple[date, DifferingGroup]]:
    """Every differing group with its day, wrong ones first, oldest day first."""
    named = [(day.day, group) for day in proved for group in day.differing]
    return sorted(named, key=lambda pair: (pair[1].verdict != "wrong", pair[0]))


def how_to_repair(proved: Sequence[ProvedDay], clients: Sequence[str]) -> str:
    """What an operator may do: here, or on the command line. Plain text: the UI hides Markdown behind a click."""
    commands = " then ".join(repair_commands(proved, clients))
    return (
        "Sensor repair computes wrong groups again by itself, within minutes. By hand: materialize the days named "
        f"here again (asset page, Materialize…), or run: {commands}. This check then runs again."
    )
