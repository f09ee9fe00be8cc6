-- The given roles that exist on the server. Parameters: roles text[].
SELECT CAST(rolname AS text) FROM pg_roles WHERE rolname = ANY (CAST(:roles AS text[]))
