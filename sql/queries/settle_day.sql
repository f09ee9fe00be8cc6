-- Writes to the ledger that a day is proved whole, once every scope of it was proved since it was computed and no
-- group of it is known to be wrong: how a proof of some clients ends what a proof of all had found.
-- Parameters: bucket_date date.
UPDATE eventflow_stats.days AS d
SET proved_at = now(), proof_result = 'proved', wrong_groups = 0, stale_scopes = 0
WHERE d.bucket_date = :bucket_date
    AND d.covered_at IS NOT NULL
    AND d.held_at IS NULL
    AND d.unverifiable_since IS NULL
    AND NOT EXISTS (
        SELECT FROM eventflow_stats.discrepancies AS x
        WHERE x.bucket_date = d.bucket_date AND x.repaired_at IS NULL
    )
    AND NOT EXISTS (
        SELECT FROM eventflow_stats.scopes AS s
        WHERE s.bucket_date = d.bucket_date
            AND (s.dirty_since IS NOT NULL OR s.proved_at IS NULL)
    )
