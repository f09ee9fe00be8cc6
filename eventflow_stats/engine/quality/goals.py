"""The product's goals of data quality, and which clients miss them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.settings import Settings

LEAST_FACTS = 50
"""Clients' days with fewer facts (or entries, for rates of entries) are not checked: of 50, chance alone moves a rate by
7 points."""


@dataclass(frozen=True)
class GoalResult:
    """One client's day by one goal: ``part`` of ``whole`` facts are ``rate`` percent; ``missed``: not as the goal wants
    it. ``judged`` and ``missing_days_to_compute`` speak of all clients' days that were judged by this goal."""

    goal: str
    client_id: UUID
    client_name: str
    bucket_date: date
    part: int
    whole: int
    rate: Decimal
    missed: bool
    checked: int
    missing_days_to_compute: int


def goals_of(settings: Settings) -> Mapping[str, Any]:
    """The goals as the queries take them: four rates in percent, and the fewest facts that say anything."""
    return {
        "min_linkage_rate": settings.min_linkage_rate,
        "min_utm_fill_rate": settings.min_utm_fill_rate,
        "max_unknown_rate": settings.max_unknown_rate,
        "min_tracking_success_rate": settings.min_tracking_success_rate,
        "min_facts": LEAST_FACTS,
    }


def goal_results(database: Database, days: Sequence[date], most: int) -> list[GoalResult]:
    """Clients' days by each goal, those that miss it first, at most so many of each goal; a day with too few facts
    is in none.

    Raises:
        Refused: no connection or not migrated.
    """
    asked = {**goals_of(database.settings), "days": list(days), "most": most}
    with database.session() as connection:
        return [GoalResult(**row) for row in connection.execute(query("quality/goal_results"), asked).mappings()]
