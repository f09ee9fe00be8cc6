-- One row per day that was ever rebuilt, verified, held or sealed.
CREATE TABLE IF NOT EXISTS eventflow_stats.days (
    -- In the bucket time zone.
    bucket_date date PRIMARY KEY,

    -- When all clients of the day were last computed in one transaction. NULL: never, so the rollup has no answer.
    rebuilt_at timestamptz,
    -- The first instant of the day and of the next day when it was last computed or verified as a whole. The rules of a
    -- time zone can change.
    window_start timestamptz,
    window_end timestamptz,
    -- Facts of the day that belong to no client. They are in no group.
    unresolved_facts bigint NOT NULL DEFAULT 0,

    -- When the fingerprints of all its facts were last compared with those of table client-days.
    swept_at timestamptz,
    -- How long that took. Before the first time: how long computing the day took, which is longer.
    swept_seconds double precision,

    -- When the day was last verified as a whole, or its last unverified client was verified.
    verified_at timestamptz,
    -- When the day was last verified as a whole.
    whole_verified_at timestamptz,
    verification_result text CHECK (verification_result IN ('verified', 'stale', 'wrong')),
    wrong_groups bigint NOT NULL DEFAULT 0,
    stale_client_days bigint NOT NULL DEFAULT 0,
    -- The assumptions that held in the snapshot of whole_verified_at.
    assumptions text[],
    -- The second count: rows of the day in the product's own tables when the views of facts last gave as many. NULL: none.
    counted_visits bigint,
    counted_entries bigint,
    -- Since when the second count differs from the views. The day is neither written nor verified then. NULL: it is equal.
    unverifiable_since timestamptz,
    -- The difference, and the remedy.
    unverifiable_reason text,

    -- The most facts of known clients that the day had since a deletion was last accepted: rows of the access log,
    -- entries. A loss is measured by them, so that a deletion in many small steps is seen too.
    most_visit_facts bigint NOT NULL DEFAULT 0,
    most_conversion_facts bigint NOT NULL DEFAULT 0,
    -- Since when the day is held: too many of its facts disappeared, and its rows stay as they are until an operator
    -- accepts the deletion or the facts are back. NULL: not held.
    held_at timestamptz,
    -- The facts that were left when they were last counted. NULL: not held.
    held_visit_facts bigint,
    held_conversion_facts bigint,

    -- Since when the day is sealed: it is never computed or compared with facts again. NULL: not sealed.
    sealed_at timestamptz,
    -- Facts that are invisible in this snapshot arrived too late.
    sealed_snapshot pg_snapshot,
    -- The day's rows in the rollup when it was sealed (query rollup_checksum).
    sealed_groups bigint,
    sealed_visits bigint,
    sealed_conversions bigint,
    sealed_checksum numeric,
    -- When the rows of a sealed day were last compared with its checksum.
    seal_checked_at timestamptz,
    -- When they were first found to differ. NULL: they are equal.
    seal_broken_at timestamptz,
    -- Facts that arrived after the day was sealed. They are in no number.
    late_facts bigint NOT NULL DEFAULT 0,
    -- When late_facts last grew.
    late_facts_at timestamptz
);
CREATE INDEX IF NOT EXISTS days_held_idx ON eventflow_stats.days (bucket_date) WHERE held_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS days_sealed_idx ON eventflow_stats.days (bucket_date) WHERE sealed_at IS NOT NULL;
