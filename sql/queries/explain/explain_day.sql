-- Explains the number of a group; lists the groups of the day where several match, or none.
-- Parameters: client uuid; bucket_date date; campaign, link, source, medium, utm_campaign text or NULL for any, written
-- as sql/functions/17_explain.sql says. Result: one json, which the read API documents as Explanation.
SELECT eventflow_stats.explain_day(
    CAST(:client AS uuid), CAST(:bucket_date AS date), CAST(:campaign AS text), CAST(:link AS text),
    CAST(:source AS text), CAST(:medium AS text), CAST(:utm_campaign AS text)
)
