"""How one number came about: the engine's own door to what sql/functions/09_explain.sql explains."""

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
    """Which group of a day is meant; None means any.

    ``none`` and ``__null__`` mean that the dimension is absent. What stands between double quotes is taken as it is:
    ``"none"`` is a source of that name. ``link`` may also be a link's name.
    """

    campaign: str | None = None
    link: str | None = None
    source: str | None = None
    medium: str | None = None
    utm_campaign: str | None = None


def explain(database: Database, client_id: UUID, day: date, asked: AskedGroup) -> dict[str, Any]:
    """Explain the group that matches; list the groups where several do, the nearest where none does.

    Changes nothing. The shape of the result is the read API's ``Explanation``: ids, names of campaigns and links, and
    counts, no personal data. Instants are ISO 8601 in UTC, days those of the bucket time zone.

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


def as_asked(value: str | None) -> str:
    """How a dimension is written to ask for exactly it."""
    if value is None:
        return ABSENT[0]
    quoted = value in ABSENT or (len(value) >= 2 and value.startswith('"') and value.endswith('"'))
    return f'"{value}"' if quoted else value


def as_meant(asked: str | None) -> str | None:
    """The dimension that was asked for in that way, the reverse of ``as_asked``; empty or left out, it is absent."""
    if not asked or asked in ABSENT:
        return None
    quoted = len(asked) >= 2 and asked.startswith('"') and asked.endswith('"')
    return asked[1:-1] if quoted else asked
