-- The settings of this session that differ from those that every session of the engine has (engine/postgres/logins.py).
-- Result: a line of text for each.
SELECT pg_catalog.format('setting %s is %s, and should be %s', name, pg_catalog.current_setting(name), wanted)
FROM (
    VALUES
        ('timezone', 'UTC'),
        ('client_encoding', 'UTF8'),
        ('standard_conforming_strings', 'on'),
        ('role', 'eventflow_stats_engine')
) AS needed (name, wanted)
WHERE pg_catalog.current_setting(name) <> wanted
UNION ALL
SELECT pg_catalog.format('setting datestyle is %s, and should begin with ISO', pg_catalog.current_setting('datestyle'))
WHERE pg_catalog.current_setting('datestyle') NOT LIKE 'ISO,%'
