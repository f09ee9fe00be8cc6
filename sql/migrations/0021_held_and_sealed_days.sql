-- Days that are left as they are, on purpose: held, because too many of their facts disappeared and a person has to say
-- whether that is meant; sealed, because their facts may be gone and their numbers stay.
ALTER TABLE eventflow_stats.days
    ADD COLUMN IF NOT EXISTS most_visit_facts bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS most_conversion_facts bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS held_at timestamptz,
    ADD COLUMN IF NOT EXISTS held_visit_facts bigint,
    ADD COLUMN IF NOT EXISTS held_conversion_facts bigint,
    ADD COLUMN IF NOT EXISTS sealed_at timestamptz,
    ADD COLUMN IF NOT EXISTS sealed_snapshot pg_snapshot,
    ADD COLUMN IF NOT EXISTS sealed_groups bigint,
    ADD COLUMN IF NOT EXISTS sealed_visits bigint,
    ADD COLUMN IF NOT EXISTS sealed_conversions bigint,
    ADD COLUMN IF NOT EXISTS sealed_checksum numeric,
    ADD COLUMN IF NOT EXISTS seal_checked_at timestamptz,
    ADD COLUMN IF NOT EXISTS seal_broken_at timestamptz,
    ADD COLUMN IF NOT EXISTS late_facts bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS late_facts_at timestamptz;

COMMENT ON COLUMN eventflow_stats.days.most_visit_facts IS
    'The most access-log rows of known clients that the day ever had, since a deletion was last accepted: what disappears is measured by it, so that a deletion in many small steps is seen too.';
COMMENT ON COLUMN eventflow_stats.days.most_conversion_facts IS 'The same of entries.';
COMMENT ON COLUMN eventflow_stats.days.held_at IS
    'Since when the day is held: too many of its facts disappeared, so its rows stay as they are until an operator accepts that or the facts are back.';
COMMENT ON COLUMN eventflow_stats.days.held_visit_facts IS 'How many access-log rows were left when last counted; NULL: not held.';
COMMENT ON COLUMN eventflow_stats.days.held_conversion_facts IS 'The same of entries.';
COMMENT ON COLUMN eventflow_stats.days.sealed_at IS
    'When the day was sealed: verified then, and never computed or compared with facts since. whole_verified_at is that verification.';
COMMENT ON COLUMN eventflow_stats.days.sealed_snapshot IS 'Facts that it does not see arrived too late.';
COMMENT ON COLUMN eventflow_stats.days.sealed_checksum IS
    'Of the day''s rows in the rollup when it was sealed (query rollup_checksum): another value means that somebody edited them.';
COMMENT ON COLUMN eventflow_stats.days.seal_checked_at IS 'When the rows of a sealed day were last compared with its checksum.';
COMMENT ON COLUMN eventflow_stats.days.seal_broken_at IS 'When they were first found to be others; NULL: they are those that were sealed.';
COMMENT ON COLUMN eventflow_stats.days.late_facts IS 'Facts that arrived for the day after it was sealed; they are in no number.';

-- Days computed before: the facts that they were computed from.
UPDATE eventflow_stats.days AS d
SET most_visit_facts = s.visit_facts, most_conversion_facts = s.conversion_facts
FROM (
    SELECT
        bucket_date,
        CAST(sum(visit_facts) AS bigint) AS visit_facts, CAST(sum(conversion_facts) AS bigint) AS conversion_facts
    FROM eventflow_stats.client_days
    GROUP BY bucket_date
) AS s
WHERE s.bucket_date = d.bucket_date;

CREATE INDEX IF NOT EXISTS days_held_idx ON eventflow_stats.days (bucket_date) WHERE held_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS days_sealed_idx ON eventflow_stats.days (bucket_date) WHERE sealed_at IS NOT NULL;

-- One row per decision about a day: a deletion accepted, the day sealed, the day unsealed.
CREATE TABLE IF NOT EXISTS eventflow_stats.day_decisions (
    decision_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bucket_date date NOT NULL,
    decision text NOT NULL CHECK (decision IN ('deletion accepted', 'sealed', 'unsealed')),
    decided_at timestamptz NOT NULL DEFAULT now(),
    decided_by text NOT NULL CHECK (btrim(decided_by) <> ''),
    login text NOT NULL DEFAULT session_user,
    visits_before bigint NOT NULL,
    conversions_before bigint NOT NULL,
    visits_after bigint NOT NULL,
    conversions_after bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS day_decisions_day_idx ON eventflow_stats.day_decisions (bucket_date);
COMMENT ON COLUMN eventflow_stats.day_decisions.visits_before IS
    'Of an accepted deletion, access-log rows that the day had; else visits that the rollup holds.';
COMMENT ON COLUMN eventflow_stats.day_decisions.visits_after IS
    'Of an accepted deletion, access-log rows that are left; of an unsealed day, visits that the facts give then.';
REVOKE ALL ON eventflow_stats.day_decisions FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT ON eventflow_stats.day_decisions TO eventflow_stats_engine;
