-- For the statements that follow in this transaction: where a policy would hide rows, an error instead.
SELECT set_config('row_security', 'off', true)
