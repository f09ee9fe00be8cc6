-- Which of the named roles the server has. Parameters: roles text[].
SELECT CAST(rolname AS text) FROM pg_roles WHERE rolname = ANY (CAST(:roles AS text[]))
