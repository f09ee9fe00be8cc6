-- How many days of a range have their data quality computed. Parameters: first_day, last_day date, both included.
SELECT count(*) FROM eventflow_stats.quality_days WHERE bucket_date BETWEEN :first_day AND :last_day
