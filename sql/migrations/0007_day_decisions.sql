-- One row per decision of an operator about a day: a deletion was accepted, the day was sealed or unsealed.
CREATE TABLE IF NOT EXISTS eventflow_stats.day_decisions (
    decision_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- In the bucket time zone.
    bucket_date date NOT NULL,
    decision text NOT NULL CHECK (decision IN ('deletion accepted', 'sealed', 'unsealed')),
    decided_at timestamptz NOT NULL DEFAULT now(),
    -- The person, as they said.
    decided_by text NOT NULL CHECK (btrim(decided_by) <> ''),
    -- The database login, which nobody can choose.
    login text NOT NULL DEFAULT session_user,
    -- Of an accepted deletion: facts that the day had and facts that are left (rows of the access log, entries).
    -- Of sealing and unsealing: visits and conversions of the rollup. After unsealing: those that the facts give.
    visits_before bigint NOT NULL,
    conversions_before bigint NOT NULL,
    visits_after bigint NOT NULL,
    conversions_after bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS day_decisions_day_idx ON eventflow_stats.day_decisions (bucket_date);
