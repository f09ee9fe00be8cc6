-- The read API in SQL: marketing_summary, marketing_links, marketing_link_stats, marketing_overview (schema public,
-- so that Supabase offers them as RPC), doors to functions that run as eventflow_stats_reader. Each is one statement,
-- so one snapshot: STABLE functions, all the way down.
--
-- Parameters: client_id uuid; link_id uuid; "from", "to" date, both included, in the bucket time zone. Left out,
-- "to" is today and "from" makes it 30 days; at most 400.
-- A day is answered from the rollup if the ledger says that the client's client-day was computed (or the whole day was),
-- is not stale and has no open discrepancy; every other day is measured from the facts, in the same snapshot. A held or
-- sealed day is always answered from the rollup: its facts may be gone.
--
-- Errors: PT400 (which PostgREST answers with 400) the range is reversed, too long or out of the calendar, or an id is NULL; PT404 (which PostgREST
-- answers with 404) the client or link does not exist or is not the caller's: one code, one message, one way to it;
-- 42501 the role may not call them. 22P02, 22007 and 22008 are PostgreSQL's own for a text that is no uuid or date.

-- The functions are made by their owner, who may create for these few statements only.
GRANT CREATE ON SCHEMA eventflow_stats TO eventflow_stats_reader;
SET ROLE eventflow_stats_reader;

-- Conversions per 100 visits, as the rollup has it. Manual adjustments can take visits below zero.
-- Without SET, here and in groups_of, so that the planner inlines them.
CREATE OR REPLACE FUNCTION eventflow_stats.rate(conversions bigint, visits bigint) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN visits > 0 THEN round(conversions::numeric / visits * 100, 2) ELSE 0 END;

