-- Whether the login may work as role authenticated, as the read API does for every request.
-- Result: one row. login text, may boolean.
SELECT
    CAST(current_user AS text) AS login,
    pg_has_role(
        current_user, 'authenticated',
        CASE WHEN CAST(current_setting('server_version_num') AS integer) < 160000 THEN 'MEMBER' ELSE 'SET' END
    ) AS may
