-- Measures the data quality of one day from its facts, by client: the definition of every count of data quality.
-- Parameters: window_start, window_end timestamptz; clients uuid[] or NULL for all.
-- Result: fills measured_quality. Facts without a client are left out; days.unresolved_facts counts them.
-- Two levels of GROUP BY and integers, as in measure_groups.
INSERT INTO pg_temp.measured_quality
SELECT
    client_id,
    sum(visit_facts),
    count(session_key),
    sum(sessionless),
    sum(entries),
    sum(linked),
    sum(visit_utm),
    sum(entry_utm),
    sum(visit_link),
    sum(entry_link),
    sum(tracked),
    sum(unknown)
FROM (
    SELECT
        client_id,
        session_key,
        CAST(count(*) AS integer) AS visit_facts,
        CAST(count(*) FILTER (WHERE NOT has_session) AS integer) AS sessionless,
        0 AS entries,
        0 AS linked,
        CAST(count(*) FILTER (WHERE has_utm) AS integer) AS visit_utm,
        0 AS entry_utm,
        CAST(count(*) FILTER (WHERE has_link) AS integer) AS visit_link,
        0 AS entry_link,
        0 AS tracked,
        CAST(count(*) FILTER (WHERE NOT has_utm AND NOT has_link) AS integer) AS unknown
    FROM (
        SELECT
            client_id, session_key, has_session, event_at, link_id IS NOT NULL AS has_link,
            coalesce(utm_source, utm_medium, utm_campaign) IS NOT NULL AS has_utm
        FROM eventflow_stats.visit_attribution
    ) AS visits
    WHERE event_at >= :window_start AND event_at < :window_end
        AND (CAST(:clients AS uuid[]) IS NULL OR client_id = ANY (CAST(:clients AS uuid[])))
    GROUP BY client_id, session_key
    UNION ALL
    SELECT
        client_id,
        NULL,
        0,
        0,
        CAST(count(*) AS integer),
        CAST(count(*) FILTER (WHERE is_linked) AS integer),
        0,
        CAST(count(*) FILTER (WHERE has_utm) AS integer),
        0,
        CAST(count(*) FILTER (WHERE has_link) AS integer),
        CAST(count(*) FILTER (WHERE has_utm OR has_link) AS integer),
        CAST(count(*) FILTER (WHERE NOT has_utm AND NOT has_link) AS integer)
    FROM (
        SELECT
            client_id, is_linked, event_at, link_id IS NOT NULL AS has_link,
            coalesce(utm_source, utm_medium, utm_campaign) IS NOT NULL AS has_utm
        FROM eventflow_stats.conversion_attribution
    ) AS conversions
    WHERE event_at >= :window_start AND event_at < :window_end
        AND (CAST(:clients AS uuid[]) IS NULL OR client_id = ANY (CAST(:clients AS uuid[])))
    GROUP BY client_id
) AS facts
WHERE client_id IS NOT NULL
GROUP BY client_id
