-- Sets how long the next lock of this transaction is waited for. Parameters: wait text, such as '500ms'.
SELECT set_config('lock_timeout', :wait, true)
