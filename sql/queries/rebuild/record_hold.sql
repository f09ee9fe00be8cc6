-- Records whether a day is held, and the most facts it had. Writes only a change.
-- Parameters: bucket_date date; most_visits, most_conversions bigint; held boolean; visits, conversions bigint: the
-- facts that it has now.
INSERT INTO eventflow_stats.days AS d (
    bucket_date, most_visit_facts, most_conversion_facts, held_at, held_visit_facts, held_conversion_facts
)
SELECT
    CAST(:bucket_date AS date), CAST(:most_visits AS bigint), CAST(:most_conversions AS bigint),
    CASE WHEN held.held THEN now() END,
    CASE WHEN held.held THEN CAST(:visits AS bigint) END,
    CASE WHEN held.held THEN CAST(:conversions AS bigint) END
FROM (SELECT CAST(:held AS boolean) AS held) AS held
ON CONFLICT (bucket_date) DO UPDATE SET
    most_visit_facts = excluded.most_visit_facts,
    most_conversion_facts = excluded.most_conversion_facts,
    held_at = CASE WHEN excluded.held_at IS NOT NULL THEN coalesce(d.held_at, excluded.held_at) END,
    held_visit_facts = excluded.held_visit_facts,
    held_conversion_facts = excluded.held_conversion_facts
WHERE (d.most_visit_facts, d.most_conversion_facts, d.held_at IS NULL, d.held_visit_facts, d.held_conversion_facts)
    IS DISTINCT FROM (
        excluded.most_visit_facts, excluded.most_conversion_facts, excluded.held_at IS NULL,
        excluded.held_visit_facts, excluded.held_conversion_facts
    )
