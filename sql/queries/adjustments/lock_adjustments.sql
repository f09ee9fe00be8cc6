-- Waits until this transaction is the only writer of adjustments, and keeps that until it ends.
SELECT eventflow_stats.lock_adjustments()
