-- marketing_explain: how the number of one group came about. Members call it through eventflow_stats.read_explain; the
-- engine's operator calls explain_day itself.
--
-- Parameters: client_id uuid; day date in the bucket time zone, default today; campaign_id, link_id, utm_source,
-- utm_medium, utm_campaign text, each left out for any value. none or __null__ means the absent dimension. A value in
-- double quotes is taken literally: "none", "__null__". link_id may also be the name of a link.
-- One group that matches is explained. Where several match, or none, groups are listed.
--
-- The answer holds ids of facts, campaigns and links, names of campaigns and links, and counts. It holds no session,
-- name, phone number, mail address, registration data or referrer, and no author of an adjustment.
-- Errors: as in 10_read_answers.sql; PT400 also where a dimension is the empty text.

GRANT CREATE ON SCHEMA eventflow_stats TO eventflow_stats_reader;
SET ROLE eventflow_stats_reader;

-- A client-day as rollup, facts and ledger have it, the groups that match, and the explanation of the one that matches.
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
    found record;
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

    -- The facts of a sealed day are not counted, because they may be gone. The stored numbers are shown as measured.
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
            -- NULL: the row is gone from the rollup; only the ledger still has it.
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
            -- Rows without facts that a repair deleted: they can be asked for, too.
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
            ) AS as_json
        FROM matched AS x
    )
    SELECT
        (SELECT count(*) FROM matched AS x WHERE x.closeness = 5) AS matching,
        (SELECT count(*) FROM matched AS x WHERE x.closeness = 5 AND NOT x.agrees) AS different,
        (
            SELECT coalesce(json_agg(x.as_json ORDER BY x.place) FILTER (WHERE x.closeness = 5), '[]')
            FROM listed AS x WHERE x.place <= 50
        ) AS groups,
        (
            SELECT coalesce(json_agg(x.as_json ORDER BY x.place) FILTER (WHERE x.closeness < 5), '[]')
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
    INTO found;

    SELECT
        coalesce(s.computed_at, d.rebuilt_at) AS computed_at,
        s.stale_since,
        s.stale_reason,
        d.held_at,
        d.seal_broken_at,
        CASE
            WHEN coalesce(s.computed_at, d.rebuilt_at) IS NULL THEN 'missing'
            WHEN s.stale_since IS NOT NULL THEN 'stale'
            WHEN coalesce(s.fingerprint, 0) <> found.fingerprint THEN 'facts_changed'
            ELSE 'computed'
        END AS state,
        json_build_object(
            'computed_at', eventflow_stats.instant_text(coalesce(s.computed_at, d.rebuilt_at)),
            'visit_rows', coalesce(s.visit_facts, 0),
            'entries', coalesce(s.conversion_facts, 0),
            'facts_changed_since', NOT sealed AND coalesce(s.computed_at, d.rebuilt_at) IS NOT NULL
                AND coalesce(s.fingerprint, 0) <> found.fingerprint,
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
        ) AS as_json
    INTO ledger
    FROM (SELECT) AS one
    LEFT JOIN eventflow_stats.client_days AS s ON s.client_id = client AND s.bucket_date = explained_day
    LEFT JOIN eventflow_stats.days AS d ON d.bucket_date = explained_day;

    IF found.matching = 1 THEN
        key := found.groups -> 0;
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
        'of_the_day', found.day,
        'ledger', ledger.as_json,
        'matching', found.matching,
        'matching_that_differ', found.different,
        'groups', found.groups,
        'nearest', CASE WHEN found.matching = 0 THEN found.nearest ELSE '[]' END,
        'explanation', CASE WHEN found.matching = 1 THEN (
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
                        THEN 'the day is sealed, and its rows were edited since: the number cannot be trusted'
                    WHEN sealed
                        THEN 'the day is sealed: its numbers are those of its last verification, and its facts are not'
                            || ' counted again'
                    WHEN ledger.held_at IS NOT NULL AND NOT k.agrees
                        THEN 'the day is held: too many of its facts disappeared, and its numbers stay until an operator'
                            || ' accepts that or the facts are back'
                    WHEN k.agrees AND k.stored_visits IS NULL AND k.visits_delta = 0 AND k.conversions_delta = 0
                        THEN 'neither the rollup nor the facts have this group: its row was wrong, and was deleted'
                    WHEN k.agrees AND k.stored_visits IS NULL
                        THEN 'neither the rollup nor the facts have this group; only adjustments do'
                    WHEN k.agrees THEN 'the rollup equals the facts'
                    WHEN ledger.state = 'missing' THEN 'the day was never computed'
                    WHEN ledger.state = 'stale'
                        THEN 'the client-day is stale and will be recomputed (' || ledger.stale_reason || ')'
                    WHEN ledger.state = 'facts_changed'
                        THEN 'the facts changed after the client-day was computed, which was not detected yet'
                    ELSE 'the row is wrong: it differs from facts that have not changed'
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

-- The explanation for members: checks that the caller may read the client.
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
    eventflow_stats.explain_day, eventflow_stats.read_explain
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION eventflow_stats.explain_day TO eventflow_stats_engine;
GRANT EXECUTE ON FUNCTION eventflow_stats.read_explain TO authenticated, service_role;

RESET ROLE;
REVOKE CREATE ON SCHEMA eventflow_stats FROM eventflow_stats_reader;
