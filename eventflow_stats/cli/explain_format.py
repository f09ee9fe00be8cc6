"""An explanation as text: sections, words and numbers."""

from collections.abc import Callable
from datetime import date
from typing import Any

from eventflow_stats.engine.adjustments import DayAdjustments
from eventflow_stats.formatting import ABSENT, escape_unprintable, format_count, quote_text

WIDTH = 22
Answer = dict[str, Any]


def format_day(answer: Answer, first_day: date, today: date, adjustments: DayAdjustments | None) -> list[str]:
    """The client-day: its numbers, and its entry in the ledger. Only days from first_day to today are ever computed."""
    day, ledger = answer["of_the_day"], answer["ledger"]
    different = day["groups_that_differ"]
    lines = [
        f"{escape_unprintable(answer['client_name'] or answer['client_id'])}, {answer['day']} "
        f"({_time(answer['window']['from'])} to {_time(answer['window']['to'])}, days in {answer['timezone']})",
        _row("the day", f"{_rows(day)} in {format_count(day['groups'], 'group')}; {_numbers(day)}"),
    ]
    if ledger["sealed_at"] is not None:
        lines[-1] = _row("the day", format_count(day["groups"], "group"))
    if ledger["computed_at"] is None:
        unlike = f"; {_different(different)}" if different else ""
        lines.append(_row("the rollup", f"{_numbers(day, 'stored_')}{unlike}"))
        lines.append(_row("computed", f"never{_without_partition(answer['day'], first_day, today)}"))
    else:
        lines.append(_row("the rollup", f"{_numbers(day, 'stored_')}; {_different(different)}"))
        if ledger["sealed_at"] is not None:
            lines[-1] = _row("the rollup", _numbers(day, "stored_"))
        changed = "; facts changed since" if ledger["facts_changed_since"] else ""
        lines.append(_row("computed", f"{_time(ledger['computed_at'])} from {_rows(ledger)}{changed}"))
    if ledger["stale_since"] is not None:
        lines.append(_row("stale", f"since {_time(ledger['stale_since'])}: {ledger['stale_reason']}"))
    verification = "never"
    if ledger["verified_at"] is not None:
        verification = _time(ledger["verified_at"]) + (
            "" if ledger["verified_since_computed"] else ", before it was computed"
        )
    lines.append(_row("verified", verification))
    if ledger["held_at"] is not None:
        lines.append(_row("held", f"since {_time(ledger['held_at'])}: too many facts of the day disappeared"))
    if ledger["sealed_at"] is not None:
        late = f"; {format_count(ledger['late_facts_of_the_day'], 'fact')} arrived since and are in no number"
        message = f"since {_time(ledger['sealed_at'])}: its facts are not counted again"
        lines.append(_row("sealed", message + (late if ledger["late_facts_of_the_day"] else "")))
    if adjustments:
        lines.append(
            _row(
                "adjusted by hand",
                f"visits {adjustments.visits:+,}, conversions {adjustments.conversions:+,} by "
                f"{format_count(adjustments.adjustments, 'adjustment')} in force, which readers get added",
            )
        )
    if ledger["unresolved_facts_of_the_day"]:
        unresolved = format_count(ledger["unresolved_facts_of_the_day"], "fact")
        lines.append(_row("of no client", f"{unresolved} of the whole day, in no group"))
    return lines


def format_groups(answer: Answer, options_of: Callable[[Answer], str]) -> list[str]:
    """Groups to choose from, each with the options that select it."""
    if not answer["groups"]:
        return ["no group: there are no facts and no numbers"]
    lines = [f"{format_count(answer['matching'], 'group')}; add options to select one:"]
    for group in answer["groups"]:
        wrong = "" if group["agrees"] else f" (the rollup: {_numbers(group, 'stored_')})"
        by_hand = ""
        if group["visits_delta"] or group["conversions_delta"]:
            by_hand = f" (by hand: {group['visits_delta']:+,} visits, {group['conversions_delta']:+,} conversions)"
        lines += [f"  {_numbers(group)}{wrong}{by_hand}: {format_group_key(group)}", f"    {options_of(group)}"]
    if answer["matching"] > len(answer["groups"]):
        lines.append(f"  and {answer['matching'] - len(answer['groups']):,} smaller ones")
    return lines


def format_explanation(answer: Answer) -> list[str]:
    """The explanation of one group, section by section."""
    (group,), found = answer["groups"], answer["explanation"]
    stored = found["stored"]
    in_rollup = "no row"
    if stored:
        in_rollup = f"{_numbers(stored)}, cvr {stored['cvr']} %; last changed {_time(stored['last_aggregated_at'])}"
    measured = found["measured"]
    now = f"{_numbers(measured)}, cvr {measured['cvr']} %" if measured else ""
    sections: dict[str, list[tuple[str, str]]] = {
        format_group_key(group): [
            ("stored", in_rollup),
            ("measured now", now),
            ("result", found["result"]),
        ],
        "Counted": _format_counted(found["counted"]) if found["counted"] else [],
        "Links": _format_links(found["link_rules"]) if found["link_rules"] else [],
        "Not counted": _format_elsewhere(found) if found["elsewhere"] else [],
        "Neighbouring groups": [
            (f"{_rows(near)}", f"{format_group_key(near)}: {near['rule']}") for near in found["neighbours"]
        ],
        "Found wrong": [(_time(each["found_at"]), _format_discrepancy(each)) for each in found["discrepancies"]],
        "Adjustments": [
            (
                f"no. {each['adjustment_id']}",
                f"{each['visits_delta']:+,} visits, {each['conversions_delta']:+,} conversions, "
                f"{_time(each['created_at'])}: {quote_text(each['reason'])}; not in the numbers above",
            )
            for each in found["adjustments"]
        ],
    }
    more = found["neighbours_in_all"] - len(found["neighbours"])
    if more:
        sections["Neighbouring groups"].append(("", f"and {more:,} more"))
    return [
        line
        for title, rows in sections.items()
        if (lines := [_row(name, value) for name, value in rows if value])
        for line in (title, *lines)
    ]


