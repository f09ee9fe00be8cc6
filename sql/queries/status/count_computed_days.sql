-- The number of days of a range that were computed since an instant: the progress of a backfill.
-- Parameters: first_day, last_day date; since timestamptz; clients uuid[] or NULL for whole days.
SELECT CASE
    WHEN CAST(:clients AS uuid[]) IS NULL THEN (
        SELECT count(*) FROM eventflow_stats.days
        WHERE bucket_date BETWEEN :first_day AND :last_day AND rebuilt_at >= :since
    )
    ELSE (
        SELECT count(DISTINCT bucket_date) FROM eventflow_stats.client_days
        WHERE bucket_date BETWEEN :first_day AND :last_day AND computed_at >= :since
            AND client_id = ANY (CAST(:clients AS uuid[]))
    )
END
