-- Waits to be the one writer of the ledger of adjustments, until the transaction ends.
SELECT eventflow_stats.lock_adjustments()
