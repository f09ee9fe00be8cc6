-- How the number of a group came about; the day's groups where several match or none.
-- Parameters: client uuid; bucket_date date; campaign, link, source, medium, utm_campaign text or NULL for any, written
-- as in sql/functions/09_explain.sql. Result: one json, of the shape that the read API documents as Explanation.
SELECT eventflow_stats.explain_day(
    CAST(:client AS uuid), CAST(:bucket_date AS date), CAST(:campaign AS text), CAST(:link AS text),
    CAST(:source AS text), CAST(:medium AS text), CAST(:utm_campaign AS text)
)
