-- The only doors to facts, and the counters that tell that facts changed. The owner of the product tables owns the
-- views, so the engine's role reads facts through them and has no right on any product table. A view reads the tables
-- that have the product's names when it is made: `migrate` makes it again after the product replaced a table.

-- The links of a client whose cid is not stored as the product writes it, trimmed and in upper case: usually none, and no
-- row. by_cid has each by its cid as stored, by_code by the cid as it should be; of several the one of the smallest id.
-- A fact gets the link that is stored with it, else the one of exactly its cid, else the one of its cid trimmed and in
-- upper case, stored so or not. One row per client, looked up once for each campaign: a fact is never matched twice, and
-- pays nothing.
CREATE OR REPLACE VIEW eventflow_stats.odd_link_cids AS
SELECT
    client_id,
    jsonb_object_agg(cid, id ORDER BY id DESC) AS by_cid,
    jsonb_object_agg(upper(btrim(cid, E' \t\n\r\f\x0B')), id ORDER BY id DESC) AS by_code
FROM public.campaign_link_meta
WHERE cid <> upper(btrim(cid, E' \t\n\r\f\x0B')) AND btrim(cid, E' \t\n\r\f\x0B') <> ''
GROUP BY client_id;

-- visit_facts is a UNION ALL of campaign rows and webinar-only rows so that a condition on client_id
-- reaches the index on (campaign_id, accessed_at): coalesce() of two clients would hide it.
-- A cid is trimmed of every whitespace character: btrim() alone takes only blanks, and codes are pasted.
-- fact_version is the row version (xmin) of the fact: it tells an updated fact from the one computed.
CREATE OR REPLACE VIEW eventflow_stats.visit_facts AS
SELECT
    v.id AS fact_id,
    campaign.client_id,
    v.campaign_id,
    coalesce(
        v.marketing_campaign_link_id,
        CAST(odd.by_cid ->> v.cid AS uuid),
        link.id,
        CAST(odd.by_code ->> upper(btrim(v.cid, E' \t\n\r\f\x0B')) AS uuid)
    ) AS link_id,
    eventflow_stats.utm_value(v.utm_source) AS utm_source,
    eventflow_stats.utm_value(v.utm_medium) AS utm_medium,
    eventflow_stats.utm_value(v.utm_campaign) AS utm_campaign,
    coalesce(nullif(v.session_id, ''), v.id::text) AS session_key,
    v.accessed_at AS event_at,
    v.created_at AS ingested_at,
    v.xmin AS fact_version
FROM public.event_access_logs AS v
LEFT JOIN (
    public.event_survey_campaigns AS campaign
    LEFT JOIN eventflow_stats.odd_link_cids AS odd ON odd.client_id = campaign.client_id
) ON campaign.id = v.campaign_id
LEFT JOIN public.campaign_link_meta AS link
    ON v.marketing_campaign_link_id IS NULL
    AND link.client_id = campaign.client_id
    AND link.cid = upper(btrim(v.cid, E' \t\n\r\f\x0B'))
WHERE v.campaign_id IS NOT NULL
UNION ALL
SELECT
    v.id,
    webinar.client_id,
    NULL::uuid,
    coalesce(
        v.marketing_campaign_link_id,
        CAST(odd.by_cid ->> v.cid AS uuid),
        link.id,
        CAST(odd.by_code ->> upper(btrim(v.cid, E' \t\n\r\f\x0B')) AS uuid)
    ),
    eventflow_stats.utm_value(v.utm_source),
    eventflow_stats.utm_value(v.utm_medium),
    eventflow_stats.utm_value(v.utm_campaign),
    coalesce(nullif(v.session_id, ''), v.id::text),
    v.accessed_at,
    v.created_at,
    v.xmin
FROM public.event_access_logs AS v
LEFT JOIN (
    public.webinars AS webinar
    LEFT JOIN eventflow_stats.odd_link_cids AS odd ON odd.client_id = webinar.client_id
) ON webinar.id = v.webinar_id
LEFT JOIN public.campaign_link_meta AS link
    ON v.marketing_campaign_link_id IS NULL
    AND link.client_id = webinar.client_id
    AND link.cid = upper(btrim(v.cid, E' \t\n\r\f\x0B'))
WHERE v.campaign_id IS NULL;

