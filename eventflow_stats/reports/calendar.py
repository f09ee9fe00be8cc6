"""The calendar of a report: the state of each client in each period, worst clients first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from eventflow_stats.formatting import format_count
from eventflow_stats.reports.periods import Periods

STATES = {
    "unverifiable": "Facts of the day may be hidden, lost or counted twice, so its numbers cannot be verified.",
    "wrong": "A group differs from unchanged facts and is not repaired yet. Or the day is sealed and was edited.",
    "held": "Too many facts of the day disappeared. Its numbers stay until an operator decides.",
    "stale": "Its facts changed since it was computed. The next refresh recomputes it.",
    "never computed": "The rollup has no numbers of it.",
    "not verified": "Computed, but not compared with the facts since.",
    "verified": "Equal to the facts when they were last compared, after it was computed.",
    "sealed": "Verified for the last time and never recomputed since. Its facts may be gone.",
    "no facts": "The client has no facts on the day.",
}
"""The states of a client-day, worst first, and their meaning."""
CLIENTS_SHOWN = 30


@dataclass(frozen=True)
class Cell:
    """One client in one period: its worst state, and a text with the number of its days by state."""

    state: str
    text: str


@dataclass(frozen=True)
class Row:
    client: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Calendar:
    """``rows`` of the clients shown, and one of all others; ``in_all`` counts client-days by period and state."""

    spans: Sequence[tuple[date, date]]
    rows: Sequence[Row]
    others: Row | None
    clients: int
    in_all: pd.DataFrame


def make_calendar(
    states: Sequence[Any], days: pd.DataFrame, periods: Periods, named: Sequence[tuple[str, str]] = ()
) -> Calendar:
    """Make the calendar.

    Parameters: ``states``: rows of `report/client_day_states.sql`; ``days``: rows of `report/days.sql`; ``named``:
    clients (id and name) that have a row even if the ledger has no entry for them.
    """
    starts = periods.starts()
    counts = pd.DataFrame(states, columns=["client_id", "client_name", "period", "state", "client_days", "missing"])
    names = {str(row.client_id): str(row.client_name or row.client_id) for row in counts.itertuples()}
    names |= {client: name for client, name in named if client not in names}
    counts["client_id"] = counts["client_id"].astype(str)
    index = pd.MultiIndex.from_product([list(names), starts], names=["client_id", "period"])
    table = (
        counts.pivot_table(
            index=["client_id", "period"], columns="state", values="client_days", aggfunc="sum", fill_value=0
        ).reindex(index=index, columns=list(STATES), fill_value=0)
        if len(counts)
        else pd.DataFrame(0, index=index, columns=list(STATES))
    )
    # A client-day without an entry in the ledger is unverifiable on an unverifiable day, has no facts on another day
    # that was computed for all clients, and was never computed on any other day.
    sizes = _by_period(days, periods)
    entries = table.sum(axis=1)
    elsewhere = (
        counts[counts["state"] != "unverifiable"]
        .groupby(["client_id", "period"])["missing"]
        .sum()
        .reindex(index, fill_value=0)
    )
    sizes = sizes.reindex(index.get_level_values("period")).set_axis(index)
    unverifiable = sizes["unverifiable"] - table["unverifiable"]
    missing = sizes["missing"] - elsewhere
    table["unverifiable"] += unverifiable
    table["never computed"] += missing
    table["no facts"] += sizes["days"] - entries - unverifiable - missing
    worst = table.groupby(level="client_id").sum()
    worst["name"] = pd.Series(names)
    order = list(worst.sort_values([*STATES, "name"], ascending=[False] * len(STATES) + [True]).index)
    shown, rest = order[:CLIENTS_SHOWN], order[CLIENTS_SHOWN:]
    others = table[table.index.isin(rest, level="client_id")].groupby(level="period").sum() if rest else None
    return Calendar(
        spans=list(periods.spans()),
        rows=[Row(names[client], _cells(table.loc[client])) for client in shown],
        others=None if others is None else Row(f"{format_count(len(rest), 'other client')}", _cells(others)),
        clients=len(names),
        in_all=table.groupby(level="period").sum().reindex(starts, fill_value=0),
    )


def _by_period(days: pd.DataFrame, periods: Periods) -> pd.DataFrame:
    """How many days each period has, and how many of them are unverifiable or were never computed."""
    unverifiable = days["unverifiable"].astype(bool)
    grouped = periods.with_periods(days, "day").assign(
        unverifiable=unverifiable,
        missing=~days["computed"].astype(bool) & ~unverifiable,
    )
    return grouped.groupby("period").agg(
        days=("day", "size"), unverifiable=("unverifiable", "sum"), missing=("missing", "sum")
    )


def _cells(by_period: pd.DataFrame) -> list[Cell]:
    found = []
    for row in by_period.to_dict("records"):
        present = {state: int(row[state]) for state in STATES if row[state]}
        found.append(Cell(next(iter(present), "no facts"), ", ".join(f"{n:,} {state}" for state, n in present.items())))
    return found
