-- marketing_version: a text that changes whenever an answer may change, so that a reader can keep an answer until then.

GRANT CREATE ON SCHEMA eventflow_stats TO eventflow_stats_reader;
SET ROLE eventflow_stats_reader;

-- A text that changes whenever the answer for the range (or for the link, if one is given) may change, also with
-- another release. NULL where days are measured from facts, because no ledger records changes of facts.
-- computed_through is not in it: it advances while the numbers stay the same.
CREATE OR REPLACE FUNCTION eventflow_stats.read_version(client uuid, asked_link uuid, asked_from date, asked_to date)
    RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    asked record;
BEGIN
    SELECT * INTO asked FROM eventflow_stats.open_reading(client, asked_from, asked_to);
    IF asked_link IS NOT NULL AND NOT EXISTS (
        SELECT FROM eventflow_stats.link_details AS d WHERE d.link_id = asked_link AND d.client_id = client
    ) THEN
        RAISE SQLSTATE 'PT404' USING MESSAGE = 'not found';
    END IF;
    IF cardinality(asked.raw_days) > 0 THEN
        RETURN NULL;
    END IF;
    RETURN md5(concat_ws(
        '|', (SELECT version_num FROM eventflow_stats.schema_version), asked_link, asked.freshness #>> '{unswept_changes,since}',
        asked.freshness ->> 'unverifiable_since',
        asked.first_day - date '2000-01-01', asked.last_day - date '2000-01-01',
        (
            SELECT string_agg(CAST(a AS text), ',' ORDER BY a.adjustment_id)
            FROM eventflow_stats.adjustments AS a
            WHERE a.client_id = client AND a.bucket_date BETWEEN asked.first_day AND asked.last_day
                AND a.reverted_at IS NULL
        ),
        (
            SELECT string_agg(
                concat_ws(
                    ' ', c.bucket_date - date '2000-01-01', extract(epoch FROM c.rebuilt_at),
                    extract(epoch FROM c.whole_verified_at), extract(epoch FROM c.held_at),
                    extract(epoch FROM c.sealed_at)
                ),
                ',' ORDER BY c.bucket_date
            )
            FROM eventflow_stats.days AS c
            WHERE c.bucket_date BETWEEN asked.first_day AND asked.last_day
        ),
        (
            SELECT string_agg(
                concat_ws(
                    ' ', c.bucket_date - date '2000-01-01', extract(epoch FROM c.computed_at),
                    extract(epoch FROM c.verified_at)
                ),
                ',' ORDER BY c.bucket_date
            )
            FROM eventflow_stats.client_days AS c
            WHERE c.client_id = client AND c.bucket_date BETWEEN asked.first_day AND asked.last_day
        ),
        (
            SELECT concat_ws(
                ' ', count(*),
                bit_xor(uuid_hash_extended(link.link_id, CAST(CAST(link.link_version AS text) AS bigint)))
            )
            FROM eventflow_stats.link_details AS link
            WHERE link.client_id = client
        ),
        -- A column that the product adds changes no row version; the columns of one row show it.
        (
            SELECT md5(CAST(link.all_columns AS text))
            FROM eventflow_stats.link_details AS link
            WHERE link.client_id = client
            ORDER BY link.link_id
            LIMIT 1
        )
    ));
END
$$;

REVOKE ALL ON FUNCTION eventflow_stats.read_version FROM PUBLIC;
GRANT EXECUTE ON FUNCTION eventflow_stats.read_version
    TO authenticated, service_role;

RESET ROLE;
REVOKE CREATE ON SCHEMA eventflow_stats FROM eventflow_stats_reader;
