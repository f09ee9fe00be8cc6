-- Manual adjustments: signed changes beside the measured numbers, written through two functions and never rewritten.
--
-- eventflow_stats.add_adjustment adds one, eventflow_stats.revert_adjustment reverts one; both return its row. Only
-- eventflow_stats_engine (the command line) may call them, in a READ COMMITTED transaction. Errors, each in one line
-- that says what would be right: PT400 the adjustment is not possible; PT409 the same one is in force, or is already
-- reverted.

-- Whether a text has only blanks, of any kind; NULL for NULL, which other checks refuse.
CREATE OR REPLACE FUNCTION eventflow_stats.is_blank(message text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    -- Spaces of every width, no-break spaces, line and paragraph separators, zero-width and filler letters.
    RETURN translate(
        message,
        E' \t\n\r\f\x0B\u0085\u00A0\u00AD\u034F\u061C\u115F\u1160\u1680\u17B4\u17B5\u180E'
        '\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200A\u200B\u200C\u200D\u200E\u200F'
        '\u2028\u2029\u202A\u202B\u202C\u202D\u202E\u202F\u205F\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069'
        '\u2800\u3000\u3164\uFEFF\uFFA0',
        ''
    ) = '';

-- Guards the table against everybody, its owner too: an adjustment is added once, reverted at most once, and else
-- unchanged.
CREATE OR REPLACE FUNCTION eventflow_stats.guard_adjustments() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    expected eventflow_stats.adjustments;
BEGIN
    IF TG_OP IN ('DELETE', 'TRUNCATE') THEN
        RAISE restrict_violation USING
            MESSAGE = 'adjustments are never deleted; revert one with eventflow_stats.revert_adjustment';
    END IF;
    IF TG_OP = 'INSERT' THEN
        PERFORM pg_advisory_xact_lock(hashtext('eventflow_stats.adjustments'));
        NEW.adjustment_id := coalesce((SELECT max(a.adjustment_id) FROM eventflow_stats.adjustments AS a), 0) + 1;
        NEW.created_at := now();
        NEW.recorded_by := session_user;
        NEW.reverted_at := NULL;
        NEW.reverted_by := NULL;
        NEW.reverted_reason := NULL;
        NEW.reverted_recorded_by := NULL;
        RETURN NEW;
    END IF;
    expected := OLD;
    expected.reverted_at := now();
    expected.reverted_by := NEW.reverted_by;
    expected.reverted_reason := NEW.reverted_reason;
    expected.reverted_recorded_by := session_user;
    NEW.reverted_at := expected.reverted_at;
    NEW.reverted_recorded_by := expected.reverted_recorded_by;
    IF OLD.reverted_at IS NOT NULL OR NEW IS DISTINCT FROM expected
        OR coalesce(NEW.reverted_by, '') !~ '[^[:space:]]' OR coalesce(NEW.reverted_reason, '') !~ '[^[:space:]]' THEN
        RAISE restrict_violation USING
            MESSAGE = 'adjustments are never rewritten; revert this one with eventflow_stats.revert_adjustment and add another';
    END IF;
    RETURN NEW;
END
$$;

-- Checks reason and author of what anybody writes, the owner too.
CREATE OR REPLACE FUNCTION eventflow_stats.check_adjustment_reason() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    -- guard_adjustments would record it as a new one, in force.
    IF TG_OP = 'INSERT' AND NEW.reverted_at IS NOT NULL THEN
        RAISE restrict_violation USING
            MESSAGE = 'a reverted adjustment cannot be recorded anew: it would count again; restore it with triggers disabled';
    END IF;
    IF eventflow_stats.is_blank(CASE TG_OP WHEN 'INSERT' THEN NEW.reason ELSE NEW.reverted_reason END) THEN
        RAISE SQLSTATE 'PT400' USING MESSAGE = format(
            'the reason is missing; say why the %s',
            CASE TG_OP WHEN 'INSERT' THEN 'number is adjusted' ELSE 'adjustment is reverted' END
        );
    END IF;
    IF eventflow_stats.is_blank(CASE TG_OP WHEN 'INSERT' THEN NEW.author ELSE NEW.reverted_by END) THEN
        RAISE SQLSTATE 'PT400' USING MESSAGE = format(
            'the author is missing; name the person who answers for the %s',
            CASE TG_OP WHEN 'INSERT' THEN 'adjustment' ELSE 'reverting' END
        );
    END IF;
    RETURN NEW;
END
$$;

-- The numbers of one group measured from its facts, and the sum of its adjustments in force. Measured, not read from
-- the rollup: a day that is not computed yet can be adjusted too. The settings are those of raw_groups.
CREATE OR REPLACE FUNCTION eventflow_stats.adjusted_group(
    client_id uuid, bucket_date date, campaign_id uuid, marketing_campaign_link_id uuid,
    utm_source text, utm_medium text, utm_campaign text,
    OUT measured_visits bigint, OUT measured_conversions bigint,
    OUT adjustments bigint, OUT visits_delta bigint, OUT conversions_delta bigint
)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_custom_plan
    SET enable_seqscan = off
    SET enable_hashjoin = off
    SET enable_mergejoin = off
    SET jit = off
    AS $$
#variable_conflict use_column
DECLARE
    client CONSTANT uuid := client_id;
    day CONSTANT date := bucket_date;
    day_begins CONSTANT timestamptz := eventflow_stats.day_start(bucket_date);
    day_ends CONSTANT timestamptz := eventflow_stats.day_start(bucket_date + 1);
    key CONSTANT record := ROW(
        campaign_id, marketing_campaign_link_id, eventflow_stats.utm_value(utm_source),
        eventflow_stats.utm_value(utm_medium), eventflow_stats.utm_value(utm_campaign)
    );
BEGIN
    SELECT count(DISTINCT v.session_key)
    INTO measured_visits
    FROM eventflow_stats.visit_facts AS v
    WHERE v.client_id = client AND v.event_at >= day_begins AND v.event_at < day_ends
        AND ROW(v.campaign_id, v.link_id, v.utm_source, v.utm_medium, v.utm_campaign) IS NOT DISTINCT FROM key;
    SELECT count(*)
    INTO measured_conversions
    FROM eventflow_stats.conversion_facts AS e
    WHERE e.client_id = client AND e.event_at >= day_begins AND e.event_at < day_ends
        AND ROW(e.campaign_id, e.link_id, e.utm_source, e.utm_medium, e.utm_campaign) IS NOT DISTINCT FROM key;
    SELECT count(*), coalesce(sum(a.visits_delta), 0), coalesce(sum(a.conversions_delta), 0)
    INTO adjustments, visits_delta, conversions_delta
    FROM eventflow_stats.adjustments AS a
    WHERE a.client_id = client AND a.bucket_date = day AND a.reverted_at IS NULL
        AND ROW(
            a.campaign_id, a.marketing_campaign_link_id, eventflow_stats.utm_value(a.utm_source),
            eventflow_stats.utm_value(a.utm_medium), eventflow_stats.utm_value(a.utm_campaign)
        ) IS NOT DISTINCT FROM key;
END
$$;

-- Refuses a change that would make a number of a group negative. It may be negative already, if facts disappeared after
-- an adjustment; a change upwards is always accepted.
CREATE OR REPLACE FUNCTION eventflow_stats.check_not_below_zero(
    measure text, measured bigint, others bigint, change bigint, remedy text
) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF change < 0 AND measured + others + change < 0 THEN
        RAISE SQLSTATE 'PT400' USING MESSAGE = format(
            '%s of this group would be %s: %s measured, %s by the adjustments in force, %s by this; %s',
            measure, measured + others + change, measured, to_char(others, 'FMSG9999999999999990'),
            to_char(change, 'FMSG9999999999999990'), remedy
        );
    END IF;
END
$$;

-- One writer at a time: of two adjustments that are each possible, both together may be too much.
CREATE OR REPLACE FUNCTION eventflow_stats.lock_adjustments() RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    -- In REPEATABLE READ, the rows read after the wait would be those from before it.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE SQLSTATE 'PT400' USING MESSAGE = format(
            'the transaction is %s; adjustments are written in READ COMMITTED', upper(current_setting('transaction_isolation'))
        );
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('eventflow_stats.adjustments'));
END
$$;

