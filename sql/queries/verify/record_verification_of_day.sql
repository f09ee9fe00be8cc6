-- Records the result of verifying a whole day.
-- Parameters: bucket_date date; verification_result text; wrong_groups, stale_client_days, unresolved_facts bigint;
-- assumptions text[], the names of those that were checked in this transaction and hold.
INSERT INTO eventflow_stats.days AS d (
    bucket_date, verified_at, whole_verified_at, verification_result, wrong_groups, stale_client_days, unresolved_facts, assumptions
)
VALUES (:bucket_date, now(), now(), :verification_result, :wrong_groups, :stale_client_days, :unresolved_facts, :assumptions)
ON CONFLICT (bucket_date) DO UPDATE SET
    verified_at = excluded.verified_at,
    whole_verified_at = excluded.whole_verified_at,
    verification_result = excluded.verification_result,
    wrong_groups = excluded.wrong_groups,
    stale_client_days = excluded.stale_client_days,
    unresolved_facts = excluded.unresolved_facts,
    assumptions = excluded.assumptions
