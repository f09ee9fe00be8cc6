-- The first day that the ledger or the rollup knows anything of; NULL if nothing is known.
SELECT least(
    (SELECT min(bucket_date) FROM eventflow_stats.client_days),
    (SELECT min(bucket_date) FROM eventflow_stats.days),
    (SELECT min(bucket_date) FROM public.marketing_stats_daily)
)
