-- What every answer of the read API has in common: who may read a client, which days are asked for, which of them are
-- read from the rollup and which from facts, and the fields _source, _coverage, _freshness, _sealed and _adjusted.
--
-- The read functions of schema public (marketing_summary, marketing_links, marketing_link_stats, marketing_overview,
-- marketing_version) call functions that run as eventflow_stats_reader. Each is one statement and so reads one
-- snapshot: every function below it is STABLE.
--
-- Parameters: client_id uuid; link_id uuid; "from", "to" date, both included, in the bucket time zone. Default of "to"
-- is today; default of "from" makes the range 30 days. A range has 400 days at most.
-- A day is answered from the rollup if the client-day (or the whole day) was computed, is not stale and has no open
-- discrepancy. Every other day is measured from the facts in the same snapshot. A held or sealed day is always answered
-- from the rollup, because its facts may be gone.
--
-- Errors: PT400 (PostgREST answers 400) the range is reversed, too long or out of the calendar, or an id is NULL. PT404
-- (PostgREST answers 404) the client or link does not exist or the caller may not read it: one message for both. 42501
-- the role may not call the functions. 22P02, 22007 and 22008 are PostgreSQL's own, for a text that is no uuid or date.

GRANT CREATE ON SCHEMA eventflow_stats TO eventflow_stats_reader;
SET ROLE eventflow_stats_reader;

-- Whether the caller may read the client. This is the only place of the rule.
CREATE OR REPLACE FUNCTION eventflow_stats.may_read(client uuid) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN coalesce(
        client IN (SELECT eventflow_stats.readable_clients())
        OR eventflow_stats.reads_every_client()
            AND EXISTS (SELECT FROM eventflow_stats.client_names AS c WHERE c.client_id = client),
        false
    );
END
$$;

-- Whether the caller may read the client, and its link where one is given. An answer instead of an error, because
-- PostgreSQL logs every error with its statement.
CREATE OR REPLACE FUNCTION eventflow_stats.read_is_readable(client uuid, asked_link uuid) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN eventflow_stats.may_read(client) AND (
        asked_link IS NULL
        OR EXISTS (
            SELECT FROM eventflow_stats.link_details AS d WHERE d.link_id = asked_link AND d.client_id = client
        )
    );
END
$$;

-- What every read function does first: it checks that the caller may read the client, and returns the days asked for
-- and those of them that the rollup cannot answer (raw_days). source, coverage, freshness and adjusted become fields of
-- the answer; adjusted is NULL where no manual adjustment is included.
CREATE OR REPLACE FUNCTION eventflow_stats.open_reading(
    client uuid, asked_from date, asked_to date,
    OUT first_day date, OUT last_day date, OUT raw_days date[],
    OUT source text, OUT coverage json, OUT freshness json, OUT adjusted json
)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    aggregated date[];
    computed_through timestamptz;
    oldest_verification timestamptz;
    held_days bigint;
    checked_at timestamptz;
    unswept json;
