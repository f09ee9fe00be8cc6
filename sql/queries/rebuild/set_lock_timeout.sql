-- Limits how long the next lock of this transaction is waited for. Parameters: lock_timeout text, such as '500ms'.
SELECT set_config('lock_timeout', :lock_timeout, true)
