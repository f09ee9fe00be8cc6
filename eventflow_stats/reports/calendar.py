"""The calendar of coverage and proof: what is known of each client in each period, worst clients first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from eventflow_stats.reports.periods import Periods
from eventflow_stats.words import counted

STATES = {
    "unverifiable": "Facts of the day may be hidden, lost or doubled: nobody can tell whether its numbers are right.",
    "wrong": "A group of it differs although its facts did not move; not repaired yet. Or it is sealed and was edited.",
    "held": "Too many facts of the day disappeared: its numbers stay, and a person has to decide.",
    "stale": "Its facts moved since it was computed; due for a refresh.",
    "never computed": "Nobody computed it, so the rollup cannot answer for it.",
    "not proved": "Computed, and not compared with the facts since.",
    "proved": "Compared with the facts since it was computed: equal.",
    "sealed": "Compared with the facts for the last time, and left as it is since; its facts may be gone.",
    "no facts": "It has none.",
}
"""What may be known of a client's day, worst first."""
CLIENTS_SHOWN = 30


@dataclass(frozen=True)
class Cell:
    """One client in one period, by its worst state; ``told`` counts its days by state."""

    state: str
    told: str


@dataclass(frozen=True)
class Row:
    client: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Calendar:
    """``rows`` of the clients shown, one of all others; ``in_all`` counts clients' days by period and state."""

    spans: Sequence[tuple[date, date]]
    rows: Sequence[Row]
    others: Row | None
    clients: int
    in_all: pd.DataFrame


def make_calendar(
    states: Sequence[Any], days: pd.DataFrame, periods: Periods, named: Sequence[tuple[str, str]] = ()
) -> Calendar:
    """The calendar of what ``report_states`` found; ``days`` as ``report_days`` gives them. ``named`` clients (id and
    what they were called by) stand in it also where the ledger knows nothing of them."""
    starts = periods.starts()
    counts = pd.DataFrame(states, columns=["client_id", "client_name", "period", "state", "scopes", "uncovered"])
    names = {str(row.client_id): str(row.client_name or row.client_id) for row in counts.itertuples()}
    names |= {client: called for client, called in named if client not in names}
    counts["client_id"] = counts["client_id"].astype(str)
    index = pd.MultiIndex.from_product([list(names), starts], names=["client_id", "period"])
    table = (
        counts.pivot_table(
            index=["client_id", "period"], columns="state", values="scopes", aggfunc="sum", fill_value=0
        ).reindex(index=index, columns=list(STATES), fill_value=0)
        if len(counts)
        else pd.DataFrame(0, index=index, columns=list(STATES))
    )
    # What the ledger has no entry for: on an unverifiable day, unverifiable like all of it; on another day that was
    # computed whole, no facts; elsewhere, nobody knows.
    sizes = _by_period(days, periods)
    known = table.sum(axis=1)
    elsewhere = (
        counts[counts["state"] != "unverifiable"]
        .groupby(["client_id", "period"])["uncovered"]
        .sum()
        .reindex(index, fill_value=0)
    )
    sizes = sizes.reindex(index.get_level_values("period")).set_axis(index)
    unverifiable = sizes["unverifiable"] - table["unverifiable"]
    unknown = sizes["uncovered"] - elsewhere
    table["unverifiable"] += unverifiable
    table["never computed"] += unknown
    table["no facts"] += sizes["days"] - known - unverifiable - unknown
    worst = table.groupby(level="client_id").sum()
    worst["name"] = pd.Series(names)
    order = list(worst.sort_values([*STATES, "name"], ascending=[False] * len(STATES) + [True]).index)
    shown, rest = order[:CLIENTS_SHOWN], order[CLIENTS_SHOWN:]
    others = table[table.index.isin(rest, level="client_id")].groupby(level="period").sum() if rest else None
    return Calendar(
        spans=list(periods.spans()),
        rows=[Row(names[client], _cells(table.loc[client])) for client in shown],
        others=None if others is None else Row(f"{counted(len(rest), 'other client')}", _cells(others)),
        clients=len(names),
        in_all=table.groupby(level="period").sum().reindex(starts, fill_value=0),
    )


def _by_period(days: pd.DataFrame, periods: Periods) -> pd.DataFrame:
    starts = pd.Series(periods.starts())
    place = pd.to_datetime(starts).searchsorted(pd.to_datetime(days["day"]), side="right") - 1
    unverifiable = days["unverifiable"].astype(bool)
    grouped = days.assign(
        period=starts.iloc[place].to_numpy(),
        unverifiable=unverifiable,
        uncovered=~days["covered"].astype(bool) & ~unverifiable,
    )
    return grouped.groupby("period").agg(
        days=("day", "size"), unverifiable=("unverifiable", "sum"), uncovered=("uncovered", "sum")
    )


def _cells(by_period: pd.DataFrame) -> list[Cell]:
    found = []
    for row in by_period.to_dict("records"):
        present = {state: int(row[state]) for state in STATES if row[state]}
        found.append(Cell(next(iter(present), "no facts"), ", ".join(f"{n:,} {state}" for state, n in present.items())))
    return found