BEGIN
    IF client IS NULL THEN
        RAISE SQLSTATE 'PT400' USING MESSAGE = 'client_id is missing';
    END IF;
    IF NOT eventflow_stats.may_read(client) THEN
        RAISE SQLSTATE 'PT404' USING MESSAGE = 'not found';
    END IF;

    last_day := coalesce(
        asked_to,
        (SELECT CAST(statement_timestamp() AT TIME ZONE d.bucket_timezone AS date) FROM eventflow_stats.deployment AS d)
    );
    IF last_day > date '9999-12-31' OR last_day < date '0001-02-01' OR asked_from < date '0001-01-01' THEN
        RAISE SQLSTATE 'PT400' USING MESSAGE = 'from and to must be days of the years 1 to 9999';
    END IF;
    first_day := coalesce(asked_from, last_day - 29);
    IF first_day > last_day THEN
        RAISE SQLSTATE 'PT400' USING MESSAGE = 'from must not be after to';
    END IF;
    IF last_day - first_day >= 400 THEN
        RAISE SQLSTATE 'PT400' USING MESSAGE = 'the range must not be longer than 400 days';
    END IF;

    -- A client-day that is not stale contains all facts committed before the last detection, whenever it was computed.
    SELECT
        coalesce(array_agg(day), '{}'), min(through), CASE WHEN bool_and(verification IS NOT NULL) THEN min(verification) END,
        count(*) FILTER (WHERE is_held), min(checked)
    INTO aggregated, computed_through, oldest_verification, held_days, checked_at
    FROM (
        SELECT
            day,
            coalesce(d.is_held, false) AS is_held,
            coalesce(d.is_sealed, false) AS is_sealed,
            CASE
                WHEN d.is_held THEN coalesce(s.computed_at, d.rebuilt_at)
                ELSE greatest(coalesce(s.computed_at, d.rebuilt_at), u.detected_at)
            END AS through,
            CASE
                WHEN d.is_held THEN NULL
                WHEN s.computed_at IS NULL THEN CASE WHEN d.whole_verified_at >= d.rebuilt_at THEN d.whole_verified_at END
                WHEN s.verified_at >= s.computed_at THEN s.verified_at
            END AS verification,
            CASE
                WHEN d.is_sealed IS NOT TRUE
                    THEN greatest(d.rebuilt_at, d.swept_at, d.whole_verified_at, s.computed_at, s.verified_at)
            END AS checked
        FROM (
            SELECT
                c.bucket_date AS day, c.rebuilt_at, c.swept_at, c.whole_verified_at,
                c.held_at IS NOT NULL AS is_held, c.sealed_at IS NOT NULL AS is_sealed
            FROM eventflow_stats.days AS c
            WHERE c.bucket_date BETWEEN first_day AND last_day
                AND (c.rebuilt_at IS NOT NULL OR c.held_at IS NOT NULL)
        ) AS d
        FULL JOIN (
            SELECT c.bucket_date AS day, c.computed_at, c.stale_since, c.verified_at
            FROM eventflow_stats.client_days AS c
            WHERE c.client_id = client AND c.bucket_date BETWEEN first_day AND last_day
        ) AS s USING (day)
        CROSS JOIN eventflow_stats.progress AS u
        WHERE (s.stale_since IS NULL OR d.is_held OR d.is_sealed) AND coalesce(s.computed_at, d.rebuilt_at) IS NOT NULL
    ) AS answered
    WHERE is_held OR is_sealed OR NOT EXISTS (
        SELECT FROM eventflow_stats.discrepancies AS x
        WHERE x.client_id = client AND x.bucket_date = day AND x.repaired_at IS NULL
    );
    IF cardinality(aggregated) = last_day - first_day + 1 THEN
        raw_days := '{}';
    ELSE
        raw_days := ARRAY(
            SELECT first_day + n FROM generate_series(0, last_day - first_day) AS n
            WHERE first_day + n <> ALL (aggregated)
        );
    END IF;
    source := CASE WHEN cardinality(raw_days) = 0 THEN 'aggregated' ELSE 'raw' END;
    coverage := json_build_object('aggregated_days', cardinality(aggregated), 'raw_days', cardinality(raw_days));
    -- Days measured from the facts contain every change.
    SELECT CASE WHEN count(*) > 0 THEN json_build_object(
        'changed_rows', CASE WHEN bool_and(c.changed_rows IS NOT NULL) THEN sum(c.changed_rows) END,
        'since', eventflow_stats.instant_text(min(c.since)),
        'found_by', eventflow_stats.instant_text(min(c.found_by))
    ) END
    INTO unswept
    FROM eventflow_stats.unswept_changes AS c
    WHERE c.seen_at >= checked_at;
    freshness := json_build_object(
        'computed_through', eventflow_stats.instant_text(computed_through),
        'oldest_verification', eventflow_stats.instant_text(oldest_verification),
        'held_days', held_days,
        'unswept_changes', unswept,
        'unverifiable_since', (
            SELECT eventflow_stats.instant_text(u.unverifiable_since) FROM eventflow_stats.progress AS u
        )
    );

    SELECT CASE WHEN count(*) > 0 THEN json_build_object(
        'adjustments', count(*), 'visits_delta', sum(a.visits_delta), 'conversions_delta', sum(a.conversions_delta)
    ) END
    INTO adjusted
    FROM eventflow_stats.adjustments AS a
    WHERE a.client_id = client AND a.bucket_date BETWEEN first_day AND last_day AND a.reverted_at IS NULL;
