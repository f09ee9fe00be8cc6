-- The first day in the ledger or the rollup; NULL if both are empty.
SELECT least(
    (SELECT min(bucket_date) FROM eventflow_stats.client_days),
    (SELECT min(bucket_date) FROM eventflow_stats.days),
    (SELECT min(bucket_date) FROM public.marketing_stats_daily)
)