CREATE OR REPLACE FUNCTION eventflow_stats.add_adjustment(
    client_id uuid, bucket_date date, visits_delta bigint, conversions_delta bigint, reason text, author text,
    campaign_id uuid DEFAULT NULL, marketing_campaign_link_id uuid DEFAULT NULL,
    utm_source text DEFAULT NULL, utm_medium text DEFAULT NULL, utm_campaign text DEFAULT NULL,
    again boolean DEFAULT false
) RETURNS eventflow_stats.adjustments
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    asked eventflow_stats.adjustments;
    most CONSTANT bigint := 1000000000;
    today date;
    owner uuid;
    twin bigint;
    progress record;
    remedy text;
BEGIN
    asked.client_id := client_id;
    asked.bucket_date := bucket_date;
    asked.campaign_id := campaign_id;
    asked.marketing_campaign_link_id := marketing_campaign_link_id;
    asked.utm_source := eventflow_stats.utm_value(utm_source);
    asked.utm_medium := eventflow_stats.utm_value(utm_medium);
    asked.utm_campaign := eventflow_stats.utm_value(utm_campaign);
    asked.visits_delta := coalesce(visits_delta, 0);
    asked.conversions_delta := coalesce(conversions_delta, 0);
    asked.reason := btrim(reason, E' \t\n\r\f\x0B');
    asked.author := btrim(author, E' \t\n\r\f\x0B');

    IF coalesce(asked.reason, '') = '' THEN
        RAISE SQLSTATE 'PT400' USING MESSAGE = 'the reason is missing; say why the number is adjusted';
    END IF;
    IF coalesce(asked.author, '') = '' THEN
        RAISE SQLSTATE 'PT400' USING MESSAGE = 'the author is missing; name the person who answers for the adjustment';
    END IF;
    IF asked.visits_delta = 0 AND asked.conversions_delta = 0 THEN
        RAISE SQLSTATE 'PT400' USING
            MESSAGE = 'the adjustment changes nothing; give visits or conversions to add (+3) or to take away (-3)';
    END IF;
    IF greatest(asked.visits_delta, asked.conversions_delta) > most
        OR least(asked.visits_delta, asked.conversions_delta) < -most THEN
        RAISE SQLSTATE 'PT400' USING MESSAGE = format('the adjustment is too large; %s at most, either way', most);
    END IF;
    IF NOT EXISTS (SELECT FROM eventflow_stats.client_names AS c WHERE c.client_id = asked.client_id) THEN
        RAISE SQLSTATE 'PT400' USING
            MESSAGE = format('client %s is unknown; give the id of a client', coalesce(asked.client_id::text, 'NULL'));
    END IF;
    SELECT CAST(statement_timestamp() AT TIME ZONE d.bucket_timezone AS date) INTO STRICT today
    FROM eventflow_stats.deployment AS d;
    IF asked.bucket_date IS NULL OR asked.bucket_date NOT BETWEEN date '0001-01-01' AND today THEN
        RAISE SQLSTATE 'PT400' USING MESSAGE = format(
            'day %s cannot be adjusted; give a day up to today, %s',
            coalesce(CASE WHEN isfinite(asked.bucket_date) THEN to_char(asked.bucket_date, 'YYYY-MM-DD') END, 'NULL'),
            to_char(today, 'YYYY-MM-DD')
        );
    END IF;
    IF asked.campaign_id IS NOT NULL THEN
        SELECT c.client_id INTO owner FROM eventflow_stats.client_campaigns AS c WHERE c.campaign_id = asked.campaign_id;
        IF owner IS DISTINCT FROM asked.client_id THEN
            RAISE SQLSTATE 'PT400' USING MESSAGE = format(
                'campaign %s is %s; give a campaign of client %s', asked.campaign_id,
                CASE WHEN owner IS NULL THEN 'no client''s' ELSE 'another client''s' END, asked.client_id
            );
        END IF;
    END IF;
    IF asked.marketing_campaign_link_id IS NOT NULL THEN
        SELECT d.client_id INTO owner
        FROM eventflow_stats.link_details AS d WHERE d.link_id = asked.marketing_campaign_link_id;
        IF owner IS DISTINCT FROM asked.client_id THEN
            RAISE SQLSTATE 'PT400' USING MESSAGE = format(
                'link %s is %s; give a link of client %s', asked.marketing_campaign_link_id,
                CASE WHEN owner IS NULL THEN 'no client''s' ELSE 'another client''s' END, asked.client_id
            );
        END IF;
    END IF;

    PERFORM eventflow_stats.lock_adjustments();
    SELECT a.adjustment_id INTO twin
    FROM eventflow_stats.adjustments AS a
    WHERE a.client_id = asked.client_id AND a.bucket_date = asked.bucket_date AND a.reverted_at IS NULL
        AND ROW(
            a.campaign_id, a.marketing_campaign_link_id, a.utm_source, a.utm_medium, a.utm_campaign,
            a.visits_delta, a.conversions_delta, a.reason, a.author
        ) IS NOT DISTINCT FROM ROW(
            asked.campaign_id, asked.marketing_campaign_link_id, asked.utm_source, asked.utm_medium, asked.utm_campaign,
            asked.visits_delta, asked.conversions_delta, asked.reason, asked.author
        )
    ORDER BY a.adjustment_id
    LIMIT 1;
    IF twin IS NOT NULL AND NOT coalesce(again, false) THEN
        RAISE SQLSTATE 'PT409' USING MESSAGE = format(
            'adjustment %s is the same and in force; say again (--again) if this one comes on top', twin
        );
    END IF;
    progress := eventflow_stats.adjusted_group(
        asked.client_id, asked.bucket_date, asked.campaign_id, asked.marketing_campaign_link_id,
        asked.utm_source, asked.utm_medium, asked.utm_campaign
    );
    -- Part of a group's key is the key of another group.
    remedy := CASE
        WHEN progress.measured_visits + progress.measured_conversions = 0
            THEN 'a group is named by its campaign, link and all three UTM, and what is left out means absent'
        ELSE 'take away no more than there is'
    END;
    PERFORM eventflow_stats.check_not_below_zero(
        'visits', progress.measured_visits, progress.visits_delta, asked.visits_delta, remedy
    );
    PERFORM eventflow_stats.check_not_below_zero(
        'conversions', progress.measured_conversions, progress.conversions_delta, asked.conversions_delta, remedy
    );

    INSERT INTO eventflow_stats.adjustments AS a (
        client_id, bucket_date, campaign_id, marketing_campaign_link_id, utm_source, utm_medium, utm_campaign,
        visits_delta, conversions_delta, reason, author
    )
    VALUES (
        asked.client_id, asked.bucket_date, asked.campaign_id, asked.marketing_campaign_link_id,
        asked.utm_source, asked.utm_medium, asked.utm_campaign,
        asked.visits_delta, asked.conversions_delta, asked.reason, asked.author
    )
    RETURNING a.* INTO asked;
    RETURN asked;