CREATE OR REPLACE VIEW eventflow_stats.conversion_facts AS
SELECT
    e.id AS fact_id,
    campaign.client_id,
    e.campaign_id,
    coalesce(
        e.marketing_campaign_link_id,
        CAST(odd.by_cid ->> (e.registration_data ->> 'cid') AS uuid),
        link.id,
        CAST(odd.by_code ->> upper(btrim(e.registration_data ->> 'cid', E' \t\n\r\f\x0B')) AS uuid)
    ) AS link_id,
    eventflow_stats.utm_value(e.utm_source) AS utm_source,
    eventflow_stats.utm_value(e.utm_medium) AS utm_medium,
    eventflow_stats.utm_value(e.utm_campaign) AS utm_campaign,
    e.created_at AS event_at,
    e.created_at AS ingested_at,
    e.xmin AS fact_version
FROM public.event_survey_entries AS e
LEFT JOIN (
    public.event_survey_campaigns AS campaign
    LEFT JOIN eventflow_stats.odd_link_cids AS odd ON odd.client_id = campaign.client_id
) ON campaign.id = e.campaign_id
LEFT JOIN public.campaign_link_meta AS link
    ON e.marketing_campaign_link_id IS NULL
    AND link.client_id = campaign.client_id
    AND link.cid = upper(btrim(e.registration_data ->> 'cid', E' \t\n\r\f\x0B'));

-- Two more doors to facts: how each got its session, link and day, which no number of the rollup needs. They must equal
-- visit_facts and conversion_facts in every column that both have; another product writes them as well. cid_link_id is
-- the link that the cid names, whether it counted or not; is_linked: some visit, of whatever day, says that it became
-- this entry.
-- A UNION ALL for the reason told there: a condition on client_id reaches the index on (campaign_id, accessed_at).
CREATE OR REPLACE VIEW eventflow_stats.visit_attribution AS
SELECT
    v.id AS fact_id,
    campaign.client_id,
    v.campaign_id,
    coalesce(
        v.marketing_campaign_link_id,
        CAST(odd.by_cid ->> v.cid AS uuid),
        link.id,
        CAST(odd.by_code ->> upper(btrim(v.cid, E' \t\n\r\f\x0B')) AS uuid)
    ) AS link_id,
    eventflow_stats.utm_value(v.utm_source) AS utm_source,
    eventflow_stats.utm_value(v.utm_medium) AS utm_medium,
    eventflow_stats.utm_value(v.utm_campaign) AS utm_campaign,
    coalesce(nullif(v.session_id, ''), v.id::text) AS session_key,
    v.accessed_at AS event_at,
    v.xmin AS fact_version,
    coalesce(v.session_id, '') <> '' AS has_session,
    v.marketing_campaign_link_id AS stored_link_id,
    coalesce(btrim(v.cid, E' \t\n\r\f\x0B'), '') <> '' AS has_cid,
    coalesce(
        CAST(odd.by_cid ->> v.cid AS uuid),
        link.id,
        CAST(odd.by_code ->> upper(btrim(v.cid, E' \t\n\r\f\x0B')) AS uuid)
    ) AS cid_link_id
FROM public.event_access_logs AS v
LEFT JOIN (
    public.event_survey_campaigns AS campaign
    LEFT JOIN eventflow_stats.odd_link_cids AS odd ON odd.client_id = campaign.client_id
) ON campaign.id = v.campaign_id
LEFT JOIN public.campaign_link_meta AS link
    ON link.client_id = campaign.client_id AND link.cid = upper(btrim(v.cid, E' \t\n\r\f\x0B'))
WHERE v.campaign_id IS NOT NULL
UNION ALL
SELECT
    v.id,
    webinar.client_id,
    NULL::uuid,
    coalesce(
        v.marketing_campaign_link_id,
        CAST(odd.by_cid ->> v.cid AS uuid),
        link.id,
        CAST(odd.by_code ->> upper(btrim(v.cid, E' \t\n\r\f\x0B')) AS uuid)
    ),
    eventflow_stats.utm_value(v.utm_source),
    eventflow_stats.utm_value(v.utm_medium),
    eventflow_stats.utm_value(v.utm_campaign),
    coalesce(nullif(v.session_id, ''), v.id::text),
    v.accessed_at,
    v.xmin,
    coalesce(v.session_id, '') <> '',
    v.marketing_campaign_link_id,
    coalesce(btrim(v.cid, E' \t\n\r\f\x0B'), '') <> '',
    coalesce(
        CAST(odd.by_cid ->> v.cid AS uuid),
        link.id,
        CAST(odd.by_code ->> upper(btrim(v.cid, E' \t\n\r\f\x0B')) AS uuid)
    )
