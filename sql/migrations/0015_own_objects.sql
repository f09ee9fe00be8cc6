-- One row per view and function that `migrate` made, and per relation that such a view reads.
-- The assumptions compare it with the catalog (view present_objects).
CREATE TABLE IF NOT EXISTS eventflow_stats.own_objects (
    -- With its schema. A function has its parameters.
    name text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('view', 'function', 'relation')),
    -- Of pg_class or pg_proc in this database. A restored database has other ids.
    object_id oid NOT NULL,
    owner text,
    -- See view present_objects. NULL: a relation.
    definition text,
    CHECK (kind = 'relation' OR owner IS NOT NULL AND definition IS NOT NULL)
);
