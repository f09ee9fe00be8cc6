-- One row: the newest migration that the database has. One row: how the database counts days.

-- Alembic reads and writes this table and defines its shape.
CREATE TABLE IF NOT EXISTS eventflow_stats.schema_version (
    version_num varchar(32) CONSTRAINT schema_version_pkc PRIMARY KEY
);

CREATE TABLE IF NOT EXISTS eventflow_stats.deployment (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    -- An IANA name. It never changes: the day of a fact must not depend on who asks.
    bucket_timezone text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Digest of the files of sql/functions that ran last. NULL: they never ran.
    functions_digest text
);
-- `migrate` sets eventflow_stats.bucket_timezone for its session.
INSERT INTO eventflow_stats.deployment (bucket_timezone)
SELECT current_setting('eventflow_stats.bucket_timezone', true)
WHERE NOT EXISTS (SELECT FROM eventflow_stats.deployment);
