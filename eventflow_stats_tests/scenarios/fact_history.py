"""A second memory of the facts, kept by triggers: which transaction brought each version, which ended it.

From it every client-day of the rollup can be counted again as of the very snapshot that its ledger row names, at any
time, however the facts have moved since. Shares nothing with the engine: no view, query or function of it.
"""

from datetime import date
from uuid import UUID

import psycopg

LAY = """
CREATE SCHEMA witness;
CREATE TABLE witness.facts (
    fact_id uuid NOT NULL,
    client_id uuid NOT NULL,
    bucket_date date NOT NULL,
    campaign_id uuid NOT NULL,
    utm_source text,
    session_id text,
    born xid8 NOT NULL,
    died xid8
);
CREATE INDEX ON witness.facts (fact_id);
CREATE FUNCTION witness.remember() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        UPDATE witness.facts SET died = pg_current_xact_id()
        WHERE died IS NULL AND fact_id IN (SELECT id FROM went);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO witness.facts
        SELECT
            f.id, c.client_id,
            CAST(CAST(coalesce(r ->> 'accessed_at', r ->> 'created_at') AS timestamptz) AT TIME ZONE 'UTC' AS date),
            f.campaign_id, f.utm_source, r ->> 'session_id', pg_current_xact_id()
        FROM came AS f JOIN public.event_survey_campaigns AS c ON c.id = f.campaign_id, to_jsonb(f) AS r;
    END IF;
    RETURN NULL;
END
$$;
"""
WATCH = """
CREATE TRIGGER witness_insert AFTER INSERT ON {table}
    REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION witness.remember();
CREATE TRIGGER witness_update AFTER UPDATE ON {table}
    REFERENCING OLD TABLE AS went NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION witness.remember();
CREATE TRIGGER witness_delete AFTER DELETE ON {table}
    REFERENCING OLD TABLE AS went FOR EACH STATEMENT EXECUTE FUNCTION witness.remember();
"""

UNEQUAL_CLIENT_DAYS = """
WITH facts AS MATERIALIZED (
    SELECT f.*
    FROM witness.facts AS f
    LEFT JOIN eventflow_stats.client_days AS s USING (client_id, bucket_date)
    CROSS JOIN LATERAL (
        SELECT CASE WHEN %(as_of)s = 'now' THEN pg_current_snapshot() ELSE s.computed_snapshot END AS snapshot
    ) AS seen
    WHERE pg_visible_in_snapshot(f.born, seen.snapshot)
        AND pg_visible_in_snapshot(f.died, seen.snapshot) IS NOT TRUE
), counted AS (
    SELECT
        client_id, bucket_date, campaign_id, utm_source,
        count(DISTINCT session_id) AS visits, count(*) FILTER (WHERE session_id IS NULL) AS conversions
    FROM facts
    GROUP BY client_id, bucket_date, campaign_id, utm_source
), stored AS (
    SELECT client_id, bucket_date, campaign_id, utm_source, visits, conversions
    FROM public.marketing_stats_daily
), ledger AS (
    SELECT client_id, bucket_date, visit_facts, conversion_facts
    FROM eventflow_stats.client_days
    WHERE computed_at IS NOT NULL AND visit_facts + conversion_facts > 0
), totals AS (
    SELECT client_id, bucket_date, count(session_id), count(*) - count(session_id)
    FROM facts
    GROUP BY client_id, bucket_date
)
SELECT client_id, bucket_date FROM (TABLE counted EXCEPT ALL TABLE stored) AS missing
UNION SELECT client_id, bucket_date FROM (TABLE stored EXCEPT ALL TABLE counted) AS surplus
UNION SELECT client_id, bucket_date FROM (TABLE totals EXCEPT ALL TABLE ledger) AS unrecorded
UNION SELECT client_id, bucket_date FROM (TABLE ledger EXCEPT ALL TABLE totals) AS misrecorded
"""

ClientDay = tuple[UUID, date]


def watch_facts(connection: psycopg.Connection) -> None:
    """From now on every fact's coming, change and going is remembered; call it while there are none."""
    connection.execute(LAY)
    for table in ("public.event_access_logs", "public.event_survey_entries"):
        connection.execute(WATCH.replace("{table}", table).encode())


def client_days_unlike_their_snapshot(connection: psycopg.Connection) -> set[ClientDay]:
    """The client-days whose rows or counted facts are not those of the snapshot in their ledger row."""
    return set(connection.execute(UNEQUAL_CLIENT_DAYS, {"as_of": "computed"}).fetchall())


def client_days_unlike_the_facts(connection: psycopg.Connection) -> set[ClientDay]:
    """The client-days whose rows or counted facts are not those of this moment."""
    return set(connection.execute(UNEQUAL_CLIENT_DAYS, {"as_of": "now"}).fetchall())
