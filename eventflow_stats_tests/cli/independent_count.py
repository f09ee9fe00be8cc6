"""Totals of fact files counted in plain Python, as simply as possible, knowing nothing of the engine."""

import csv
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

Totals = list[tuple[str, str, int, int]]


def count_files(visits: Path, conversions: Path, links: dict[str, str] | None = None) -> Totals:
    """(part, label, visits, conversions), sorted; days in UTC, ``links`` names the client's links by cid."""
    sessions: dict[tuple[str | None, ...], set[str]] = defaultdict(set)
    entries: dict[tuple[str | None, ...], int] = defaultdict(int)
    for number, row in enumerate(_rows(visits)):
        sessions[_group(row, "accessed_at", links or {})].add(row["session_id"] or f"row {number}")
    for row in _rows(conversions):
        entries[_group(row, "created_at", links or {})] += 1
    totals: dict[tuple[str, str | None], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for group in sessions.keys() | entries.keys():
        day, source, link = group[:3]
        for part in (("day", day), ("source", source), ("link", link), ("all", None)):
            before = totals[part]
            totals[part] = (before[0] + len(sessions[group]), before[1] + entries[group])
    return sorted((part, label or "__null__", *counts) for (part, label), counts in totals.items())


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text))


def _group(row: dict[str, str], time: str, links: dict[str, str]) -> tuple[str | None, ...]:
    day = datetime.fromisoformat(row[time]).astimezone(UTC).date().isoformat()
    link = links.get(row.get("cid", "").strip().upper())
    utm = [row[name] or None for name in ("utm_source", "utm_medium", "utm_campaign")]
    return (day, utm[0], link, row["campaign"], *utm[1:])
