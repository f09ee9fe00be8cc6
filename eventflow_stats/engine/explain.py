"""Explain how the number of one group is counted from the facts."""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any
from uuid import UUID

from eventflow_stats.engine.assumptions.assumptions import check_assumptions, lock_facts
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query

ABSENT = ("none", "__null__")


@dataclass(frozen=True)
class AskedGroup:
    """A group, or several, of a day; None means any value of the dimension.

    ``none`` and ``__null__`` mean that the dimension is absent. Text between double quotes is taken as it is:
    ``"none"`` is a source of that name. ``link`` may also be a link's name.
    """

    campaign: str | None = None
    link: str | None = None
    source: str | None = None
    medium: str | None = None
    utm_campaign: str | None = None


def explain(database: Database, client_id: UUID, day: date, asked: AskedGroup) -> dict[str, Any]:
    """Explain the group that matches; list the groups if several match, the nearest ones if none does.

    Changes nothing. The result has the shape of the read API's ``Explanation``: ids, names of campaigns and links, and
    counts, but no personal data. Instants are ISO 8601 in UTC, days are in the bucket time zone.

    Raises:
        Unverifiable: facts may be hidden, so no number can be explained.
        Refused: no connection or not migrated.
        Failed: a timeout.
    """
    with database.session() as connection:
        lock_facts(connection)
        check_assumptions(connection)
        answer: dict[str, Any] = connection.execute(
            query("explain/explain_day"), {"client": client_id, "bucket_date": day, **asdict(asked)}
        ).scalar_one()
    return answer


def quote_dimension(value: str | None) -> str:
    """Write a dimension so that exactly this value is meant."""
    if value is None:
        return ABSENT[0]
    quoted = value in ABSENT or (len(value) >= 2 and value.startswith('"') and value.endswith('"'))
    return f'"{value}"' if quoted else value


def parse_dimension(asked: str | None) -> str | None:
    """Read a dimension that ``quote_dimension`` or a person wrote; an empty one is absent."""
    if not asked or asked in ABSENT:
        return None
    quoted = len(asked) >= 2 and asked.startswith('"') and asked.endswith('"')
    return asked[1:-1] if quoted else asked