CREATE OR REPLACE FUNCTION eventflow_stats.instant_text(instant timestamptz) RETURNS text
    LANGUAGE sql STABLE
    RETURN to_char(instant AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');

-- The groups of a client's days, measured from the facts as in sql/queries/measure_groups.sql.
-- One look at the facts for each run of neighbouring days. The settings: planned for the client and days in hand,
-- and always from the client's campaigns and webinars to their facts by index: a scan, a hash or a merge of a day
-- reads everybody's facts, which the planner finds cheap until they are many.
CREATE OR REPLACE FUNCTION eventflow_stats.raw_groups(client uuid, raw_days date[])
    RETURNS TABLE (
        bucket_date date, link_id uuid, utm_source text, utm_medium text, utm_campaign text,
        visits bigint, conversions bigint
    )
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    -- An error where a policy would hide facts: nought visits would look like an answer.
    SET row_security = off
    SET plan_cache_mode = force_custom_plan
    SET enable_seqscan = off
    SET enable_hashjoin = off
    SET enable_mergejoin = off
    SET jit = off
    AS $$
#variable_conflict use_column
DECLARE
    neighbours record;
    starts timestamptz[];
BEGIN
    IF cardinality(raw_days) = 0 THEN
        RETURN;
    END IF;
    FOR neighbours IN
        SELECT min(day) AS first_day, max(day) AS last_day
        FROM (SELECT day, day - CAST(row_number() OVER (ORDER BY day) AS integer) AS run FROM unnest(raw_days) AS day) AS d
        GROUP BY run
        ORDER BY run
    LOOP
        -- By where days start, as in the rollup: where a clock goes back over midnight, the instant's own date differs.
        starts := ARRAY(
            SELECT eventflow_stats.day_start(neighbours.first_day + n)
            FROM generate_series(0, neighbours.last_day - neighbours.first_day + 1) AS n
            ORDER BY n
        );
        RETURN QUERY
        SELECT
            facts.day, facts.link_id, facts.utm_source, facts.utm_medium, facts.utm_campaign,
            count(facts.session_key), CAST(sum(facts.conversions) AS bigint)
        FROM (
            SELECT
                neighbours.first_day - 1 + width_bucket(event_at, starts) AS day,
                campaign_id, link_id, utm_source, utm_medium, utm_campaign, session_key, 0 AS conversions
            FROM eventflow_stats.visit_facts
            WHERE client_id = client AND event_at >= starts[1] AND event_at < starts[cardinality(starts)]
            GROUP BY 1, 2, 3, 4, 5, 6, 7
            UNION ALL
            SELECT
                neighbours.first_day - 1 + width_bucket(event_at, starts),
                campaign_id, link_id, utm_source, utm_medium, utm_campaign, NULL, CAST(count(*) AS integer)
            FROM eventflow_stats.conversion_facts
            WHERE client_id = client AND event_at >= starts[1] AND event_at < starts[cardinality(starts)]
            GROUP BY 1, 2, 3, 4, 5, 6
        ) AS facts
        GROUP BY facts.day, facts.campaign_id, facts.link_id, facts.utm_source, facts.utm_medium, facts.utm_campaign;
    END LOOP;
END
$$;

-- The groups of a client's range: the rollup's, but for raw_days, which are measured; manual adjustments beside them.
CREATE OR REPLACE FUNCTION eventflow_stats.groups_of(client uuid, first_day date, last_day date, raw_days date[])
    RETURNS TABLE (
        bucket_date date, link_id uuid, utm_source text, utm_medium text, utm_campaign text,
        visits bigint, conversions bigint
    )
    LANGUAGE sql STABLE
    AS $$
    SELECT
        m.bucket_date, m.marketing_campaign_link_id, m.utm_source, m.utm_medium, m.utm_campaign, m.visits, m.conversions
    FROM public.marketing_stats_daily AS m
    WHERE m.client_id = client AND m.bucket_date BETWEEN first_day AND last_day AND m.bucket_date <> ALL (raw_days)
    UNION ALL
    SELECT r.bucket_date, r.link_id, r.utm_source, r.utm_medium, r.utm_campaign, r.visits, r.conversions
    FROM eventflow_stats.raw_groups(client, raw_days) AS r
    UNION ALL
    SELECT
        a.bucket_date, a.marketing_campaign_link_id, eventflow_stats.utm_value(a.utm_source),
        eventflow_stats.utm_value(a.utm_medium), eventflow_stats.utm_value(a.utm_campaign),
        a.visits_delta, a.conversions_delta
    FROM eventflow_stats.adjustments AS a
    WHERE a.client_id = client AND a.bucket_date BETWEEN first_day AND last_day AND a.reverted_at IS NULL
    $$;

-- Whether the caller may read the client. The rule stands here alone.
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

-- The same as an answer instead of an error, for the client and for one of its links if that is asked for: PostgreSQL
-- writes every error into its log, with the statement.
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

-- The first act of every read function: may the caller read the client, which days are asked for, and which of them
-- the rollup cannot answer. source, coverage, freshness and adjusted are the answer's companions; adjusted is NULL
-- where no manual adjustment is included.
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

    -- Facts committed before the last detection are in a clean client-day, whenever that was computed.
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
    -- Of days measured from the facts nothing can be unknown.
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

-- An answer with _adjusted, if a manual adjustment is in it: rare, so it may cost. The answer's own totals are the
-- corrected ones; measured says what they are without the adjustments.
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
                    -- Of the summary, of one link, of the overview, of all links with what has none.
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

-- How many days of a range are sealed, and the first day after the last of them; NULL where none is.
CREATE OR REPLACE FUNCTION eventflow_stats.sealed_in(first_day date, last_day date) RETURNS json
    LANGUAGE sql STABLE
    RETURN (
        SELECT CASE WHEN count(*) > 0 THEN json_build_object('days', count(*), 'before', max(d.bucket_date) + 1) END
        FROM eventflow_stats.days AS d
        WHERE d.bucket_date BETWEEN first_day AND last_day AND d.sealed_at IS NOT NULL
    );

-- An answer with _sealed, if days of it are sealed, and with _adjusted.
CREATE OR REPLACE FUNCTION eventflow_stats.with_companions(answer json, sealed json, adjusted json) RETURNS json
    LANGUAGE sql IMMUTABLE
    RETURN eventflow_stats.with_adjusted(
        CASE
            WHEN sealed IS NULL THEN answer
            ELSE CAST(CAST(answer AS jsonb) || jsonb_build_object('_sealed', CAST(sealed AS jsonb)) AS json)
        END,
        adjusted
    );

-- Totals of a client's range and how they break down; every list adds up to both totals, its null entries included.
-- Untracked is what has neither a link nor any UTM: so source null stands twice, once for each.
CREATE OR REPLACE FUNCTION eventflow_stats.read_summary(client uuid, asked_from date, asked_to date)
    RETURNS json
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    asked record;
    answer json;
BEGIN
    SELECT * INTO asked FROM eventflow_stats.open_reading(client, asked_from, asked_to);
    WITH groups AS (
        SELECT
            link_id, utm_source, utm_medium, utm_campaign,
            CAST(sum(visits) AS bigint) AS visits, CAST(sum(conversions) AS bigint) AS conversions
        FROM eventflow_stats.groups_of(client, asked.first_day, asked.last_day, asked.raw_days)
        GROUP BY link_id, utm_source, utm_medium, utm_campaign
    ), labelled AS MATERIALIZED (
        SELECT
            g.link_id, link.name AS link_name,
            coalesce(g.utm_source, link.utm_source) AS source,
            coalesce(g.utm_medium, link.utm_medium) AS medium,
            coalesce(g.utm_campaign, link.utm_campaign) AS campaign,
            g.link_id IS NULL AND coalesce(g.utm_source, g.utm_medium, g.utm_campaign) IS NULL AS untracked,
            g.visits, g.conversions
        FROM groups AS g
        LEFT JOIN eventflow_stats.link_details AS link ON link.link_id = g.link_id AND link.client_id = client
    ), totals AS MATERIALIZED (
        SELECT
            CAST(coalesce(sum(conversions), 0) AS bigint) AS conversions,
            CAST(coalesce(sum(visits), 0) AS bigint) AS visits,
            CAST(coalesce(sum(conversions) FILTER (WHERE untracked), 0) AS bigint) AS untracked
        FROM labelled
    ), combos AS MATERIALIZED (
        SELECT
            source, medium, campaign, untracked,
            CAST(sum(conversions) AS bigint) AS conversions, CAST(sum(visits) AS bigint) AS visits
        FROM labelled
        GROUP BY source, medium, campaign, untracked
    )
    SELECT json_build_object(
        'total_conversions', totals.conversions,
        'total_visits', totals.visits,
        'avg_cvr', eventflow_stats.rate(totals.conversions, totals.visits),
        'active_links', (
            SELECT count(*) FROM eventflow_stats.link_details AS link
            WHERE link.client_id = client AND link.status = 'active'
        ),
        'conversions_by_source', (
            SELECT coalesce(json_agg(
                json_build_object('source', source, 'count', conversions, 'visits', visits, 'is_untracked', untracked)
                ORDER BY conversions DESC, source COLLATE "C" NULLS LAST, untracked
            ), '[]')
            FROM (
                SELECT source, untracked, sum(conversions) AS conversions, sum(visits) AS visits
                FROM combos GROUP BY source, untracked
            ) AS listed
        ),
        'conversions_by_medium', (
            SELECT coalesce(json_agg(
                json_build_object('medium', medium, 'count', conversions, 'visits', visits)
                ORDER BY conversions DESC, medium COLLATE "C" NULLS LAST
            ), '[]')
            FROM (
                SELECT medium, sum(conversions) AS conversions, sum(visits) AS visits FROM combos GROUP BY medium
            ) AS listed
        ),
        'conversions_by_campaign', (
            SELECT coalesce(json_agg(
                json_build_object('campaign', campaign, 'count', conversions, 'visits', visits)
                ORDER BY conversions DESC, campaign COLLATE "C" NULLS LAST
            ), '[]')
            FROM (
                SELECT campaign, sum(conversions) AS conversions, sum(visits) AS visits FROM combos GROUP BY campaign
            ) AS listed
        ),
        'conversions_by_combo', (
            SELECT coalesce(json_agg(
                json_build_object(
                    'source', source, 'medium', medium, 'campaign', campaign, 'count', conversions, 'visits', visits,
                    'cvr', eventflow_stats.rate(conversions, visits)
                )
                ORDER BY conversions DESC, source COLLATE "C" NULLS LAST, medium COLLATE "C" NULLS LAST,
                    campaign COLLATE "C" NULLS LAST
            ), '[]')
            FROM (
                SELECT
                    source, medium, campaign,
                    CAST(sum(conversions) AS bigint) AS conversions, CAST(sum(visits) AS bigint) AS visits
                FROM combos GROUP BY source, medium, campaign
            ) AS listed
        ),
        'conversions_by_link', (
            SELECT coalesce(json_agg(
                json_build_object(
                    'link_id', link_id, 'link_name', link_name, 'count', conversions, 'visits', visits,
                    'cvr', eventflow_stats.rate(conversions, visits)
                )
                ORDER BY conversions DESC, link_name COLLATE "C" NULLS LAST, link_id NULLS LAST
            ), '[]')
            FROM (
                SELECT
                    link_id, link_name,
                    CAST(sum(conversions) AS bigint) AS conversions, CAST(sum(visits) AS bigint) AS visits
                FROM labelled GROUP BY link_id, link_name
            ) AS listed
        ),
        'tracking_metadata', json_build_object(
            'tracked_count', totals.conversions - totals.untracked,
            'untracked_count', totals.untracked,
            'tracking_success_rate', CASE
                WHEN totals.conversions > 0
                    THEN round((totals.conversions - totals.untracked) * 100::numeric / totals.conversions, 1)
                ELSE 0.0
            END || '%'
        ),
        'date_range', json_build_object('from', asked.first_day, 'to', asked.last_day),
        '_source', asked.source,
        '_coverage', asked.coverage,
        '_freshness', asked.freshness
    )
    INTO answer
    FROM totals;
    RETURN eventflow_stats.with_companions(
        answer, eventflow_stats.sealed_in(asked.first_day, asked.last_day), asked.adjusted
    );
END
$$;

-- Every link of a client with its numbers; unlinked is the rest, groups whose link is gone included.
CREATE OR REPLACE FUNCTION eventflow_stats.read_links(client uuid, asked_from date, asked_to date)
    RETURNS json
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    asked record;
    answer json;
BEGIN
    SELECT * INTO asked FROM eventflow_stats.open_reading(client, asked_from, asked_to);
    WITH counted AS (
        SELECT link_id, CAST(sum(visits) AS bigint) AS visits, CAST(sum(conversions) AS bigint) AS conversions
        FROM eventflow_stats.groups_of(client, asked.first_day, asked.last_day, asked.raw_days)
        GROUP BY link_id
    ), listed AS MATERIALIZED (
        SELECT
            link.link_id, link.name, link.all_columns,
            coalesce(c.visits, 0) AS visits, coalesce(c.conversions, 0) AS conversions
        FROM (SELECT * FROM eventflow_stats.link_details AS d WHERE d.client_id = client) AS link
        FULL JOIN counted AS c ON c.link_id = link.link_id
    ), unlinked AS (
        SELECT
            CAST(coalesce(sum(visits), 0) AS bigint) AS visits,
            CAST(coalesce(sum(conversions), 0) AS bigint) AS conversions
        FROM listed
        WHERE link_id IS NULL
    )
    SELECT json_build_object(
        'links', (
            SELECT coalesce(json_agg(
                all_columns || jsonb_build_object(
                    'conversion_count', conversions, 'visits_count', visits,
                    'cvr', eventflow_stats.rate(conversions, visits)
                )
                ORDER BY conversions DESC, name COLLATE "C", link_id
            ), '[]')
            FROM listed
            WHERE link_id IS NOT NULL
        ),
        'unlinked', json_build_object(
            'conversion_count', unlinked.conversions, 'visits_count', unlinked.visits,
            'cvr', eventflow_stats.rate(unlinked.conversions, unlinked.visits)
        ),
        'date_range', json_build_object('from', asked.first_day, 'to', asked.last_day),
        '_source', asked.source,
        '_coverage', asked.coverage,
        '_freshness', asked.freshness
    )
    INTO answer
    FROM unlinked;
    RETURN eventflow_stats.with_companions(
        answer, eventflow_stats.sealed_in(asked.first_day, asked.last_day), asked.adjusted
    );
END
$$;

-- One link of a client: its numbers, and those of every day of the range, oldest first. Its _adjusted speaks of the
-- adjustments of this link alone.
CREATE OR REPLACE FUNCTION eventflow_stats.read_link_stats(client uuid, asked_link uuid, asked_from date, asked_to date)
    RETURNS json
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    asked record;
    link_name text;
    answer json;
BEGIN
    SELECT * INTO asked FROM eventflow_stats.open_reading(client, asked_from, asked_to);
    IF asked_link IS NULL THEN
        RAISE SQLSTATE 'PT400' USING MESSAGE = 'link_id is missing';
    END IF;
    SELECT d.name INTO link_name FROM eventflow_stats.link_details AS d WHERE d.link_id = asked_link AND d.client_id = client;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'PT404' USING MESSAGE = 'not found';
    END IF;
    WITH counted AS (
        SELECT
            g.bucket_date AS day,
            CAST(sum(g.visits) AS bigint) AS visits, CAST(sum(g.conversions) AS bigint) AS conversions
        FROM eventflow_stats.groups_of(client, asked.first_day, asked.last_day, asked.raw_days) AS g
        WHERE g.link_id = asked_link
        GROUP BY g.bucket_date
    ), daily AS MATERIALIZED (
        SELECT
            asked.first_day + n AS day,
            coalesce(c.visits, 0) AS visits, coalesce(c.conversions, 0) AS conversions
        FROM generate_series(0, asked.last_day - asked.first_day) AS n
        LEFT JOIN counted AS c ON c.day = asked.first_day + n
    ), totals AS (
        SELECT CAST(sum(visits) AS bigint) AS visits, CAST(sum(conversions) AS bigint) AS conversions FROM daily
    )
    SELECT json_build_object(
        'link_id', asked_link,
        'link_name', link_name,
        'stats', json_build_object(
            'visits', totals.visits, 'conversions', totals.conversions,
            'cvr', eventflow_stats.rate(totals.conversions, totals.visits)
        ),
        'daily_data', (
            SELECT json_agg(
                json_build_object(
                    'date', day, 'visits', visits, 'conversions', conversions,
                    'cvr', eventflow_stats.rate(conversions, visits)
                )
                ORDER BY day
            )
            FROM daily
        ),
        'date_range', json_build_object('from', asked.first_day, 'to', asked.last_day),
        '_source', asked.source,
        '_coverage', asked.coverage,
        '_freshness', asked.freshness
    )
    INTO answer
    FROM totals;
    IF asked.adjusted IS NOT NULL THEN
        SELECT CASE WHEN count(*) > 0 THEN json_build_object(
            'adjustments', count(*), 'visits_delta', sum(a.visits_delta), 'conversions_delta', sum(a.conversions_delta)
        ) END
        INTO asked.adjusted
        FROM eventflow_stats.adjustments AS a
        WHERE a.client_id = client AND a.bucket_date BETWEEN asked.first_day AND asked.last_day
            AND a.marketing_campaign_link_id = asked_link AND a.reverted_at IS NULL;
    END IF;
    RETURN eventflow_stats.with_companions(
        answer, eventflow_stats.sealed_in(asked.first_day, asked.last_day), asked.adjusted
    );
END
$$;

-- The dashboard in one call. A block that fails is null and its data source says error; the others still answer.
-- (A statement that is cancelled or times out fails whole: OTHERS does not catch it.)
CREATE OR REPLACE FUNCTION eventflow_stats.read_overview(client uuid, asked_from date, asked_to date)
    RETURNS json
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    started CONSTANT timestamptz := clock_timestamp();
    asked record;
    conversions bigint;
    visits bigint;
    link_conversions bigint;
    link_visits bigint;
    marketing json;
    webinars json;
    campaigns json;
    links json;
    answer json;
BEGIN
    SELECT * INTO asked FROM eventflow_stats.open_reading(client, asked_from, asked_to);
    BEGIN
        SELECT
            coalesce(sum(g.conversions), 0), coalesce(sum(g.visits), 0),
            coalesce(sum(g.conversions) FILTER (WHERE g.own_link), 0), coalesce(sum(g.visits) FILTER (WHERE g.own_link), 0)
        INTO STRICT conversions, visits, link_conversions, link_visits
        FROM (
            SELECT
                f.conversions, f.visits,
                f.link_id IN (SELECT d.link_id FROM eventflow_stats.link_details AS d WHERE d.client_id = client) AS own_link
            FROM eventflow_stats.groups_of(client, asked.first_day, asked.last_day, asked.raw_days) AS f
        ) AS g;
        marketing := json_build_object(
            'total_conversions', conversions, 'total_visits', visits,
            'avg_cvr', eventflow_stats.rate(conversions, visits), '_source', asked.source
        );
    EXCEPTION WHEN OTHERS THEN
        RAISE LOG 'marketing_overview: marketing failed: % (%)', SQLERRM, SQLSTATE;
    END;
    BEGIN
        webinars := json_build_object(
            'total_webinars', (SELECT count(*) FROM eventflow_stats.client_webinars AS w WHERE w.client_id = client),
            'total_registrants', (
                SELECT count(*)
                FROM eventflow_stats.client_webinars AS w
                JOIN eventflow_stats.webinar_registrations AS r ON r.webinar_id = w.webinar_id
                WHERE w.client_id = client
                    AND r.registered_at >= eventflow_stats.day_start(asked.first_day)
                    AND r.registered_at < eventflow_stats.day_start(asked.last_day + 1)
            ),
            '_source', 'raw'
        );
    EXCEPTION WHEN OTHERS THEN
        RAISE LOG 'marketing_overview: webinars failed: % (%)', SQLERRM, SQLSTATE;
    END;
    IF marketing IS NOT NULL THEN
        BEGIN
            campaigns := json_build_object(
                'total_campaigns', (SELECT count(*) FROM eventflow_stats.client_campaigns AS c WHERE c.client_id = client),
                'total_conversions', conversions,
                '_source', asked.source
            );
        EXCEPTION WHEN OTHERS THEN
            RAISE LOG 'marketing_overview: campaigns failed: % (%)', SQLERRM, SQLSTATE;
        END;
        BEGIN
            SELECT json_build_object(
                'total_links', count(*),
                'active_links', count(*) FILTER (WHERE d.status = 'active'),
                'total_conversions', link_conversions,
                'total_visits', link_visits,
                '_source', asked.source
            )
            INTO STRICT links
            FROM eventflow_stats.link_details AS d
            WHERE d.client_id = client;
        EXCEPTION WHEN OTHERS THEN
            RAISE LOG 'marketing_overview: links failed: % (%)', SQLERRM, SQLSTATE;
        END;
    END IF;
    answer := json_build_object(
        'client_id', client,
        'date_range', json_build_object('from', asked.first_day, 'to', asked.last_day),
        'marketing', marketing,
        'webinars', webinars,
        'campaigns', campaigns,
        'links', links,
        'summary', json_build_object(
            'total_conversions', marketing -> 'total_conversions',
            'total_visits', marketing -> 'total_visits',
            'total_webinars', webinars -> 'total_webinars',
            'total_campaigns', campaigns -> 'total_campaigns',
            'total_links', links -> 'total_links'
        ),
        '_metadata', json_build_object(
            'response_time_ms', round(CAST(extract(epoch FROM clock_timestamp() - started) * 1000 AS numeric), 1),
            'data_sources', json_build_object(
                'marketing', coalesce(marketing ->> '_source', 'error'),
                'webinars', coalesce(webinars ->> '_source', 'error'),
                'campaigns', coalesce(campaigns ->> '_source', 'error'),
                'links', coalesce(links ->> '_source', 'error')
            ),
            'generated_at', eventflow_stats.instant_text(statement_timestamp())
        ),
        '_source', asked.source,
        '_coverage', asked.coverage,
        '_freshness', asked.freshness
    );
    RETURN eventflow_stats.with_companions(
        answer, eventflow_stats.sealed_in(asked.first_day, asked.last_day), asked.adjusted
    );
END
$$;

-- Another text whenever an answer for the range (of the link, if one is asked for) may be another, by another release
-- too; NULL where days are measured from the facts, whose changes no ledger knows. What it leaves out: how long the
-- answer has been known to be the newest (computed_through).
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
        -- A column that the product adds changes no row's version; one row shows it.
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

REVOKE ALL ON FUNCTION
    eventflow_stats.rate, eventflow_stats.instant_text, eventflow_stats.raw_groups, eventflow_stats.groups_of,
    eventflow_stats.open_reading, eventflow_stats.with_adjusted, eventflow_stats.sealed_in,
    eventflow_stats.with_companions,
    eventflow_stats.read_summary,
    eventflow_stats.read_links, eventflow_stats.read_link_stats, eventflow_stats.read_overview,
    eventflow_stats.read_version, eventflow_stats.may_read, eventflow_stats.read_is_readable
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    eventflow_stats.read_summary, eventflow_stats.read_links, eventflow_stats.read_link_stats,
    eventflow_stats.read_overview, eventflow_stats.read_version, eventflow_stats.read_is_readable
    TO authenticated, service_role;

RESET ROLE;
REVOKE CREATE ON SCHEMA eventflow_stats FROM eventflow_stats_reader;
