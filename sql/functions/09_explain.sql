-- marketing_explain: how the number of one group came about (semantics.md, promise 8). One core, two doors: members
-- through eventflow_stats.read_explain, the engine's operator through explain_day itself.
--
-- Parameters: client_id uuid; day date in the bucket time zone, today where left out; campaign_id, link_id,
-- utm_source, utm_medium, utm_campaign text, each left out for any. none or __null__ asks for the absent dimension;
-- what stands between double quotes is taken as it is: "none", "__null__". link_id may also be a link's name.
-- Exactly one group that matches is explained; several, or none, are listed.
--
-- Ids of facts, campaigns and links, names of campaigns and links, and counts: no session, no name, phone or mail, no
-- registration data, no referrer; and of an adjustment not its author.
-- Errors: as in 07_read_functions.sql; PT400 also where a dimension is the empty text.

GRANT CREATE ON SCHEMA eventflow_stats TO eventflow_stats_reader;
SET ROLE eventflow_stats_reader;

-- A dimension that is asked for, without its quotes; NULL stands for the absent one as well as for any.
CREATE OR REPLACE FUNCTION eventflow_stats.asked_text(asked text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE
        WHEN asked IN ('none', '__null__') THEN NULL
        WHEN length(asked) >= 2 AND left(asked, 1) = '"' AND right(asked, 1) = '"' THEN substr(asked, 2, length(asked) - 2)
        ELSE asked
    END;

-- Whether a dimension is the one asked for. A long UTM value may be given as it was sent or as it is stored.
CREATE OR REPLACE FUNCTION eventflow_stats.is_asked(asked text, value text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE
        WHEN asked IS NULL THEN true
        WHEN asked IN ('none', '__null__') THEN value IS NULL
        ELSE coalesce(
            value IN (eventflow_stats.asked_text(asked), eventflow_stats.utm_value(eventflow_stats.asked_text(asked))), false
        )
    END;

-- A client's facts of neighbouring days, day_number 1 from starts[1] on, each with the rule by which it got its link.
-- Settings as for raw_groups, for the same reason: other clients' facts are not read.
CREATE OR REPLACE FUNCTION eventflow_stats.attributed_facts(client uuid, starts timestamptz[])
    RETURNS TABLE (
        day_number integer, is_visit boolean, fact_id uuid, campaign_id uuid, link_id uuid,
        utm_source text, utm_medium text, utm_campaign text,
        session_key text, has_session boolean, event_at timestamptz, completed_at timestamptz,
        link_rule text, stored_link_id uuid, cid_link_id uuid, fingerprint bigint
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

-- The first ids of many, for a person to look at.
CREATE OR REPLACE FUNCTION eventflow_stats.first_ids(ids uuid[]) RETURNS uuid[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN coalesce(ids[1:5], '{}');

-- The facts of one group, counted; those of the client's day in other groups; those just outside the day.
-- starts: where the day before, the day, the next and the one after begin.
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
                -- Gone or another client's: one answer.
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

-- A client's day as the rollup, the facts and the ledger have it, the groups that match, and the one that is explained.
CREATE OR REPLACE FUNCTION eventflow_stats.explain_day(
    client uuid, explained_day date, asked_campaign text, asked_link text,
    asked_source text, asked_medium text, asked_utm_campaign text
)
    RETURNS json
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    starts timestamptz[];
    message record;
    key json;
    facts json;
    ledger record;
    sealed boolean;
BEGIN
    IF '' IN (asked_campaign, asked_link, asked_source, asked_medium, asked_utm_campaign) THEN
        RAISE SQLSTATE 'PT400' USING MESSAGE = 'a dimension is empty: leave it out for any, give none for the absent one';
    END IF;
    starts := ARRAY(
        SELECT eventflow_stats.day_start(explained_day + n) FROM generate_series(-1, 2) AS n ORDER BY n
    );

    sealed := EXISTS (
        SELECT FROM eventflow_stats.days AS d WHERE d.bucket_date = explained_day AND d.sealed_at IS NOT NULL
    );

    -- Of a sealed day no fact is counted: they may be gone. What is stored stands for what was measured.
    WITH facts AS MATERIALIZED (
        SELECT * FROM eventflow_stats.attributed_facts(
            client, CASE WHEN sealed THEN ARRAY[starts[2], starts[2]] ELSE starts[2:3] END
        )
    ), folded AS (
        SELECT
            f.campaign_id, f.link_id, f.utm_source, f.utm_medium, f.utm_campaign, f.session_key,
            count(*) FILTER (WHERE f.is_visit) AS visit_rows, count(*) FILTER (WHERE NOT f.is_visit) AS entries
        FROM facts AS f
        GROUP BY f.campaign_id, f.link_id, f.utm_source, f.utm_medium, f.utm_campaign, f.session_key
    ), groups AS MATERIALIZED (
        SELECT
            g.campaign_id, g.link_id, g.utm_source, g.utm_medium, g.utm_campaign,
            max(g.stored_visits) AS stored_visits, max(g.stored_conversions) AS stored_conversions,
            sum(g.visits) AS visits, sum(g.entries) AS conversions,
            -- NULL: gone from the rollup, and only the ledger knows that it was there.
            sum(g.visit_rows) AS visit_rows,
            sum(g.visits_delta) AS visits_delta, sum(g.conversions_delta) AS conversions_delta
        FROM (
            SELECT
                f.campaign_id, f.link_id, f.utm_source, f.utm_medium, f.utm_campaign,
                NULL::bigint AS stored_visits, NULL::bigint AS stored_conversions,
                count(f.session_key) AS visits, CAST(sum(f.entries) AS bigint) AS entries,
                CAST(sum(f.visit_rows) AS bigint) AS visit_rows,
                0::bigint AS visits_delta, 0::bigint AS conversions_delta
            FROM folded AS f
            GROUP BY f.campaign_id, f.link_id, f.utm_source, f.utm_medium, f.utm_campaign
            UNION ALL
            SELECT
                m.campaign_id, m.marketing_campaign_link_id, m.utm_source, m.utm_medium, m.utm_campaign,
                m.visits, m.conversions,
                CASE WHEN sealed THEN m.visits ELSE 0 END, CASE WHEN sealed THEN m.conversions ELSE 0 END, 0, 0, 0
            FROM public.marketing_stats_daily AS m
            WHERE m.client_id = client AND m.bucket_date = explained_day
            UNION ALL
            SELECT
                a.campaign_id, a.marketing_campaign_link_id, eventflow_stats.utm_value(a.utm_source),
                eventflow_stats.utm_value(a.utm_medium), eventflow_stats.utm_value(a.utm_campaign),
                NULL, NULL, 0, 0, 0, a.visits_delta, a.conversions_delta
            FROM eventflow_stats.adjustments AS a
            WHERE a.client_id = client AND a.bucket_date = explained_day AND a.reverted_at IS NULL
            UNION ALL
            -- Rows that no fact gave, and that a repair took away: what happened to them is asked for, too.
            SELECT
                d.campaign_id, d.marketing_campaign_link_id, d.utm_source, d.utm_medium, d.utm_campaign,
                NULL, NULL, 0, 0, NULL, 0, 0
            FROM eventflow_stats.discrepancies AS d
            WHERE d.client_id = client AND d.bucket_date = explained_day AND d.true_visits IS NULL
        ) AS g
        GROUP BY g.campaign_id, g.link_id, g.utm_source, g.utm_medium, g.utm_campaign
    ), matched AS MATERIALIZED (
        SELECT
            g.*, c.name AS campaign_name, l.name AS link_name,
            coalesce(g.stored_visits, 0) = g.visits AND coalesce(g.stored_conversions, 0) = g.conversions
                AND (g.stored_visits IS NOT NULL) = (g.visits + g.conversions > 0) AS agrees,
            CAST(eventflow_stats.is_asked(lower(asked_campaign), CAST(g.campaign_id AS text)) AS integer)
                + CAST(
                    eventflow_stats.is_asked(lower(asked_link), CAST(g.link_id AS text))
                    OR l.name IS NOT NULL AND l.name IS NOT DISTINCT FROM eventflow_stats.asked_text(asked_link)
                    AS integer
                )
                + CAST(eventflow_stats.is_asked(asked_source, g.utm_source) AS integer)
                + CAST(eventflow_stats.is_asked(asked_medium, g.utm_medium) AS integer)
                + CAST(eventflow_stats.is_asked(asked_utm_campaign, g.utm_campaign) AS integer) AS closeness
        FROM groups AS g
        LEFT JOIN eventflow_stats.campaign_names AS c ON c.campaign_id = g.campaign_id AND c.client_id = client
        LEFT JOIN eventflow_stats.link_names AS l ON l.link_id = g.link_id AND l.client_id = client
    ), listed AS (
        SELECT
            x.closeness,
            row_number() OVER (
                ORDER BY x.closeness DESC, greatest(x.visits, x.stored_visits) DESC,
                    greatest(x.conversions, x.stored_conversions) DESC, x.campaign_id, x.link_id,
                    x.utm_source COLLATE "C", x.utm_medium COLLATE "C", x.utm_campaign COLLATE "C"
            ) AS place,
            json_build_object(
                'campaign_id', x.campaign_id, 'campaign_name', x.campaign_name,
                'link_id', x.link_id, 'link_name', x.link_name,
                'utm_source', x.utm_source, 'utm_medium', x.utm_medium, 'utm_campaign', x.utm_campaign,
                'stored_visits', x.stored_visits, 'stored_conversions', x.stored_conversions,
                'visits', x.visits, 'conversions', x.conversions, 'agrees', x.agrees,
                'visits_delta', x.visits_delta, 'conversions_delta', x.conversions_delta
            ) AS message
        FROM matched AS x
    )
    SELECT
        (SELECT count(*) FROM matched AS x WHERE x.closeness = 5) AS matching,
        (SELECT count(*) FROM matched AS x WHERE x.closeness = 5 AND NOT x.agrees) AS different,
        (
            SELECT coalesce(json_agg(x.message ORDER BY x.place) FILTER (WHERE x.closeness = 5), '[]')
            FROM listed AS x WHERE x.place <= 50
        ) AS groups,
        (
            SELECT coalesce(json_agg(x.message ORDER BY x.place) FILTER (WHERE x.closeness < 5), '[]')
            FROM listed AS x WHERE x.place <= 5
        ) AS nearest,
        (
            SELECT json_build_object(
                'groups', count(x.visit_rows), 'groups_that_differ', count(*) FILTER (WHERE NOT x.agrees),
                'stored_visits', coalesce(sum(x.stored_visits), 0),
                'stored_conversions', coalesce(sum(x.stored_conversions), 0),
                'visits', coalesce(sum(x.visits), 0), 'conversions', coalesce(sum(x.conversions), 0),
                'visit_rows', coalesce(sum(x.visit_rows), 0), 'entries', coalesce(sum(x.conversions), 0)
            )
            FROM matched AS x
        ) AS day,
        (SELECT coalesce(bit_xor(f.fingerprint), 0) FROM facts AS f) AS fingerprint
    INTO message;

    SELECT
        coalesce(s.computed_at, d.rebuilt_at) AS computed_at,
        s.stale_since,
        s.stale_reason,
        d.held_at,
        d.seal_broken_at,
        CASE
            WHEN coalesce(s.computed_at, d.rebuilt_at) IS NULL THEN 'never_computed'
            WHEN s.stale_since IS NOT NULL THEN 'due'
            WHEN coalesce(s.fingerprint, 0) <> message.fingerprint THEN 'facts_changed'
            ELSE 'computed'
        END AS state,
        json_build_object(
            'computed_at', eventflow_stats.instant_text(coalesce(s.computed_at, d.rebuilt_at)),
            'visit_rows', coalesce(s.visit_facts, 0),
            'entries', coalesce(s.conversion_facts, 0),
            'facts_changed_since', NOT sealed AND coalesce(s.computed_at, d.rebuilt_at) IS NOT NULL
                AND coalesce(s.fingerprint, 0) <> message.fingerprint,
            'stale_since', eventflow_stats.instant_text(s.stale_since),
            'stale_reason', s.stale_reason,
            'verified_at', eventflow_stats.instant_text(greatest(s.verified_at, d.whole_verified_at)),
            'verified_since_computed', coalesce(
                greatest(s.verified_at, d.whole_verified_at) >= coalesce(s.computed_at, d.rebuilt_at), false
            ),
            'unresolved_facts_of_the_day', coalesce(d.unresolved_facts, 0),
            'held_at', eventflow_stats.instant_text(d.held_at),
            'sealed_at', eventflow_stats.instant_text(d.sealed_at),
            'late_facts_of_the_day', coalesce(d.late_facts, 0)
        ) AS message
    INTO ledger
    FROM (SELECT) AS one
    LEFT JOIN eventflow_stats.client_days AS s ON s.client_id = client AND s.bucket_date = explained_day
    LEFT JOIN eventflow_stats.days AS d ON d.bucket_date = explained_day;

    IF message.matching = 1 THEN
        key := message.groups -> 0;
        IF NOT sealed THEN
            facts := eventflow_stats.explain_facts(
                client, explained_day, starts, CAST(key ->> 'campaign_id' AS uuid), CAST(key ->> 'link_id' AS uuid),
                key ->> 'utm_source', key ->> 'utm_medium', key ->> 'utm_campaign'
            );
        END IF;
    END IF;
    RETURN json_build_object(
        'client_id', client,
        'client_name', (SELECT c.name FROM eventflow_stats.client_names AS c WHERE c.client_id = client),
        'day', explained_day,
        'timezone', (SELECT d.bucket_timezone FROM eventflow_stats.deployment AS d),
        'window', json_build_object(
            'from', eventflow_stats.instant_text(starts[2]), 'to', eventflow_stats.instant_text(starts[3])
        ),
        'of_the_day', message.day,
        'ledger', ledger.message,
        'matching', message.matching,
        'matching_that_differ', message.different,
        'groups', message.groups,
        'nearest', CASE WHEN message.matching = 0 THEN message.nearest ELSE '[]' END,
        'explanation', CASE WHEN message.matching = 1 THEN (
            SELECT json_build_object(
                'stored', (
                    SELECT json_build_object(
                        'visits', m.visits, 'conversions', m.conversions, 'cvr', m.cvr,
                        'first_aggregated_at', eventflow_stats.instant_text(m.first_aggregated_at),
                        'last_aggregated_at', eventflow_stats.instant_text(m.last_aggregated_at)
                    )
                    FROM public.marketing_stats_daily AS m
                    WHERE m.client_id = client AND m.bucket_date = explained_day
                        AND m.campaign_id IS NOT DISTINCT FROM k.campaign_id
                        AND m.marketing_campaign_link_id IS NOT DISTINCT FROM k.link_id
                        AND m.utm_source IS NOT DISTINCT FROM k.utm_source
                        AND m.utm_medium IS NOT DISTINCT FROM k.utm_medium
                        AND m.utm_campaign IS NOT DISTINCT FROM k.utm_campaign
                ),
                'measured', CASE WHEN NOT sealed THEN json_build_object(
                    'visits', k.visits, 'conversions', k.conversions, 'cvr', eventflow_stats.rate(k.conversions, k.visits)
                ) END,
                'agrees', k.agrees,
                'result', CASE
                    WHEN EXISTS (SELECT FROM eventflow_stats.progress AS u WHERE u.unverifiable_since IS NOT NULL)
                        THEN 'unverifiable: facts may be hidden, so neither number can be trusted'
                    WHEN ledger.seal_broken_at IS NOT NULL
                        THEN 'the day is sealed, and rows of it were edited since: the number cannot be trusted'
                    WHEN sealed
                        THEN 'the day is sealed: its numbers are those of its last verification, and its facts are not'
                            || ' counted again'
                    WHEN ledger.held_at IS NOT NULL AND NOT k.agrees
                        THEN 'the day is held: too many of its facts disappeared, and its numbers stay until an operator'
                            || ' accepts that or the facts are back'
                    WHEN k.agrees AND k.stored_visits IS NULL AND k.visits_delta = 0 AND k.conversions_delta = 0
                        THEN 'neither the rollup nor the facts know this group: its row was wrong, and is gone'
                    WHEN k.agrees AND k.stored_visits IS NULL
                        THEN 'neither the rollup nor the facts know this group, only adjustments do'
                    WHEN k.agrees THEN 'the rollup equals the facts'
                    WHEN ledger.state = 'never_computed' THEN 'the day was never computed: the rollup does not count yet'
                    WHEN ledger.state = 'due'
                        THEN 'the rollup is behind the facts and due to be recomputed (' || ledger.stale_reason || ')'
                    WHEN ledger.state = 'facts_changed'
                        THEN 'the facts changed after the day was computed, and nothing has noticed yet'
                    ELSE 'the rollup is wrong: it was computed from these very facts and says something else'
                END,
                'counted', facts -> 'counted',
                'link_rules', facts -> 'link_rules',
                'elsewhere', facts -> 'elsewhere',
                'neighbours', coalesce(facts -> 'neighbours', json '[]'),
                'neighbours_in_all', coalesce(facts -> 'neighbours_in_all', json '0'),
                'neighbouring_days', coalesce(facts -> 'neighbouring_days', json '[]'),
                'discrepancies', (
                    SELECT coalesce(json_agg(
                        json_build_object(
                            'discrepancy_id', x.discrepancy_id,
                            'found_at', eventflow_stats.instant_text(x.found_at),
                            'stored_visits', x.stored_visits, 'stored_conversions', x.stored_conversions,
                            'true_visits', x.true_visits, 'true_conversions', x.true_conversions,
                            'repaired_at', eventflow_stats.instant_text(x.repaired_at), 'repaired_by', x.repaired_by
                        )
                        ORDER BY x.discrepancy_id DESC
                    ), '[]')
                    FROM (
                        SELECT * FROM eventflow_stats.discrepancies AS y
                        WHERE y.client_id = client AND y.bucket_date = explained_day
                            AND y.campaign_id IS NOT DISTINCT FROM k.campaign_id
                            AND y.marketing_campaign_link_id IS NOT DISTINCT FROM k.link_id
                            AND y.utm_source IS NOT DISTINCT FROM k.utm_source
                            AND y.utm_medium IS NOT DISTINCT FROM k.utm_medium
                            AND y.utm_campaign IS NOT DISTINCT FROM k.utm_campaign
                        ORDER BY y.repaired_at IS NOT NULL, y.discrepancy_id DESC
                        LIMIT 20
                    ) AS x
                ),
                'adjustments', (
                    SELECT coalesce(json_agg(
                        json_build_object(
                            'adjustment_id', a.adjustment_id, 'visits_delta', a.visits_delta,
                            'conversions_delta', a.conversions_delta, 'reason', a.reason,
                            'created_at', eventflow_stats.instant_text(a.created_at)
                        )
                        ORDER BY a.adjustment_id
                    ), '[]')
                    FROM eventflow_stats.adjustments AS a
                    WHERE a.client_id = client AND a.bucket_date = explained_day AND a.reverted_at IS NULL
                        AND a.campaign_id IS NOT DISTINCT FROM k.campaign_id
                        AND a.marketing_campaign_link_id IS NOT DISTINCT FROM k.link_id
                        AND eventflow_stats.utm_value(a.utm_source) IS NOT DISTINCT FROM k.utm_source
                        AND eventflow_stats.utm_value(a.utm_medium) IS NOT DISTINCT FROM k.utm_medium
                        AND eventflow_stats.utm_value(a.utm_campaign) IS NOT DISTINCT FROM k.utm_campaign
                )
            )
            FROM json_to_record(key) AS k (
                campaign_id uuid, link_id uuid, utm_source text, utm_medium text, utm_campaign text,
                stored_visits bigint, visits bigint, conversions bigint, agrees boolean,
                visits_delta bigint, conversions_delta bigint
            )
        ) END
    );
END
$$;

-- The members' way in: may the caller read the client, then the core.
CREATE OR REPLACE FUNCTION eventflow_stats.read_explain(
    client uuid, asked_day date, asked_campaign text, asked_link text,
    asked_source text, asked_medium text, asked_utm_campaign text
)
    RETURNS json
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    asked record;
BEGIN
    SELECT * INTO asked FROM eventflow_stats.open_reading(client, asked_day, asked_day);
    RETURN eventflow_stats.explain_day(
        client, asked.last_day, asked_campaign, asked_link, asked_source, asked_medium, asked_utm_campaign
    );
END
$$;

REVOKE ALL ON FUNCTION
    eventflow_stats.asked_text, eventflow_stats.is_asked, eventflow_stats.attributed_facts, eventflow_stats.first_ids,
    eventflow_stats.explain_facts, eventflow_stats.explain_day, eventflow_stats.read_explain
    FROM PUBLIC;
-- explain_day runs as who calls it, so that the engine reads the rollup by its own policy.
GRANT EXECUTE ON FUNCTION
    eventflow_stats.asked_text, eventflow_stats.is_asked, eventflow_stats.attributed_facts, eventflow_stats.first_ids,
    eventflow_stats.explain_facts, eventflow_stats.explain_day, eventflow_stats.rate, eventflow_stats.instant_text
    TO eventflow_stats_engine;
GRANT EXECUTE ON FUNCTION eventflow_stats.read_explain TO authenticated, service_role;

RESET ROLE;
REVOKE CREATE ON SCHEMA eventflow_stats FROM eventflow_stats_reader;
