"""The tables of a report as plain text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from eventflow_stats.engine.verification.discrepancies import (
    COLUMNS,
    format_client,
    format_columns,
    format_difference,
    format_key,
)
from eventflow_stats.engine.verification.verify import GroupDifference
from eventflow_stats.formatting import format_count
from eventflow_stats.reports.verified_days import Verified

GROUPS_SHOWN = 200
ROWS_SHOWN = 50
TOP_SHOWN = 10
_UTM = ("utm_source", "utm_medium", "utm_campaign")
_NUMBERS = ("stored_visits", "true_visits", "stored_conversions", "true_conversions")


@dataclass(frozen=True)
class Table:
    """Headers and rows of plain text, and a sentence about rows that are not shown."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    left_out: str = ""
    numbers: bool = False
    """Whether all columns but the first hold numbers."""


def wrong_groups_table(verified: Verified) -> Table:
    """The groups that are wrong or stale, wrong ones first."""
    named = [(day.day, group) for day in verified.days for group in day.differences]
    named.sort(key=lambda pair: (pair[1].result != "wrong", pair[0]))
    rows = [list(format_columns(day, group).values()) for day, group in named[:GROUPS_SHOWN]]
    wrong = sum(group.result == "wrong" for _, group in named[:GROUPS_SHOWN])
    more = verified.wrong_groups - wrong
    left_out = ""
    if len(named) > GROUPS_SHOWN:
        left_out = (
            f"The first {GROUPS_SHOWN:,} groups are shown, wrong ones first"
            + (
                f"; {format_count(more, 'more wrong group')} " + ("is" if more == 1 else "are")
                if more > 0
                else "; the rest is"
            )
            + " in the .csv form"
            + (" and in eventflow_stats.discrepancies." if more > 0 else ".")
        )
    return Table(list(COLUMNS), rows, left_out)


def discrepancies_table(found: Sequence[Any]) -> Table:
    """The groups that verifications found wrong, and their repair; ``found``: rows of `report/discrepancies.sql`."""
    rows = []
    for row in found:
        key = {
            name: row[name]
            for name in ("client_id", "client_name", "campaign_id", "campaign_name", "link_id", "link_name", *_UTM)
        }
        message = format_columns(
            row["bucket_date"], GroupDifference("wrong", **key, **{name: row[name] for name in _NUMBERS})
        )
        repaired = row["repaired_at"]
        rows.append(
            [
                *(message[name] for name in ("client", "day", "group", "stored", "true")),
                f"{row['found_at']:%Y-%m-%d %H:%M} UTC",
                "open" if repaired is None else f"{repaired:%Y-%m-%d %H:%M} UTC: {row['repaired_by']}",
            ]
        )
    total = found[0]["in_all"] if found else 0
    left_out = f"{len(rows)} of {total:,} are shown, open and newest first." if total > len(rows) else ""
    return Table(["client", "day", "group", "stored", "true", "found", "repaired"], rows, left_out)


def unresolved_facts_table(days: pd.DataFrame, verified: Verified, of_no_day: int) -> Table:
    """Days with facts of no client, their total, and the facts of no day."""
    if verified.client_ids is not None:
        return Table(["day", "facts"], [], "Not shown in a report of named clients: these facts have no client.")
    found = days[days["unresolved_facts"] > 0].sort_values("unresolved_facts", ascending=False, kind="stable")
    rows = [[str(row.day), f"{row.unresolved_facts:,}"] for row in found.head(ROWS_SHOWN).itertuples()]
    if of_no_day:
        rows.append(["no day", f"{of_no_day:,}"])
    if len(found):
        rows.append(["all days", f"{found['unresolved_facts'].sum():,}"])
    left_out = f"The {ROWS_SHOWN} days with most of {len(found):,} are shown." if len(found) > ROWS_SHOWN else ""
    return Table(["day", "facts"], rows, left_out, numbers=True)


def adjustments_table(adjusted: Sequence[Any]) -> Table:
    """The manual adjustments; ``adjusted``: rows of `report/adjustments.sql`."""
    rows = []
    for row in adjusted:
        key = {name: row[name] for name in ("campaign_id", "campaign_name", "link_id", "link_name", *_UTM)}
        group = GroupDifference("verified", row["client_id"], row["client_name"], **key, **dict.fromkeys(_NUMBERS))
        reverted = row["reverted_at"]
        rows.append(
            [
                "active" if reverted is None else f"reverted {reverted:%Y-%m-%d} by {row['reverted_by']}",
                format_client(group),
                str(row["bucket_date"]),
                format_key(group),
                format_difference(row["visits_delta"], row["conversions_delta"]),
                row["reason"],
                f"{row['author']}, {row['created_at']:%Y-%m-%d %H:%M} UTC",
            ]
        )
    headers = ["state", "client", "day", "group", "adjustment", "reason", "by"]
    total = adjusted[0]["active"] + adjusted[0]["reverted"] if adjusted else 0
    left_out = f"{len(rows)} of {total:,} are shown, active and newest first." if total > len(rows) else ""
    return Table(headers, rows, left_out)


def adjustments_message(adjusted: Sequence[Any]) -> str:
    """How many manual adjustments there are, and their sum."""
    if not adjusted:
        return "None."
    row = adjusted[0]
    added = format_difference(row["active_visits"], row["active_conversions"])
    return (
        f"{row['active']:,} active, {row['reverted']:,} reverted. The active ones add {added}. No other number of this "
        "report contains them."
    )


def top_table(frame: pd.DataFrame, part: str) -> Table:
    """The sources, or the links, with most visits; ``frame``: the engine's totals."""
    rows = frame[frame["part"] == part]
    shown = [
        [str(row.label), f"{row.visits:,}", f"{row.conversions:,}", f"{row.cvr:.2f} %"]
        for row in rows.head(TOP_SHOWN).itertuples()
    ]
    left_out = f"The {TOP_SHOWN} with most visits of {len(rows):,} are shown." if len(rows) > TOP_SHOWN else ""
    return Table([part, "visits", "conversions", "rate"], shown, left_out, numbers=True)
