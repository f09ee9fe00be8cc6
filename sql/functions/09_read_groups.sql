-- The groups that the read functions answer from, and how they write numbers and instants. Run as
-- eventflow_stats_reader.

GRANT CREATE ON SCHEMA eventflow_stats TO eventflow_stats_reader;
SET ROLE eventflow_stats_reader;

-- Conversions per 100 visits, as the rollup stores it. Manual adjustments can make visits negative.
-- Without SET, as client_groups, so that the planner inlines them.
CREATE OR REPLACE FUNCTION eventflow_stats.rate(conversions bigint, visits bigint) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN visits > 0 THEN round(conversions::numeric / visits * 100, 2) ELSE 0 END;

CREATE OR REPLACE FUNCTION eventflow_stats.instant_text(instant timestamptz) RETURNS text
    LANGUAGE sql STABLE
    RETURN to_char(instant AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');

-- The groups of a client's days, measured from the facts. The counting is a second copy of that in
-- sql/queries/rebuild/measure_groups.sql: change both.
-- Facts are read once for each run of consecutive days. The settings make PostgreSQL plan for this client and these
-- days, and go from the client's campaigns and webinars to their facts by index. A scan, hash or merge of a day reads
-- the facts of every client; the planner takes it for cheap until there are many.
CREATE OR REPLACE FUNCTION eventflow_stats.raw_groups(client uuid, raw_days date[])
    RETURNS TABLE (
        bucket_date date, link_id uuid, utm_source text, utm_medium text, utm_campaign text,
        visits bigint, conversions bigint
    )
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    -- An error where a policy would hide facts: 0 visits would look like an answer.
    SET row_security = off
    SET plan_cache_mode = force_custom_plan
    SET enable_seqscan = off
    SET enable_hashjoin = off
    SET enable_mergejoin = off
    SET jit = off
    AS $$
#variable_conflict use_column
DECLARE
    neighbours record;
    starts timestamptz[];
BEGIN
    IF cardinality(raw_days) = 0 THEN
        RETURN;
    END IF;
    FOR neighbours IN
        SELECT min(day) AS first_day, max(day) AS last_day
        FROM (SELECT day, day - CAST(row_number() OVER (ORDER BY day) AS integer) AS run FROM unnest(raw_days) AS day) AS d
        GROUP BY run
        ORDER BY run
    LOOP
        -- By the starts of days, as in the rollup. Where a clock is set back over midnight, an instant's local date
        -- differs.
        starts := ARRAY(
            SELECT eventflow_stats.day_start(neighbours.first_day + n)
            FROM generate_series(0, neighbours.last_day - neighbours.first_day + 1) AS n
            ORDER BY n
        );
        RETURN QUERY
        SELECT
            facts.day, facts.link_id, facts.utm_source, facts.utm_medium, facts.utm_campaign,
            count(facts.session_key), CAST(sum(facts.conversions) AS bigint)
        FROM (
            SELECT
                neighbours.first_day - 1 + width_bucket(event_at, starts) AS day,
                campaign_id, link_id, utm_source, utm_medium, utm_campaign, session_key, 0 AS conversions
            FROM eventflow_stats.visit_facts
            WHERE client_id = client AND event_at >= starts[1] AND event_at < starts[cardinality(starts)]
            GROUP BY 1, 2, 3, 4, 5, 6, 7
            UNION ALL
            SELECT
                neighbours.first_day - 1 + width_bucket(event_at, starts),
                campaign_id, link_id, utm_source, utm_medium, utm_campaign, NULL, CAST(count(*) AS integer)
            FROM eventflow_stats.conversion_facts
            WHERE client_id = client AND event_at >= starts[1] AND event_at < starts[cardinality(starts)]
            GROUP BY 1, 2, 3, 4, 5, 6
        ) AS facts
        GROUP BY facts.day, facts.campaign_id, facts.link_id, facts.utm_source, facts.utm_medium, facts.utm_campaign;
    END LOOP;
END
$$;

-- The groups of a client's range, with manual adjustments: from the rollup, and for raw_days measured from facts.
CREATE OR REPLACE FUNCTION eventflow_stats.client_groups(client uuid, first_day date, last_day date, raw_days date[])
    RETURNS TABLE (
        bucket_date date, link_id uuid, utm_source text, utm_medium text, utm_campaign text,
        visits bigint, conversions bigint
    )
    LANGUAGE sql STABLE
    AS $$
    SELECT
        m.bucket_date, m.marketing_campaign_link_id, m.utm_source, m.utm_medium, m.utm_campaign, m.visits, m.conversions
    FROM public.marketing_stats_daily AS m
    WHERE m.client_id = client AND m.bucket_date BETWEEN first_day AND last_day AND m.bucket_date <> ALL (raw_days)
    UNION ALL
    SELECT r.bucket_date, r.link_id, r.utm_source, r.utm_medium, r.utm_campaign, r.visits, r.conversions
    FROM eventflow_stats.raw_groups(client, raw_days) AS r
    UNION ALL
    SELECT
        a.bucket_date, a.marketing_campaign_link_id, eventflow_stats.utm_value(a.utm_source),
        eventflow_stats.utm_value(a.utm_medium), eventflow_stats.utm_value(a.utm_campaign),
        a.visits_delta, a.conversions_delta
    FROM eventflow_stats.adjustments AS a
    WHERE a.client_id = client AND a.bucket_date BETWEEN first_day AND last_day AND a.reverted_at IS NULL
    $$;

REVOKE ALL ON FUNCTION
    eventflow_stats.rate, eventflow_stats.instant_text, eventflow_stats.raw_groups, eventflow_stats.client_groups
    FROM PUBLIC;

RESET ROLE;
REVOKE CREATE ON SCHEMA eventflow_stats FROM eventflow_stats_reader;
