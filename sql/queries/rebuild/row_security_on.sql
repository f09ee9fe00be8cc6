-- For the rest of this transaction: policies of row-level security hide rows again.
SELECT set_config('row_security', 'on', true)
