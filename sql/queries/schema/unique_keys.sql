-- The columns of each unique index on the product's dimension tables. An index limited to rows whose key is not NULL
-- counts too: a join by equality never meets the other rows. Parameters: tables text[].
SELECT
    c.relname AS table_name,
    (
        SELECT array_agg(CAST(a.attname AS text))
        FROM pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum = ANY (CAST(i.indkey AS smallint[]))
    ) AS columns
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indrelid
WHERE c.relnamespace = 'public'::regnamespace
    AND c.relname = ANY (CAST(:tables AS text[]))
    AND i.indisunique AND i.indisvalid AND i.indexprs IS NULL
    AND (
        i.indpred IS NULL
        OR EXISTS (
            SELECT FROM pg_attribute AS a
            WHERE a.attrelid = c.oid AND a.attnum = ANY (CAST(i.indkey AS smallint[]))
                AND pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', a.attname)
        )
    )
