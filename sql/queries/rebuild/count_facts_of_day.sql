-- The facts with a client that one day has now. Parameters: window_start, window_end timestamptz. Result: one row.
SELECT
    (
        SELECT count(*) FROM eventflow_stats.visit_facts
        WHERE event_at >= :window_start AND event_at < :window_end AND client_id IS NOT NULL
    ) AS visits,
    (
        SELECT count(*) FROM eventflow_stats.conversion_facts
        WHERE event_at >= :window_start AND event_at < :window_end AND client_id IS NOT NULL
    ) AS conversions
