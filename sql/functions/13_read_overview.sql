-- marketing_overview: the dashboard of a client in one call.

GRANT CREATE ON SCHEMA eventflow_stats TO eventflow_stats_reader;
SET ROLE eventflow_stats_reader;

-- A block that fails is null and has data source "error"; the other blocks are still answered.
-- (A statement that is cancelled or times out fails as a whole: OTHERS does not catch that.)
CREATE OR REPLACE FUNCTION eventflow_stats.read_overview(client uuid, asked_from date, asked_to date)
    RETURNS json
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    started CONSTANT timestamptz := clock_timestamp();
    asked record;
    conversions bigint;
    visits bigint;
    link_conversions bigint;
    link_visits bigint;
    marketing json;
    webinars json;
    campaigns json;
    links json;
    answer json;
BEGIN
    SELECT * INTO asked FROM eventflow_stats.open_reading(client, asked_from, asked_to);
    BEGIN
        SELECT
            coalesce(sum(g.conversions), 0), coalesce(sum(g.visits), 0),
            coalesce(sum(g.conversions) FILTER (WHERE g.own_link), 0), coalesce(sum(g.visits) FILTER (WHERE g.own_link), 0)
        INTO STRICT conversions, visits, link_conversions, link_visits
        FROM (
            SELECT
                f.conversions, f.visits,
                f.link_id IN (SELECT d.link_id FROM eventflow_stats.link_details AS d WHERE d.client_id = client) AS own_link
            FROM eventflow_stats.client_groups(client, asked.first_day, asked.last_day, asked.raw_days) AS f
        ) AS g;
        marketing := json_build_object(
            'total_conversions', conversions, 'total_visits', visits,
            'avg_cvr', eventflow_stats.rate(conversions, visits), '_source', asked.source
        );
    EXCEPTION WHEN OTHERS THEN
        RAISE LOG 'marketing_overview: marketing failed: % (%)', SQLERRM, SQLSTATE;
    END;
    BEGIN
        webinars := json_build_object(
            'total_webinars', (SELECT count(*) FROM eventflow_stats.client_webinars AS w WHERE w.client_id = client),
            'total_registrants', (
                SELECT count(*)
                FROM eventflow_stats.client_webinars AS w
                JOIN eventflow_stats.webinar_registrations AS r ON r.webinar_id = w.webinar_id
                WHERE w.client_id = client
                    AND r.registered_at >= eventflow_stats.day_start(asked.first_day)
                    AND r.registered_at < eventflow_stats.day_start(asked.last_day + 1)
            ),
            '_source', 'raw'
        );
    EXCEPTION WHEN OTHERS THEN
        RAISE LOG 'marketing_overview: webinars failed: % (%)', SQLERRM, SQLSTATE;
    END;
    IF marketing IS NOT NULL THEN
        BEGIN
            campaigns := json_build_object(
                'total_campaigns', (SELECT count(*) FROM eventflow_stats.client_campaigns AS c WHERE c.client_id = client),
                'total_conversions', conversions,
                '_source', asked.source
            );
        EXCEPTION WHEN OTHERS THEN
            RAISE LOG 'marketing_overview: campaigns failed: % (%)', SQLERRM, SQLSTATE;
        END;
        BEGIN
            SELECT json_build_object(
                'total_links', count(*),
                'active_links', count(*) FILTER (WHERE d.status = 'active'),
                'total_conversions', link_conversions,
                'total_visits', link_visits,
                '_source', asked.source
            )
            INTO STRICT links
            FROM eventflow_stats.link_details AS d
            WHERE d.client_id = client;
        EXCEPTION WHEN OTHERS THEN
            RAISE LOG 'marketing_overview: links failed: % (%)', SQLERRM, SQLSTATE;
        END;
    END IF;
    answer := json_build_object(
        'client_id', client,
        'date_range', json_build_object('from', asked.first_day, 'to', asked.last_day),
        'marketing', marketing,
        'webinars', webinars,
        'campaigns', campaigns,
        'links', links,
        'summary', json_build_object(
            'total_conversions', marketing -> 'total_conversions',
            'total_visits', marketing -> 'total_visits',
            'total_webinars', webinars -> 'total_webinars',
            'total_campaigns', campaigns -> 'total_campaigns',
            'total_links', links -> 'total_links'
        ),
        '_metadata', json_build_object(
            'response_time_ms', round(CAST(extract(epoch FROM clock_timestamp() - started) * 1000 AS numeric), 1),
            'data_sources', json_build_object(
                'marketing', coalesce(marketing ->> '_source', 'error'),
                'webinars', coalesce(webinars ->> '_source', 'error'),
                'campaigns', coalesce(campaigns ->> '_source', 'error'),
                'links', coalesce(links ->> '_source', 'error')
            ),
            'generated_at', eventflow_stats.instant_text(statement_timestamp())
        ),
        '_source', asked.source,
        '_coverage', asked.coverage,
        '_freshness', asked.freshness
    );
    RETURN eventflow_stats.with_sealed_and_adjusted(
        answer, eventflow_stats.sealed_days_in_range(asked.first_day, asked.last_day), asked.adjusted
    );
END
$$;

REVOKE ALL ON FUNCTION eventflow_stats.read_overview FROM PUBLIC;
GRANT EXECUTE ON FUNCTION eventflow_stats.read_overview
    TO authenticated, service_role;

RESET ROLE;
REVOKE CREATE ON SCHEMA eventflow_stats FROM eventflow_stats_reader;
