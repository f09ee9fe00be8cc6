-- How long the next lock of this transaction is waited for. Parameters: patience text, such as '500ms'.
SELECT set_config('lock_timeout', :patience, true)
