"""Adds new facts to a day that is computed already, and sets the time of the last detection."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from eventflow_stats.engine.postgres.database import Database

# Each new visit is a new session in a group that the day has. The clients take turns.
_ADD = """
INSERT INTO public.event_access_logs (
    campaign_id, session_id, utm_source, utm_medium, utm_campaign, marketing_campaign_link_id, accessed_at, created_at
)
SELECT
    campaign_id, 'new ' || gen_random_uuid(), utm_source, utm_medium, utm_campaign, marketing_campaign_link_id,
    CAST(:ingested_at AS timestamptz) - interval '1 second', :ingested_at
FROM generate_series(0, CAST(:count AS bigint) - 1) AS i
JOIN (
    SELECT
        *, row_number() OVER (PARTITION BY client_id ORDER BY id) - 1 AS place,
        count(*) OVER (PARTITION BY client_id) AS places
    FROM public.marketing_stats_daily
    WHERE bucket_date = :day AND campaign_id IS NOT NULL AND client_id = ANY (CAST(:clients AS uuid[]))
) AS g ON g.client_id = (CAST(:clients AS uuid[]))[1 + i % :turns] AND g.place = i / :turns % g.places
"""


def clients_of(database: Database) -> list[UUID]:
    """Return every client, the one with most facts first."""
    with database.login_session() as connection:
        return list(connection.scalars(text("SELECT id FROM public.clients ORDER BY length(slug), slug")))


def add_visits(database: Database, day: date, count: int, clients: Sequence[UUID]) -> None:
    """Insert ``count`` visits of the last minute of ``day``, ingested in it, the same number for each client."""
    with database.login_session() as connection:
        added = connection.execute(
            text(_ADD),
            {
                "day": day,
                "count": count,
                "clients": list(clients),
                "turns": len(clients),
                "ingested_at": _end(day) - timedelta(seconds=30),
            },
        )
        if added.rowcount != count:
            raise AssertionError(f"{added.rowcount} of {count} new facts were made: a client has no group")
        connection.commit()


def remove_added_visits(database: Database) -> None:
    """Delete every visit of ``add_visits``, and vacuum the tables."""
    with database.login_session() as connection:
        connection.execute(text("DELETE FROM public.event_access_logs WHERE session_id LIKE 'new %'"))
        connection.commit()
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text("VACUUM ANALYZE public.event_access_logs"))
        connection.execute(text("VACUUM ANALYZE public.marketing_stats_daily"))


def empty_rollup(database: Database) -> None:
    """Empty the rollup and its ledger, as before the first build."""
    with database.login_session() as connection:
        connection.execute(
            text("TRUNCATE public.marketing_stats_daily, eventflow_stats.client_days, eventflow_stats.days")
        )
        connection.commit()


def set_detection_to_end_of(database: Database, day: date) -> None:
    """Set the time of the last detection to the end of ``day``. The next one reads the facts of its last hour again."""
    with database.login_session() as connection:
        connection.execute(text("UPDATE eventflow_stats.progress SET detected_at = :at"), {"at": _end(day)})
        connection.commit()


def _end(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
