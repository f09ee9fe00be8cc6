"""Manual adjustments as text for people and as JSON for programs."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from eventflow_stats.engine.adjustments import AdjustmentResult, RecordedAdjustment
from eventflow_stats.formatting import escape_unprintable, format_count, format_group_key, quote_text
from eventflow_stats.local.import_adjustments import ImportedAdjustments

WITHOUT_FACTS = (
    "nothing was measured in this group, so it consists only of adjustments; if you meant another group, name its "
    "campaign, link and all three UTM values (`eventflow-stats explain` lists the groups of a day)"
)


def change_message(adjusted: AdjustmentResult) -> str:
    """An adjustment of a file in one line: its group, the change, and the measured numbers."""
    row, after = adjusted.adjustment, adjusted.after
    message = (
        f"{_client(row)}, {row.bucket_date}, {_group(row)}: visits {row.visits_delta:+,} to "
        f"{after.measured_visits:,} measured, conversions {row.conversions_delta:+,} to {after.measured_conversions:,}"
    )
    return message if adjusted.has_facts else f"{message}; {WITHOUT_FACTS}"


def import_message(imported: ImportedAdjustments, execute: bool) -> str:
    """How many adjustments were read and how many of them are new."""
    message = (
        f"{format_count(imported.read, 'adjustment')} read, {len(imported.new):,} {'added' if execute else 'to add'}"
    )
    if imported.in_force:
        message += f", {imported.in_force:,} in force already"
    if imported.reverted:
        message += f", {imported.reverted:,} reverted before and not added again"
    return message if execute else f"{message}; nothing was written, add --execute to write"


def total_message(found: Sequence[RecordedAdjustment]) -> str:
    """How many adjustments are in force, and their sum."""
    in_force = [adjustment for adjustment in found if adjustment.reverted_at is None]
    visits = sum(adjustment.visits_delta for adjustment in in_force)
    conversions = sum(adjustment.conversions_delta for adjustment in in_force)
    return f"{format_count(len(in_force), 'adjustment')} in force: visits {visits:+,}, conversions {conversions:+,}"


def format_adjustment(row: RecordedAdjustment) -> list[str]:
    """An adjustment in two lines, a reverted one in three."""
    lines = [
        f"{row.adjustment_id}: {row.bucket_date}, {_client(row)}, {_group(row)}: "
        f"visits {row.visits_delta:+,}, conversions {row.conversions_delta:+,}",
        f"    {quote_text(row.reason)}: {_line(row.author)}, {row.created_at:%Y-%m-%d %H:%M} UTC"
        + (f" (login {row.recorded_by})" if row.recorded_by else ""),
    ]
    if row.reverted_at is not None:
        why = f" {quote_text(row.reverted_reason)}:" if row.reverted_reason else ""
        login = f" (login {row.reverted_recorded_by})" if row.reverted_recorded_by else ""
        lines.append(
            f"    reverted:{why} {_line(row.reverted_by or 'unknown')}, {row.reverted_at:%Y-%m-%d %H:%M} UTC{login}"
        )
    return lines


def format_adjusted(adjusted: AdjustmentResult, sign: int) -> list[str]:
    """The group of an adjustment and a table of its numbers before and after; ``sign`` is -1 for a reversal."""
    row = adjusted.adjustment
    shown: tuple[tuple[str, str, Callable[[int], str]], ...] = (
        ("measured", "measured", "{:,}".format),
        ("adjustments_before", "adjustments", "{:+,}".format),
        ("change", "this", "{:+,}".format),
        ("after", "after", "{:,}".format),
    )
    lines = [
        f"{_client(row)}, {row.bucket_date}, {_group(row)}",
        "".join([" " * 13, *(f"{title:>14}" for _, title, _ in shown)]),
        *(
            "".join([f"  {name:<11}", *(f"{form(values[key]):>14}" for key, _, form in shown)])
            for name, values in _numbers(adjusted, sign).items()
        ),
    ]
    return lines if sign < 0 or adjusted.has_facts else [*lines, WITHOUT_FACTS]


def adjusted_as_json(adjusted: AdjustmentResult, sign: int, execute: bool) -> dict[str, Any]:
    """The same for a program. A dry run returns no adjustment: its number may become that of another one."""
    written: dict[str, Any] | None = asdict(adjusted.adjustment) if execute else None
    return {"adjustment": written, "group_has_facts": adjusted.has_facts, **_numbers(adjusted, sign)}


def _numbers(adjusted: AdjustmentResult, sign: int) -> dict[str, dict[str, int]]:
    row, after = adjusted.adjustment, adjusted.after
    return {
        name: {
            "measured": measured,
            "adjustments_before": delta - sign * change,
            "change": sign * change,
            "after": measured + delta,
        }
        for name, measured, delta, change in (
            ("visits", after.measured_visits, after.visits_delta, row.visits_delta),
            ("conversions", after.measured_conversions, after.conversions_delta, row.conversions_delta),
        )
    }


def _group(row: RecordedAdjustment) -> str:
    utm = (row.utm_source, row.utm_medium, row.utm_campaign)
    return format_group_key(row.campaign_id, row.campaign_name, row.link_id, row.link_name, *utm)


def _client(row: RecordedAdjustment) -> str:
    return escape_unprintable(row.client_name or str(row.client_id))


def _line(text: str) -> str:
    return escape_unprintable(" ".join(text.split()))
