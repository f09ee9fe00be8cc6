-- What `migrate` made of views and functions, so that a look at the catalog tells whether they are the same still.
-- The views and functions themselves are in sql/functions, which `migrate` runs after the migrations.
CREATE TABLE IF NOT EXISTS eventflow_stats.own_objects (
    name text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('view', 'function')),
    owner text NOT NULL,
    definition text NOT NULL,
    reads text[]
);
COMMENT ON TABLE eventflow_stats.own_objects IS
    'One row per view and function of ours, as `migrate` left it: view present_objects says how it is now.';
COMMENT ON COLUMN eventflow_stats.own_objects.reads IS 'The relations that a view reads, by name; NULL for a function.';
REVOKE ALL ON eventflow_stats.own_objects FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON eventflow_stats.own_objects TO eventflow_stats_engine;

ALTER TABLE eventflow_stats.deployment ADD COLUMN IF NOT EXISTS functions_digest text;
COMMENT ON COLUMN eventflow_stats.deployment.functions_digest IS
    'Digest of the files of sql/functions that made the views and functions.';