FROM public.event_access_logs AS v
LEFT JOIN (
    public.webinars AS webinar
    LEFT JOIN eventflow_stats.odd_link_cids AS odd ON odd.client_id = webinar.client_id
) ON webinar.id = v.webinar_id
LEFT JOIN public.campaign_link_meta AS link
    ON link.client_id = webinar.client_id AND link.cid = upper(btrim(v.cid, E' \t\n\r\f\x0B'))
WHERE v.campaign_id IS NULL;

-- No number needs completed_at, so a product without it is not refused.
DO $$
BEGIN
    EXECUTE format(
        $view$
        CREATE OR REPLACE VIEW eventflow_stats.conversion_attribution AS
        SELECT
            e.id AS fact_id,
            campaign.client_id,
            e.campaign_id,
            coalesce(
                e.marketing_campaign_link_id,
                CAST(odd.by_cid ->> (e.registration_data ->> 'cid') AS uuid),
                link.id,
                CAST(odd.by_code ->> upper(btrim(e.registration_data ->> 'cid', E' \t\n\r\f\x0B')) AS uuid)
            ) AS link_id,
            eventflow_stats.utm_value(e.utm_source) AS utm_source,
            eventflow_stats.utm_value(e.utm_medium) AS utm_medium,
            eventflow_stats.utm_value(e.utm_campaign) AS utm_campaign,
            e.created_at AS event_at,
            e.xmin AS fact_version,
            e.marketing_campaign_link_id AS stored_link_id,
            coalesce(btrim(e.registration_data ->> 'cid', E' \t\n\r\f\x0B'), '') <> '' AS has_cid,
            coalesce(
                CAST(odd.by_cid ->> (e.registration_data ->> 'cid') AS uuid),
                link.id,
                CAST(odd.by_code ->> upper(btrim(e.registration_data ->> 'cid', E' \t\n\r\f\x0B')) AS uuid)
            ) AS cid_link_id,
            EXISTS (SELECT FROM public.event_access_logs AS v WHERE v.entry_id = e.id) AS is_linked,
            %s AS completed_at
        FROM public.event_survey_entries AS e
        LEFT JOIN (
            public.event_survey_campaigns AS campaign
            LEFT JOIN eventflow_stats.odd_link_cids AS odd ON odd.client_id = campaign.client_id
        ) ON campaign.id = e.campaign_id
        LEFT JOIN public.campaign_link_meta AS link
            ON link.client_id = campaign.client_id
            AND link.cid = upper(btrim(e.registration_data ->> 'cid', E' \t\n\r\f\x0B'))
        $view$,
        CASE
            WHEN EXISTS (
                SELECT FROM pg_attribute
                WHERE attrelid = 'public.event_survey_entries'::regclass AND attname = 'completed_at'
                    AND atttypid = 'timestamptz'::regtype AND NOT attisdropped
            ) THEN 'e.completed_at'
            ELSE 'NULL::timestamptz'
        END
    );
END
$$;

-- PostgreSQL's row counters of the product's tables and of their partitions, in one row.
--   counters        which ones: numbers are compared with those of the same counters alone. Another text after a crash
--                   or a reset, which start them from nought, and after a table or partition was emptied (TRUNCATE),
--                   added, dropped or written anew
--   changed_rows    rows updated or deleted, and dimensions inserted: what no ingest time tells of
--   inserted_facts  rows inserted into the two tables of facts
-- A tripwire, not a verification: counters arrive late, and count what was rolled back.
-- Beside the views of facts, one more that another product writes for itself.
CREATE OR REPLACE VIEW eventflow_stats.row_changes AS
WITH RECURSIVE counted AS (
    SELECT
        c.oid, c.relfilenode, c.relname IN ('event_access_logs', 'event_survey_entries') AS is_facts
    FROM pg_class AS c
    WHERE c.relnamespace = 'public'::regnamespace
        AND c.relname IN (
            'event_access_logs', 'event_survey_entries', 'event_survey_campaigns', 'webinars', 'campaign_link_meta'
        )
    UNION
    SELECT c.oid, c.relfilenode, above.is_facts
    FROM counted AS above
    JOIN pg_inherits AS i ON i.inhparent = above.oid
    JOIN pg_class AS c ON c.oid = i.inhrelid
)
SELECT
    md5(concat_ws(
        ' ',
        string_agg(concat_ws(':', c.oid, c.relfilenode), ' ' ORDER BY c.oid),
        extract(epoch FROM pg_stat_get_db_stat_reset_time(
            (SELECT oid FROM pg_database WHERE datname = current_database())
        )),
        extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time())
    )) AS counters,
    CAST(coalesce(sum(
        pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid)
        + CASE WHEN c.is_facts THEN 0 ELSE pg_stat_get_tuples_inserted(c.oid) END
    ), 0) AS bigint) AS changed_rows,
    CAST(coalesce(sum(pg_stat_get_tuples_inserted(c.oid)) FILTER (WHERE c.is_facts), 0) AS bigint) AS inserted_facts