END
$$;

CREATE OR REPLACE FUNCTION eventflow_stats.revert_adjustment(adjustment_id bigint, author text, reason text)
    RETURNS eventflow_stats.adjustments
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    wanted CONSTANT bigint := adjustment_id;
    standing eventflow_stats.adjustments;
    why CONSTANT text := btrim(reason, E' \t\n\r\f\x0B');
    who CONSTANT text := btrim(author, E' \t\n\r\f\x0B');
    progress record;
    remedy CONSTANT text := 'first revert the adjustments that take away from it';
BEGIN
    IF coalesce(why, '') = '' THEN
        RAISE SQLSTATE 'PT400' USING MESSAGE = 'the reason is missing; say why the adjustment is reverted';
    END IF;
    IF coalesce(who, '') = '' THEN
        RAISE SQLSTATE 'PT400' USING MESSAGE = 'the author is missing; name the person who answers for the reverting';
    END IF;
    PERFORM eventflow_stats.lock_adjustments();
    SELECT a.* INTO standing FROM eventflow_stats.adjustments AS a WHERE a.adjustment_id = wanted;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'PT400' USING MESSAGE = format(
            'there is no adjustment %s; `eventflow-stats adjustments` lists them', coalesce(wanted::text, 'NULL')
        );
    END IF;
    IF standing.reverted_at IS NOT NULL THEN
        RAISE SQLSTATE 'PT409' USING MESSAGE = format(
            'adjustment %s was reverted already, by %s at %s UTC; to have it in force again, add it again',
            wanted, standing.reverted_by, to_char(standing.reverted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')
        );
    END IF;
    progress := eventflow_stats.adjusted_group(
        standing.client_id, standing.bucket_date, standing.campaign_id, standing.marketing_campaign_link_id,
        standing.utm_source, standing.utm_medium, standing.utm_campaign
    );
    PERFORM eventflow_stats.check_not_below_zero(
        'visits', progress.measured_visits, progress.visits_delta, -standing.visits_delta, remedy
    );
    PERFORM eventflow_stats.check_not_below_zero(
        'conversions', progress.measured_conversions, progress.conversions_delta, -standing.conversions_delta, remedy
    );
    UPDATE eventflow_stats.adjustments AS a
    SET reverted_at = now(), reverted_by = who, reverted_reason = why
    WHERE a.adjustment_id = wanted
    RETURNING a.* INTO standing;
    RETURN standing;
END
$$;

REVOKE ALL ON FUNCTION
    eventflow_stats.adjusted_group, eventflow_stats.check_not_below_zero, eventflow_stats.lock_adjustments,
    eventflow_stats.add_adjustment, eventflow_stats.revert_adjustment
    FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION
    eventflow_stats.adjusted_group, eventflow_stats.lock_adjustments,
    eventflow_stats.add_adjustment, eventflow_stats.revert_adjustment
    TO eventflow_stats_engine;

REVOKE ALL ON FUNCTION eventflow_stats.is_blank, eventflow_stats.check_adjustment_reason FROM PUBLIC;
