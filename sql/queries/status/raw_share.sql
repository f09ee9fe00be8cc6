-- How many answers the read API gave, and how many of them were measured from facts, in one row.
-- Parameters: since timestamptz; minutes that began before it are left out.
SELECT
    CAST(coalesce(sum(answers), 0) AS bigint) AS answers,
    CAST(coalesce(sum(answers) FILTER (WHERE source = 'raw'), 0) AS bigint) AS raw
FROM eventflow_stats.answers
WHERE minute >= CAST(:since AS timestamptz)