def format_group_key(group: Answer) -> str:
    """The group's key, names before ids: campaign / link / source / medium / campaign."""
    named = (
        quote_text(group[f"{what}_name"]) if group[f"{what}_name"] else group[f"{what}_id"] or ABSENT
        for what in ("campaign", "link")
    )
    return " / ".join([*named, *(quote_text(group[f"utm_{what}"]) for what in ("source", "medium", "campaign"))])


def _format_counted(found: Answer) -> list[tuple[str, str]]:
    rows, sessions = format_count(found["visit_rows"], "row"), format_count(found["sessions"], "session")
    visits = f"{found['visits']:,}: {rows} of {sessions}"
    if found["rows_without_session"]:
        visits += f" and {found['rows_without_session']:,} without a session, a visit each"
    repeated = "no session was seen more than once"
    if found["repeated_sessions"]:
        folded = format_count(found["folded_rows"], "row")
        repeated = f"{format_count(found['repeated_sessions'], 'session')} seen more than once ({folded} folded)"
    entries = f"{found['entries']:,}"
    if found["entries_completed_on_another_day"]:
        entries += f"; {found['entries_completed_on_another_day']:,} completed on another day: created_at decides"
    ids = found["fact_ids"]
    return [
        ("visits", f"{visits}; {repeated}"),
        ("such as", " ".join(ids["visits"])),
        ("folded, such as", " ".join(ids["folded"])),
        ("entries", entries),
        ("such as", " ".join(ids["entries"])),
    ]


def _format_links(found: Answer) -> list[tuple[str, str]]:
    words = (
        ("by the stored link id", "stored_link_id"),
        ("by the visit's cid", "cid_of_visit"),
        ("by the entry's cid", "cid_in_registration"),
        ("cid of no link", "unknown_cid"),
        ("no link id, no cid", "none"),
    )
    rows = [(text, format_count(found[name], "fact")) for text, name in words if found[name]]
    if found["stored_over_another_cid"]:
        rows.append(
            (
                "two links",
                f"{format_count(found['stored_over_another_cid'], 'fact')}: "
                "the cid names another link than the stored id",
            )
        )
    if found["stored_link_unknown"]:
        rows.append(
            ("link unknown", f"{format_count(found['stored_link_unknown'], 'fact')}: the client has no such link now")
        )
    return [*rows, ("such as", " ".join(found["fact_ids"]))]


def _format_elsewhere(explanation: Answer) -> list[tuple[str, str]]:
    found, rows = explanation["elsewhere"], []
    if found["visit_rows"] or found["entries"]:
        rows.append(("in other groups", f"{_rows(found)} of the day, of which"))
        for name, words in (
            ("same_session", "of sessions that are also in this group"),
            ("other_link", "of the same campaign and UTM, with another link or none"),
            ("other", "of neither kind"),
        ):
            if found[name]["visit_rows"] or found[name]["entries"]:
                rows.append(("", f"{_rows(found[name])} {words}"))
    for day in explanation["neighbouring_days"] or ():
        parts = []
        if day["shared_sessions"]:
            shared, seen = (
                format_count(day["shared_sessions"], "session"),
                format_count(day["visit_rows_of_same_sessions"], "row"),
            )
            parts.append(f"{shared} of this group also there ({seen}), counted on that day, too")
        if day["visit_rows_within_an_hour"] or day["entries_within_an_hour"]:
            near = {"visit_rows": day["visit_rows_within_an_hour"], "entries": day["entries_within_an_hour"]}
            parts.append(f"{_rows(near)} of the same key within an hour of midnight, counted there")
        if day["entries_completed_on_the_day"]:
            parts.append(f"{day['entries_completed_on_the_day']:,} completed on this day, but created there")
        if parts:
            rows.append((f"on {day['day']}", "; ".join(parts)))
    return rows


def _format_discrepancy(found: Answer) -> str:
    message = f"stored {_numbers(found, 'stored_')}, should have been {_numbers(found, 'true_')}; "
    return message + (
        f"repaired {_time(found['repaired_at'])} by {found['repaired_by']}" if found["repaired_at"] else "open"
    )


def _numbers(found: Answer, prefix: str = "") -> str:
    visits, conversions = found[f"{prefix}visits"], found[f"{prefix}conversions"]
    if visits is None:
        return "no row"
    return f"{format_count(visits, 'visit')}, {format_count(conversions, 'conversion')}"


def _rows(found: Answer) -> str:
    entries = f"{found['entries']:,} {'entry' if found['entries'] == 1 else 'entries'}"
    return f"{format_count(found['visit_rows'], 'visit row')}, {entries}"


def _different(groups: int) -> str:
    return (
        "every group equals the facts" if groups == 0 else f"{format_count(groups, 'group')} different from the facts"
    )


def _row(name: str, value: str) -> str:
    return f"  {name:<{WIDTH}}{value}" if len(name) < WIDTH else f"  {name}  {value}"


def _without_partition(day: str, first_day: date, today: date) -> str:
    if date.fromisoformat(day) < first_day:
        return f", and will not be: the first day is {first_day} (EVENTFLOW_START_DATE)"
    return (
        f"; today is {today}, and its facts are counted when the day comes" if date.fromisoformat(day) > today else ""
    )


def _time(instant: str) -> str:
    day, _, time = instant.partition("T")
    return f"{day} {time[:8]}Z"
