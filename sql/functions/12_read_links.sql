-- marketing_links and marketing_link_stats: the numbers of all links of a client, and of one link by day.

GRANT CREATE ON SCHEMA eventflow_stats TO eventflow_stats_reader;
SET ROLE eventflow_stats_reader;

-- Every link of a client with its numbers. unlinked is the rest: groups without a link, and those whose link is
-- deleted.
CREATE OR REPLACE FUNCTION eventflow_stats.read_links(client uuid, asked_from date, asked_to date)
    RETURNS json
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    asked record;
    answer json;
BEGIN
    SELECT * INTO asked FROM eventflow_stats.open_reading(client, asked_from, asked_to);
    WITH counted AS (
        SELECT link_id, CAST(sum(visits) AS bigint) AS visits, CAST(sum(conversions) AS bigint) AS conversions
        FROM eventflow_stats.client_groups(client, asked.first_day, asked.last_day, asked.raw_days)
        GROUP BY link_id
    ), listed AS MATERIALIZED (
        SELECT
            link.link_id, link.name, link.all_columns,
            coalesce(c.visits, 0) AS visits, coalesce(c.conversions, 0) AS conversions
        FROM (SELECT * FROM eventflow_stats.link_details AS d WHERE d.client_id = client) AS link
        FULL JOIN counted AS c ON c.link_id = link.link_id
    ), unlinked AS (
        SELECT
            CAST(coalesce(sum(visits), 0) AS bigint) AS visits,
            CAST(coalesce(sum(conversions), 0) AS bigint) AS conversions
        FROM listed
        WHERE link_id IS NULL
    )
    SELECT json_build_object(
        'links', (
            SELECT coalesce(json_agg(
                all_columns || jsonb_build_object(
                    'conversion_count', conversions, 'visits_count', visits,
                    'cvr', eventflow_stats.rate(conversions, visits)
                )
                ORDER BY conversions DESC, name COLLATE "C", link_id
            ), '[]')
            FROM listed
            WHERE link_id IS NOT NULL
        ),
        'unlinked', json_build_object(
            'conversion_count', unlinked.conversions, 'visits_count', unlinked.visits,
            'cvr', eventflow_stats.rate(unlinked.conversions, unlinked.visits)
        ),
        'date_range', json_build_object('from', asked.first_day, 'to', asked.last_day),
        '_source', asked.source,
        '_coverage', asked.coverage,
        '_freshness', asked.freshness
    )
    INTO answer
    FROM unlinked;
    RETURN eventflow_stats.with_sealed_and_adjusted(
        answer, eventflow_stats.sealed_days_in_range(asked.first_day, asked.last_day), asked.adjusted
    );
END
$$;

-- The numbers of one link of a client, in total and for every day of the range, oldest first. _adjusted covers the
-- adjustments of this link alone.
CREATE OR REPLACE FUNCTION eventflow_stats.read_link_stats(client uuid, asked_link uuid, asked_from date, asked_to date)
    RETURNS json
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    asked record;
    link_name text;
    answer json;
BEGIN
    SELECT * INTO asked FROM eventflow_stats.open_reading(client, asked_from, asked_to);
    IF asked_link IS NULL THEN
        RAISE SQLSTATE 'PT400' USING MESSAGE = 'link_id is missing';
    END IF;
    SELECT d.name INTO link_name FROM eventflow_stats.link_details AS d WHERE d.link_id = asked_link AND d.client_id = client;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'PT404' USING MESSAGE = 'not found';
    END IF;
    WITH counted AS (
        SELECT
            g.bucket_date AS day,
            CAST(sum(g.visits) AS bigint) AS visits, CAST(sum(g.conversions) AS bigint) AS conversions
        FROM eventflow_stats.client_groups(client, asked.first_day, asked.last_day, asked.raw_days) AS g
        WHERE g.link_id = asked_link
        GROUP BY g.bucket_date
    ), daily AS MATERIALIZED (
        SELECT
            asked.first_day + n AS day,
            coalesce(c.visits, 0) AS visits, coalesce(c.conversions, 0) AS conversions
        FROM generate_series(0, asked.last_day - asked.first_day) AS n
        LEFT JOIN counted AS c ON c.day = asked.first_day + n
    ), totals AS (
        SELECT CAST(sum(visits) AS bigint) AS visits, CAST(sum(conversions) AS bigint) AS conversions FROM daily
    )
    SELECT json_build_object(
        'link_id', asked_link,
        'link_name', link_name,
        'stats', json_build_object(
            'visits', totals.visits, 'conversions', totals.conversions,
            'cvr', eventflow_stats.rate(totals.conversions, totals.visits)
        ),
        'daily_data', (
            SELECT json_agg(
                json_build_object(
                    'date', day, 'visits', visits, 'conversions', conversions,
                    'cvr', eventflow_stats.rate(conversions, visits)
                )
                ORDER BY day
            )
            FROM daily
        ),
        'date_range', json_build_object('from', asked.first_day, 'to', asked.last_day),
        '_source', asked.source,
        '_coverage', asked.coverage,
        '_freshness', asked.freshness
    )
    INTO answer
    FROM totals;
    IF asked.adjusted IS NOT NULL THEN
        SELECT CASE WHEN count(*) > 0 THEN json_build_object(
            'adjustments', count(*), 'visits_delta', sum(a.visits_delta), 'conversions_delta', sum(a.conversions_delta)
        ) END
        INTO asked.adjusted
        FROM eventflow_stats.adjustments AS a
        WHERE a.client_id = client AND a.bucket_date BETWEEN asked.first_day AND asked.last_day
            AND a.marketing_campaign_link_id = asked_link AND a.reverted_at IS NULL;
    END IF;
    RETURN eventflow_stats.with_sealed_and_adjusted(
        answer, eventflow_stats.sealed_days_in_range(asked.first_day, asked.last_day), asked.adjusted
    );
END
$$;

REVOKE ALL ON FUNCTION
    eventflow_stats.read_links, eventflow_stats.read_link_stats
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION eventflow_stats.read_links, eventflow_stats.read_link_stats
    TO authenticated, service_role;

RESET ROLE;
REVOKE CREATE ON SCHEMA eventflow_stats FROM eventflow_stats_reader;
