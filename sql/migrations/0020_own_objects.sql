-- What `migrate` made of views and functions, so that a look at the catalog tells whether they are the same still.
-- The views and functions themselves are in sql/functions, which `migrate` runs after the migrations.
CREATE TABLE IF NOT EXISTS eventflow_stats.own_objects (
    name text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('view', 'function', 'relation')),
    object_id oid NOT NULL,
    owner text,
    definition text,
    CHECK (kind = 'relation' OR owner IS NOT NULL AND definition IS NOT NULL)
);
COMMENT ON TABLE eventflow_stats.own_objects IS
    'One row per view and function of ours and per relation that a view reads, as `migrate` left it (view present_objects).';
COMMENT ON COLUMN eventflow_stats.own_objects.object_id IS 'Of pg_class or pg_proc, in this database: a restored one has others.';
REVOKE ALL ON eventflow_stats.own_objects FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON eventflow_stats.own_objects TO eventflow_stats_engine;

ALTER TABLE eventflow_stats.deployment ADD COLUMN IF NOT EXISTS functions_digest text;
COMMENT ON COLUMN eventflow_stats.deployment.functions_digest IS
    'Digest of the files of sql/functions that made the views and functions.';
