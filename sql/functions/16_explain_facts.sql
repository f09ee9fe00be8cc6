-- The part of an explanation that counts facts: those of one group, and those nearby in other groups and days.

GRANT CREATE ON SCHEMA eventflow_stats TO eventflow_stats_reader;
SET ROLE eventflow_stats_reader;

-- The value of a dimension that is asked for, without its quotes; NULL for the absent dimension and for any value.
CREATE OR REPLACE FUNCTION eventflow_stats.asked_text(asked text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE
        WHEN asked IN ('none', '__null__') THEN NULL
        WHEN length(asked) >= 2 AND left(asked, 1) = '"' AND right(asked, 1) = '"' THEN substr(asked, 2, length(asked) - 2)
        ELSE asked
    END;

-- Whether a value is the one asked for. A long UTM value may be given as it was sent or as it is stored.
CREATE OR REPLACE FUNCTION eventflow_stats.is_asked(asked text, value text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE
        WHEN asked IS NULL THEN true
        WHEN asked IN ('none', '__null__') THEN value IS NULL
        ELSE coalesce(
            value IN (eventflow_stats.asked_text(asked), eventflow_stats.utm_value(eventflow_stats.asked_text(asked))), false
        )
    END;

-- The facts of a client on consecutive days (day_number 1 starts at starts[1]), with the rule that gave each its link.
-- The settings are those of raw_groups, so that no facts of other clients are read.
CREATE OR REPLACE FUNCTION eventflow_stats.attributed_facts(client uuid, starts timestamptz[])
    RETURNS TABLE (
        day_number integer, is_visit boolean, fact_id uuid, campaign_id uuid, link_id uuid,
        utm_source text, utm_medium text, utm_campaign text,
        session_key text, has_session boolean, event_at timestamptz, completed_at timestamptz,
        link_rule text, stored_link_id uuid, cid_link_id uuid, fingerprint bigint
    )
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    -- An error where a policy would hide facts: 0 visits would look like an answer.
    SET row_security = off
    SET plan_cache_mode = force_custom_plan
    SET enable_seqscan = off
    SET enable_hashjoin = off
    SET enable_mergejoin = off
    SET jit = off
    AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT
        width_bucket(facts.event_at, starts), facts.is_visit, facts.fact_id, facts.campaign_id, facts.link_id,
        facts.utm_source, facts.utm_medium, facts.utm_campaign,
        facts.session_key, facts.has_session, facts.event_at, facts.completed_at,
        CASE
            WHEN facts.stored_link_id IS NOT NULL THEN 'stored_link_id'
            WHEN facts.cid_link_id IS NOT NULL THEN 'cid'
            WHEN facts.has_cid THEN 'unknown_cid'
            ELSE 'none'
        END,
        facts.stored_link_id, facts.cid_link_id,
        eventflow_stats.fact_hash(facts.fact_id, facts.fact_version, facts.link_id)
    FROM (
        SELECT
            true AS is_visit, fact_id, campaign_id, link_id, utm_source, utm_medium, utm_campaign,
            session_key, has_session, event_at, NULL::timestamptz AS completed_at,
            stored_link_id, cid_link_id, has_cid, fact_version
        FROM eventflow_stats.visit_attribution
        WHERE client_id = client AND event_at >= starts[1] AND event_at < starts[cardinality(starts)]
        UNION ALL
        SELECT
            false, fact_id, campaign_id, link_id, utm_source, utm_medium, utm_campaign,
            NULL, NULL, event_at, completed_at,
            stored_link_id, cid_link_id, has_cid, fact_version
        FROM eventflow_stats.conversion_attribution
        WHERE client_id = client AND event_at >= starts[1] AND event_at < starts[cardinality(starts)]
    ) AS facts;
END
$$;

-- The first five ids, as examples for the reader.
CREATE OR REPLACE FUNCTION eventflow_stats.first_ids(ids uuid[]) RETURNS uuid[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN coalesce(ids[1:5], '{}');

-- Counts the facts of one group, those of the same client-day in other groups, and those of the days before and after.
-- starts: the starts of the day before, the day, the day after, and the day after that.
CREATE OR REPLACE FUNCTION eventflow_stats.explain_facts(
    client uuid, explained_day date, starts timestamptz[],
    key_campaign uuid, key_link uuid, key_source text, key_medium text, key_utm_campaign text
)
    RETURNS json
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
    WITH facts AS MATERIALIZED (
        SELECT
            f.*,
            f.campaign_id IS NOT DISTINCT FROM key_campaign AND f.link_id IS NOT DISTINCT FROM key_link
                AND f.utm_source IS NOT DISTINCT FROM key_source AND f.utm_medium IS NOT DISTINCT FROM key_medium
                AND f.utm_campaign IS NOT DISTINCT FROM key_utm_campaign AS same_key
        FROM eventflow_stats.attributed_facts(client, starts) AS f
    ), sessions AS MATERIALIZED (
        SELECT f.session_key, count(*) AS seen
        FROM facts AS f
        WHERE f.day_number = 2 AND f.same_key AND f.is_visit
        GROUP BY f.session_key
    ), placed AS MATERIALIZED (
        SELECT
            f.*,
            s.session_key IS NOT NULL AS same_session,
            row_number() OVER (
                PARTITION BY f.day_number, f.same_key, f.is_visit, f.session_key ORDER BY f.event_at, f.fact_id
            ) AS sighting
        FROM facts AS f
        LEFT JOIN sessions AS s ON s.session_key = f.session_key
    ), own AS MATERIALIZED (
        SELECT * FROM placed WHERE day_number = 2 AND same_key
    ), others AS MATERIALIZED (
        SELECT
            p.*,
            CASE
                WHEN p.same_session THEN 'same_session'
                WHEN p.campaign_id IS NOT DISTINCT FROM key_campaign AND p.utm_source IS NOT DISTINCT FROM key_source
                    AND p.utm_medium IS NOT DISTINCT FROM key_medium
                    AND p.utm_campaign IS NOT DISTINCT FROM key_utm_campaign THEN 'other_link'
                ELSE 'other'
            END AS kind
        FROM placed AS p
        WHERE p.day_number = 2 AND NOT p.same_key
    ), neighbours AS MATERIALIZED (
        SELECT
            o.campaign_id, o.link_id, o.utm_source, o.utm_medium, o.utm_campaign,
            count(*) FILTER (WHERE o.is_visit) AS visit_rows,
            count(*) FILTER (WHERE NOT o.is_visit) AS entries,
            count(DISTINCT o.session_key) FILTER (WHERE o.same_session) AS shared_sessions,
            count(*) FILTER (WHERE o.link_rule = 'unknown_cid') AS unknown_cid,
            count(*) FILTER (WHERE o.link_rule = 'stored_link_id' AND o.cid_link_id = key_link) AS cid_of_this_link,
            eventflow_stats.first_ids(array_agg(o.fact_id ORDER BY o.same_session DESC, o.event_at, o.fact_id)) AS ids,
            array_remove(ARRAY[
                CASE WHEN o.campaign_id IS DISTINCT FROM key_campaign THEN 'campaign_id' END,
                CASE WHEN o.link_id IS DISTINCT FROM key_link THEN 'link_id' END,
                CASE WHEN o.utm_source IS DISTINCT FROM key_source THEN 'utm_source' END,
                CASE WHEN o.utm_medium IS DISTINCT FROM key_medium THEN 'utm_medium' END,
                CASE WHEN o.utm_campaign IS DISTINCT FROM key_utm_campaign THEN 'utm_campaign' END
            ], NULL) AS differs_in
        FROM others AS o
        GROUP BY o.campaign_id, o.link_id, o.utm_source, o.utm_medium, o.utm_campaign
    ), near AS MATERIALIZED (
        SELECT * FROM neighbours AS n
        WHERE n.shared_sessions > 0 OR n.cid_of_this_link > 0 OR cardinality(n.differs_in) = 1
    )
    SELECT json_build_object(
        'counted', (
            SELECT json_build_object(
                'visit_rows', count(*) FILTER (WHERE o.is_visit),
                'visits', count(*) FILTER (WHERE o.is_visit AND o.sighting = 1),
                'sessions', count(*) FILTER (WHERE o.is_visit AND o.has_session AND o.sighting = 1),
                'repeated_sessions', (SELECT count(*) FROM sessions AS s WHERE s.seen > 1),
                'folded_rows', count(*) FILTER (WHERE o.is_visit AND o.sighting > 1),
                'rows_without_session', count(*) FILTER (WHERE o.is_visit AND NOT o.has_session),
                'entries', count(*) FILTER (WHERE NOT o.is_visit),
                'entries_completed_on_another_day', count(*) FILTER (
                    WHERE o.completed_at < starts[2] OR o.completed_at >= starts[3]
                ),
                'fact_ids', json_build_object(
                    'visits', eventflow_stats.first_ids(
                        array_agg(o.fact_id ORDER BY o.event_at, o.fact_id) FILTER (WHERE o.is_visit AND o.sighting = 1)
                    ),
                    'folded', eventflow_stats.first_ids(
                        array_agg(o.fact_id ORDER BY o.event_at, o.fact_id) FILTER (WHERE o.is_visit AND o.sighting > 1)
                    ),
                    'entries', eventflow_stats.first_ids(
                        array_agg(o.fact_id ORDER BY o.event_at, o.fact_id) FILTER (WHERE NOT o.is_visit)
                    )
                )
            )
            FROM own AS o
        ),
        'link_rules', (
            SELECT json_build_object(
                'stored_link_id', count(*) FILTER (WHERE o.link_rule = 'stored_link_id'),
                'cid_of_visit', count(*) FILTER (WHERE o.link_rule = 'cid' AND o.is_visit),
                'cid_in_registration', count(*) FILTER (WHERE o.link_rule = 'cid' AND NOT o.is_visit),
                'unknown_cid', count(*) FILTER (WHERE o.link_rule = 'unknown_cid'),
                'none', count(*) FILTER (WHERE o.link_rule = 'none'),
                'stored_over_another_cid', count(*) FILTER (
                    WHERE o.link_rule = 'stored_link_id' AND o.cid_link_id <> o.stored_link_id
                ),
                -- Deleted or another client's: one answer for both.
                'stored_link_unknown', count(*) FILTER (
                    WHERE o.link_rule = 'stored_link_id' AND NOT EXISTS (
                        SELECT FROM eventflow_stats.link_names AS l WHERE l.link_id = key_link AND l.client_id = client
                    )
                ),
                'fact_ids', eventflow_stats.first_ids(
                    array_agg(o.fact_id ORDER BY o.event_at, o.fact_id) FILTER (
                        WHERE o.link_rule = 'unknown_cid' OR o.cid_link_id <> o.stored_link_id
                    )
                )
            )
            FROM own AS o
        ),
        'elsewhere', (
            SELECT json_build_object(
                'visit_rows', count(*) FILTER (WHERE o.is_visit),
                'entries', count(*) FILTER (WHERE NOT o.is_visit),
                'same_session', json_build_object(
                    'visit_rows', count(*) FILTER (WHERE o.is_visit AND o.kind = 'same_session'),
                    'entries', count(*) FILTER (WHERE NOT o.is_visit AND o.kind = 'same_session')
                ),
                'other_link', json_build_object(
                    'visit_rows', count(*) FILTER (WHERE o.is_visit AND o.kind = 'other_link'),
                    'entries', count(*) FILTER (WHERE NOT o.is_visit AND o.kind = 'other_link')
                ),
                'other', json_build_object(
                    'visit_rows', count(*) FILTER (WHERE o.is_visit AND o.kind = 'other'),
                    'entries', count(*) FILTER (WHERE NOT o.is_visit AND o.kind = 'other')
                )
            )
            FROM others AS o
        ),
        'neighbours', (
            SELECT coalesce(json_agg(
                json_build_object(
                    'campaign_id', n.campaign_id, 'campaign_name', c.name, 'link_id', n.link_id, 'link_name', l.name,
                    'utm_source', n.utm_source, 'utm_medium', n.utm_medium, 'utm_campaign', n.utm_campaign,
                    'visit_rows', n.visit_rows, 'entries', n.entries, 'shared_sessions', n.shared_sessions,
                    'differs_in', n.differs_in,
                    'rule', concat_ws(
                        '; ',
                        'differs in ' || array_to_string(n.differs_in, ', '),
                        CASE WHEN n.shared_sessions > 0 THEN
                            n.shared_sessions || ' of the sessions are in both groups and count once in each'
                        END,
                        CASE WHEN n.unknown_cid > 0 THEN
                            n.unknown_cid || ' of its facts have a cid that names no link of the client'
                        END,
                        CASE WHEN n.cid_of_this_link > 0 THEN
                            n.cid_of_this_link || ' of its facts have the cid of this link, but the link id stored with them'
                            || ' goes before the cid'
                        END
                    ),
                    'fact_ids', n.ids
                )
                ORDER BY n.shared_sessions DESC, n.cid_of_this_link DESC, cardinality(n.differs_in),
                    n.visit_rows DESC, n.entries DESC, n.link_id, n.utm_source, n.utm_medium, n.utm_campaign
            ), '[]')
            FROM (
                SELECT * FROM near AS x
                ORDER BY x.shared_sessions DESC, x.cid_of_this_link DESC, cardinality(x.differs_in),
                    x.visit_rows DESC, x.entries DESC, x.link_id, x.utm_source, x.utm_medium, x.utm_campaign
                LIMIT 20
            ) AS n
            LEFT JOIN eventflow_stats.campaign_names AS c ON c.campaign_id = n.campaign_id AND c.client_id = client
            LEFT JOIN eventflow_stats.link_names AS l ON l.link_id = n.link_id AND l.client_id = client
        ),
        'neighbours_in_all', (SELECT count(*) FROM near),
        'neighbouring_days', (
            SELECT json_agg(
                json_build_object(
                    'day', explained_day + d.number - 2,
                    'visit_rows_of_same_sessions', d.of_same_sessions,
                    'shared_sessions', d.shared_sessions,
                    'visit_rows_within_an_hour', d.visit_rows_near,
                    'entries_within_an_hour', d.entries_near,
                    'entries_completed_on_the_day', d.completed_on_the_day,
                    'fact_ids', d.ids
                )
                ORDER BY d.number
            )
            FROM (
                SELECT
                    number,
                    count(*) FILTER (WHERE p.same_session) AS of_same_sessions,
                    count(DISTINCT p.session_key) FILTER (WHERE p.same_session) AS shared_sessions,
                    count(*) FILTER (WHERE p.close AND p.is_visit) AS visit_rows_near,
                    count(*) FILTER (WHERE p.close AND NOT p.is_visit) AS entries_near,
                    count(*) FILTER (WHERE p.completed_here) AS completed_on_the_day,
                    eventflow_stats.first_ids(
                        array_agg(p.fact_id ORDER BY p.event_at, p.fact_id) FILTER (
                            WHERE p.same_session OR p.close OR p.completed_here
                        )
                    ) AS ids
                FROM unnest(ARRAY[1, 3]) AS number
                LEFT JOIN (
                    SELECT
                        f.*,
                        f.same_key AND f.event_at >= starts[2] - interval '1 hour'
                            AND f.event_at < starts[3] + interval '1 hour' AS close,
                        f.same_key AND f.completed_at >= starts[2] AND f.completed_at < starts[3] AS completed_here
                    FROM placed AS f
                ) AS p ON p.day_number = number
                GROUP BY number
            ) AS d
        )
    )
    $$;

REVOKE ALL ON FUNCTION
    eventflow_stats.asked_text, eventflow_stats.is_asked, eventflow_stats.attributed_facts,
    eventflow_stats.first_ids, eventflow_stats.explain_facts
    FROM PUBLIC;
-- explain_day runs as its caller, so that the engine reads the rollup by its own policy.
GRANT EXECUTE ON FUNCTION
    eventflow_stats.asked_text, eventflow_stats.is_asked, eventflow_stats.attributed_facts, eventflow_stats.first_ids,
    eventflow_stats.explain_facts, eventflow_stats.rate, eventflow_stats.instant_text
    TO eventflow_stats_engine;

RESET ROLE;
REVOKE CREATE ON SCHEMA eventflow_stats FROM eventflow_stats_reader;
