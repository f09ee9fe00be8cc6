"""A history of the facts, written by triggers: the transaction that added each version, and the one that ended it.

From it every client-day of the rollup can be counted again as of the snapshot in its ledger row, also after the facts
have changed. It uses no view, query or function of the engine.
"""

from datetime import date
from uuid import UUID

import psycopg

CREATE = """
CREATE SCHEMA fact_history;
CREATE TABLE fact_history.facts (
    fact_id uuid NOT NULL,
    client_id uuid NOT NULL,
    bucket_date date NOT NULL,
    campaign_id uuid NOT NULL,
    utm_source text,
    session_id text,
    added_by xid8 NOT NULL,
    ended_by xid8
);
CREATE INDEX ON fact_history.facts (fact_id);
CREATE FUNCTION fact_history.record() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        UPDATE fact_history.facts SET ended_by = pg_current_xact_id()
        WHERE ended_by IS NULL AND fact_id IN (SELECT id FROM old_rows);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO fact_history.facts
        SELECT
            f.id, c.client_id,
            CAST(CAST(coalesce(r ->> 'accessed_at', r ->> 'created_at') AS timestamptz) AT TIME ZONE 'UTC' AS date),
            f.campaign_id, f.utm_source, r ->> 'session_id', pg_current_xact_id()
        FROM new_rows AS f JOIN public.event_survey_campaigns AS c ON c.id = f.campaign_id, to_jsonb(f) AS r;
    END IF;
    RETURN NULL;
END
$$;
"""
WATCH = """
CREATE TRIGGER fact_history_insert AFTER INSERT ON {table}
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION fact_history.record();
CREATE TRIGGER fact_history_update AFTER UPDATE ON {table}
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION fact_history.record();
CREATE TRIGGER fact_history_delete AFTER DELETE ON {table}
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION fact_history.record();
"""

UNEQUAL_CLIENT_DAYS = """
WITH facts AS MATERIALIZED (
    SELECT f.*
    FROM fact_history.facts AS f
    LEFT JOIN eventflow_stats.client_days AS s USING (client_id, bucket_date)
    CROSS JOIN LATERAL (
        SELECT CASE WHEN %(as_of)s = 'now' THEN pg_current_snapshot() ELSE s.computed_snapshot END AS snapshot
    ) AS seen
    WHERE pg_visible_in_snapshot(f.added_by, seen.snapshot)
        AND pg_visible_in_snapshot(f.ended_by, seen.snapshot) IS NOT TRUE
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
    """Create the triggers that record every added, changed and deleted fact. Call it while there are no facts."""
    connection.execute(CREATE)
    for table in ("public.event_access_logs", "public.event_survey_entries"):
        connection.execute(WATCH.replace("{table}", table).encode())


def client_days_unlike_their_snapshot(connection: psycopg.Connection) -> set[ClientDay]:
    """Return the client-days whose rows or numbers of facts differ from those of the snapshot in their ledger row."""
    return set(connection.execute(UNEQUAL_CLIENT_DAYS, {"as_of": "computed"}).fetchall())


def client_days_unlike_the_facts(connection: psycopg.Connection) -> set[ClientDay]:
    """Return the client-days whose rows or numbers of facts differ from the present facts."""
    return set(connection.execute(UNEQUAL_CLIENT_DAYS, {"as_of": "now"}).fetchall())
