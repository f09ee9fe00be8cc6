-- marketing_summary: the totals of a client's range, and how they break down.

GRANT CREATE ON SCHEMA eventflow_stats TO eventflow_stats_reader;
SET ROLE eventflow_stats_reader;

-- The totals of a client's range, and their breakdown. Every list adds up to both totals, with its null entries.
-- untracked: neither a link nor any UTM value. Source null can therefore be in the list twice.
CREATE OR REPLACE FUNCTION eventflow_stats.read_summary(client uuid, asked_from date, asked_to date)
    RETURNS json
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    asked record;
    answer json;
BEGIN
    SELECT * INTO asked FROM eventflow_stats.open_reading(client, asked_from, asked_to);
    WITH groups AS (
        SELECT
            link_id, utm_source, utm_medium, utm_campaign,
            CAST(sum(visits) AS bigint) AS visits, CAST(sum(conversions) AS bigint) AS conversions
        FROM eventflow_stats.client_groups(client, asked.first_day, asked.last_day, asked.raw_days)
        GROUP BY link_id, utm_source, utm_medium, utm_campaign
    ), labelled AS MATERIALIZED (
        SELECT
            g.link_id, link.name AS link_name,
            coalesce(g.utm_source, link.utm_source) AS source,
            coalesce(g.utm_medium, link.utm_medium) AS medium,
            coalesce(g.utm_campaign, link.utm_campaign) AS campaign,
            g.link_id IS NULL AND coalesce(g.utm_source, g.utm_medium, g.utm_campaign) IS NULL AS untracked,
            g.visits, g.conversions
        FROM groups AS g
        LEFT JOIN eventflow_stats.link_details AS link ON link.link_id = g.link_id AND link.client_id = client
    ), totals AS MATERIALIZED (
        SELECT
            CAST(coalesce(sum(conversions), 0) AS bigint) AS conversions,
            CAST(coalesce(sum(visits), 0) AS bigint) AS visits,
            CAST(coalesce(sum(conversions) FILTER (WHERE untracked), 0) AS bigint) AS untracked
        FROM labelled
    ), combos AS MATERIALIZED (
        SELECT
            source, medium, campaign, untracked,
            CAST(sum(conversions) AS bigint) AS conversions, CAST(sum(visits) AS bigint) AS visits
        FROM labelled
        GROUP BY source, medium, campaign, untracked
    )
    SELECT json_build_object(
        'total_conversions', totals.conversions,
        'total_visits', totals.visits,
        'avg_cvr', eventflow_stats.rate(totals.conversions, totals.visits),
        'active_links', (
            SELECT count(*) FROM eventflow_stats.link_details AS link
            WHERE link.client_id = client AND link.status = 'active'
        ),
        'conversions_by_source', (
            SELECT coalesce(json_agg(
                json_build_object('source', source, 'count', conversions, 'visits', visits, 'is_untracked', untracked)
                ORDER BY conversions DESC, source COLLATE "C" NULLS LAST, untracked
            ), '[]')
            FROM (
                SELECT source, untracked, sum(conversions) AS conversions, sum(visits) AS visits
                FROM combos GROUP BY source, untracked
            ) AS listed
        ),
        'conversions_by_medium', (
            SELECT coalesce(json_agg(
                json_build_object('medium', medium, 'count', conversions, 'visits', visits)
                ORDER BY conversions DESC, medium COLLATE "C" NULLS LAST
            ), '[]')
            FROM (
                SELECT medium, sum(conversions) AS conversions, sum(visits) AS visits FROM combos GROUP BY medium
            ) AS listed
        ),
        'conversions_by_campaign', (
            SELECT coalesce(json_agg(
                json_build_object('campaign', campaign, 'count', conversions, 'visits', visits)
                ORDER BY conversions DESC, campaign COLLATE "C" NULLS LAST
            ), '[]')
            FROM (
                SELECT campaign, sum(conversions) AS conversions, sum(visits) AS visits FROM combos GROUP BY campaign
            ) AS listed
        ),
        'conversions_by_combo', (
            SELECT coalesce(json_agg(
                json_build_object(
                    'source', source, 'medium', medium, 'campaign', campaign, 'count', conversions, 'visits', visits,
                    'cvr', eventflow_stats.rate(conversions, visits)
                )
                ORDER BY conversions DESC, source COLLATE "C" NULLS LAST, medium COLLATE "C" NULLS LAST,
                    campaign COLLATE "C" NULLS LAST
            ), '[]')
            FROM (
                SELECT
                    source, medium, campaign,
                    CAST(sum(conversions) AS bigint) AS conversions, CAST(sum(visits) AS bigint) AS visits
                FROM combos GROUP BY source, medium, campaign
            ) AS listed
        ),
        'conversions_by_link', (
            SELECT coalesce(json_agg(
                json_build_object(
                    'link_id', link_id, 'link_name', link_name, 'count', conversions, 'visits', visits,
                    'cvr', eventflow_stats.rate(conversions, visits)
                )
                ORDER BY conversions DESC, link_name COLLATE "C" NULLS LAST, link_id NULLS LAST
            ), '[]')
            FROM (
                SELECT
                    link_id, link_name,
                    CAST(sum(conversions) AS bigint) AS conversions, CAST(sum(visits) AS bigint) AS visits
                FROM labelled GROUP BY link_id, link_name
            ) AS listed
        ),
        'tracking_metadata', json_build_object(
            'tracked_count', totals.conversions - totals.untracked,
            'untracked_count', totals.untracked,
            'tracking_success_rate', CASE
                WHEN totals.conversions > 0
                    THEN round((totals.conversions - totals.untracked) * 100::numeric / totals.conversions, 1)
                ELSE 0.0
            END || '%'
        ),
        'date_range', json_build_object('from', asked.first_day, 'to', asked.last_day),
        '_source', asked.source,
        '_coverage', asked.coverage,
        '_freshness', asked.freshness
    )
    INTO answer
    FROM totals;
    RETURN eventflow_stats.with_sealed_and_adjusted(
        answer, eventflow_stats.sealed_days_in_range(asked.first_day, asked.last_day), asked.adjusted
    );
END
$$;

REVOKE ALL ON FUNCTION eventflow_stats.read_summary FROM PUBLIC;
GRANT EXECUTE ON FUNCTION eventflow_stats.read_summary
    TO authenticated, service_role;

RESET ROLE;
REVOKE CREATE ON SCHEMA eventflow_stats FROM eventflow_stats_reader;
