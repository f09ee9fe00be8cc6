-- Waits to be the one writer of the ledger of corrections, until the transaction ends.
SELECT eventflow_stats.lock_adjustments()
