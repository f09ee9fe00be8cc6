-- A reason or an author of nothing but what cannot be seen is none. Migration 0013 looks for ASCII's blanks alone.

-- NULL for NULL, which others refuse.
CREATE OR REPLACE FUNCTION eventflow_stats.is_blank(message text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    -- Spaces of every width, the no-break ones, line and paragraph separators, zero-width and filler letters.
    RETURN translate(
        message,
        E' \t\n\r\f\x0B\u0085\u00A0\u00AD\u034F\u061C\u115F\u1160\u1680\u17B4\u17B5\u180E'
        '\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200A\u200B\u200C\u200D\u200E\u200F'
        '\u2028\u2029\u202A\u202B\u202C\u202D\u202E\u202F\u205F\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069'
        '\u2800\u3000\u3164\uFEFF\uFFA0',
        ''
    ) = '';

-- Whoever writes, the owner too, as guard_adjustments does for what is written already.
CREATE OR REPLACE FUNCTION eventflow_stats.check_adjustment_reason() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    -- guard_adjustments would record it anew, in force.
    IF TG_OP = 'INSERT' AND NEW.reverted_at IS NOT NULL THEN
        RAISE restrict_violation USING
            MESSAGE = 'a reverted adjustment cannot be recorded anew: it would count again; restore it with triggers disabled';
    END IF;
    IF eventflow_stats.is_blank(CASE TG_OP WHEN 'INSERT' THEN NEW.reason ELSE NEW.reverted_reason END) THEN
        RAISE SQLSTATE 'PT400' USING MESSAGE = format(
            'the reason is missing; say why the %s',
            CASE TG_OP WHEN 'INSERT' THEN 'number is corrected' ELSE 'adjustment is reverted' END
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
-- Before adjustments_guard, as its name has it: that one sees some of the blanks, and knows no better word for them.
CREATE OR REPLACE TRIGGER adjustments_check_reason
    BEFORE INSERT OR UPDATE ON eventflow_stats.adjustments
    FOR EACH ROW EXECUTE FUNCTION eventflow_stats.check_adjustment_reason();

REVOKE ALL ON FUNCTION eventflow_stats.is_blank, eventflow_stats.check_adjustment_reason FROM PUBLIC;
