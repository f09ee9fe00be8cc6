-- For the rest of this transaction: policies filter again.
SELECT set_config('row_security', 'on', true)