FROM counted AS c;

-- One row per day that sweeps look at: when it was last looked at, whoever did, and how long a sweep of it takes. A day
-- never measured takes as long as the longest that was; NULL where none was. A held day is one, a sealed day is not.
CREATE OR REPLACE VIEW eventflow_stats.days_for_sweep AS
SELECT
    bucket_date,
    greatest(rebuilt_at, swept_at, whole_verified_at) AS checked,
    coalesce(swept_seconds, max(swept_seconds) OVER ()) AS sweep_seconds,
    held_at IS NOT NULL AS is_held
FROM eventflow_stats.days
WHERE (rebuilt_at IS NOT NULL OR held_at IS NOT NULL) AND sealed_at IS NULL;

-- The second count: how many facts a stretch of time has in the product's own tables, for every verification of a whole
-- day. It shares the tables with the views of facts and nothing else: no view, no join, no dimension. So it finds facts
-- that a view loses or doubles. Another product writes it beside its views.
-- It runs as its owner, the owner of the product's tables, and PostgreSQL raises an error where a policy would hide rows
-- even from that one. The body is a text, bound to the tables by their names when it runs: the views are bound to the
-- tables that had the names when they were made. Planned for its very window, since PostgreSQL would otherwise assume one.
CREATE OR REPLACE FUNCTION eventflow_stats.count_facts(
    window_start timestamptz, window_end timestamptz, OUT visits bigint, OUT entries bigint
)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET row_security = off
    SET plan_cache_mode = force_custom_plan
    AS $$
BEGIN
    SELECT count(*) INTO visits FROM public.event_access_logs AS v
    WHERE v.accessed_at >= window_start AND v.accessed_at < window_end;
    SELECT count(*) INTO entries FROM public.event_survey_entries AS e
    WHERE e.created_at >= window_start AND e.created_at < window_end;
END
$$;

-- Facts of no day: without a time, where the product allows that, infinitely far away, or of a year that has no calendar
-- day in Python and Dagster. They are in no number. Everything as in count_facts; a BRIN index answers the conditions.
CREATE OR REPLACE FUNCTION eventflow_stats.count_facts_of_no_day(OUT visits bigint, OUT entries bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET row_security = off
    SET enable_seqscan = off
    AS $$
BEGIN
    SELECT count(*) INTO visits FROM public.event_access_logs AS v
    WHERE v.accessed_at IS NULL OR v.accessed_at < '0001-01-02 00:00Z' OR v.accessed_at >= '9999-12-31 00:00Z';
    SELECT count(*) INTO entries FROM public.event_survey_entries AS e
    WHERE e.created_at IS NULL OR e.created_at < '0001-01-02 00:00Z' OR e.created_at >= '9999-12-31 00:00Z';
END
$$;
REVOKE ALL ON FUNCTION eventflow_stats.count_facts, eventflow_stats.count_facts_of_no_day FROM PUBLIC;
GRANT EXECUTE ON FUNCTION eventflow_stats.count_facts, eventflow_stats.count_facts_of_no_day TO eventflow_stats_engine;

REVOKE ALL ON
    eventflow_stats.odd_link_cids, eventflow_stats.visit_facts, eventflow_stats.conversion_facts,
    eventflow_stats.visit_attribution, eventflow_stats.conversion_attribution, eventflow_stats.row_changes,
    eventflow_stats.days_for_sweep
    FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON
    eventflow_stats.visit_facts, eventflow_stats.conversion_facts,
    eventflow_stats.visit_attribution, eventflow_stats.conversion_attribution
    TO eventflow_stats_engine, eventflow_stats_reader;
GRANT SELECT ON eventflow_stats.row_changes, eventflow_stats.days_for_sweep TO eventflow_stats_engine;
