"""Totals of the rollup for reports: by day, by source, by link."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING
from uuid import UUID

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query

if TYPE_CHECKING:
    from pandas import DataFrame


def totals(database: Database, first: date, last: date, clients: Sequence[UUID] | None = None) -> DataFrame:
    """Totals from first to last day, both included, as columns part, label, visits, conversions, cvr.

    ``part`` is ``day``, ``source``, ``link`` or ``all`` (one row); ``label`` is ``__null__`` for an absent
    dimension. Visits are sums of group values: a session seen on two days, or in two groups, counts
    once in each. ``cvr`` is conversions per 100 visits, 0 without visits. Days ascend, the others are
    ordered by visits, then label.

    Raises:
        Refused: no connection or not migrated.
    """
    # The import takes half a second, and only a report needs it.
    import pandas as pd

    asked = {"first_day": first, "last_day": last, "clients": None if clients is None else list(clients)}
    with database.session() as connection:
        frame = pd.DataFrame(
            connection.execute(query("report/totals"), asked).mappings().all(),
            columns=["part", "label", "visits", "conversions"],
        )
    frame["label"] = frame["label"].where(frame["label"].notna(), "__null__")
    frame["cvr"] = (100 * frame["conversions"] / frame["visits"].where(frame["visits"] > 0)).round(2).fillna(0.0)
    ordered = [
        frame[frame["part"] == "day"].sort_values("label"),
        *(
            frame[frame["part"] == part].sort_values(["visits", "label"], ascending=[False, True])
            for part in ("source", "link", "all")
        ),
    ]
    return pd.concat(ordered, ignore_index=True)
