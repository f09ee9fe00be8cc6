-- The held days, oldest first: since when, the facts they had before, and the facts that are left.
SELECT
    bucket_date AS day, held_at, most_visit_facts AS visits_before, most_conversion_facts AS conversions_before,
    held_visit_facts AS visits_left, held_conversion_facts AS conversions_left
FROM eventflow_stats.days
WHERE held_at IS NOT NULL
ORDER BY bucket_date
