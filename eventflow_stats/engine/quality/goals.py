"""The product's goals of data quality, and the client-days that miss them."""

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
"""Client-days with fewer facts (or entries, for rates of entries) are not checked: with 50, chance alone changes a rate
by 7 points."""


@dataclass(frozen=True)
class GoalResult:
    """One client-day compared with one goal: ``part`` of ``whole`` facts are ``rate`` percent; ``missed``: the
    goal is not reached. Of all client-days, ``checked`` were compared with this goal and
    ``missed_client_days`` miss it."""

    goal: str
    client_id: UUID
    client_name: str
    bucket_date: date
    part: int
    whole: int
    rate: Decimal
    missed: bool
    checked: int
    missed_client_days: int


def goals_of(settings: Settings) -> Mapping[str, Any]:
    """The goals as query parameters: four rates in percent, and the fewest facts of a client-day that is checked."""
    return {
        "min_linkage_rate": settings.min_linkage_rate,
        "min_utm_fill_rate": settings.min_utm_fill_rate,
        "max_unknown_rate": settings.max_unknown_rate,
        "min_tracking_success_rate": settings.min_tracking_success_rate,
        "min_facts": LEAST_FACTS,
    }


def goal_results(database: Database, days: Sequence[date], most: int) -> list[GoalResult]:
    """Client-days compared with each goal, those that miss it first, at most ``most`` of each goal. Client-days
    with too few facts are left out.

    Raises:
        Refused: no connection or not migrated.
    """
    asked = {**goals_of(database.settings), "days": list(days), "most": most}
    with database.session() as connection:
        return [GoalResult(**row) for row in connection.execute(query("quality/goal_results"), asked).mappings()]
