-- Reverts a manual adjustment, or refuses (PT400, PT409). Parameters: adjustment_id bigint; author, reason text.
SELECT adjustment_id FROM eventflow_stats.revert_adjustment(:adjustment_id, :author, :reason)