END
$$;

-- Adds _adjusted to an answer that includes manual adjustments (rare, so it may be slow). The answer's own totals
-- include the adjustments; measured holds the totals without them.
CREATE OR REPLACE FUNCTION eventflow_stats.with_adjusted(answer json, adjusted json) RETURNS json
    LANGUAGE sql IMMUTABLE
    RETURN CASE
        WHEN adjusted IS NULL THEN answer
        ELSE (
            SELECT (
                answer::jsonb || jsonb_build_object('_adjusted', adjusted::jsonb || jsonb_build_object(
                    'measured', jsonb_build_object(
                        'visits', totals.visits - (adjusted ->> 'visits_delta')::bigint,
                        'conversions', totals.conversions - (adjusted ->> 'conversions_delta')::bigint
                    )
                ))
            )::json
            FROM (
                SELECT
                    -- The totals of a summary, of one link, of an overview, or of all links and the rest.
                    coalesce(
                        (answer ->> 'total_visits')::bigint, (answer #>> '{stats,visits}')::bigint,
                        (answer #>> '{summary,total_visits}')::bigint,
                        (answer #>> '{unlinked,visits_count}')::bigint + of_links.visits
                    ) AS visits,
                    coalesce(
                        (answer ->> 'total_conversions')::bigint, (answer #>> '{stats,conversions}')::bigint,
                        (answer #>> '{summary,total_conversions}')::bigint,
                        (answer #>> '{unlinked,conversion_count}')::bigint + of_links.conversions
                    ) AS conversions
                FROM (
                    SELECT
                        coalesce(sum((link ->> 'visits_count')::bigint), 0) AS visits,
                        coalesce(sum((link ->> 'conversion_count')::bigint), 0) AS conversions
                    FROM json_array_elements(
                        CASE json_typeof(answer -> 'links') WHEN 'array' THEN answer -> 'links' ELSE '[]' END
                    ) AS link
                ) AS of_links
            ) AS totals
        )
    END;

-- The number of sealed days in a range, and the day after the last of them; NULL where none is sealed.
CREATE OR REPLACE FUNCTION eventflow_stats.sealed_days_in_range(first_day date, last_day date) RETURNS json
    LANGUAGE sql STABLE
    RETURN (
        SELECT CASE WHEN count(*) > 0 THEN json_build_object('days', count(*), 'before', max(d.bucket_date) + 1) END
        FROM eventflow_stats.days AS d
        WHERE d.bucket_date BETWEEN first_day AND last_day AND d.sealed_at IS NOT NULL
    );

-- Adds _sealed to an answer with sealed days, and _adjusted.
CREATE OR REPLACE FUNCTION eventflow_stats.with_sealed_and_adjusted(answer json, sealed json, adjusted json) RETURNS json
    LANGUAGE sql IMMUTABLE
    RETURN eventflow_stats.with_adjusted(
        CASE
            WHEN sealed IS NULL THEN answer
            ELSE CAST(CAST(answer AS jsonb) || jsonb_build_object('_sealed', CAST(sealed AS jsonb)) AS json)
        END,
        adjusted
    );

REVOKE ALL ON FUNCTION
    eventflow_stats.may_read, eventflow_stats.read_is_readable, eventflow_stats.open_reading,
    eventflow_stats.with_adjusted, eventflow_stats.sealed_days_in_range, eventflow_stats.with_sealed_and_adjusted
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION eventflow_stats.read_is_readable
    TO authenticated, service_role;

RESET ROLE;
REVOKE CREATE ON SCHEMA eventflow_stats FROM eventflow_stats_reader;
