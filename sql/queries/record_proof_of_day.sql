-- Writes the result of proving a whole day to the ledger.
-- Parameters: bucket_date date; proof_result text; wrong_groups, stale_scopes, unresolved_facts bigint; assumptions
-- text[], the names of those that were checked in this transaction and hold.
INSERT INTO eventflow_stats.days AS d (
    bucket_date, proved_at, whole_proved_at, proof_result, wrong_groups, stale_scopes, unresolved_facts, assumptions
)
VALUES (:bucket_date, now(), now(), :proof_result, :wrong_groups, :stale_scopes, :unresolved_facts, :assumptions)
ON CONFLICT (bucket_date) DO UPDATE SET
    proved_at = excluded.proved_at,
    whole_proved_at = excluded.whole_proved_at,
    proof_result = excluded.proof_result,
    wrong_groups = excluded.wrong_groups,
    stale_scopes = excluded.stale_scopes,
    unresolved_facts = excluded.unresolved_facts,
    assumptions = excluded.assumptions
