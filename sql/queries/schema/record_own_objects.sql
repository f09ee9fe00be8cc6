-- Records the views and functions that this transaction created, and the relations that the views read; the assumptions
-- compare with this. Other objects in our schema are not ours, and are not recorded.
WITH present AS (
    SELECT name, kind, object_id, owner, definition
    FROM eventflow_stats.present_objects
    WHERE made_by IS NULL OR made_by = CAST(pg_current_xact_id() AS xid)
), gone AS (
    DELETE FROM eventflow_stats.own_objects AS recorded
    WHERE NOT EXISTS (SELECT FROM present WHERE present.name = recorded.name)
)
INSERT INTO eventflow_stats.own_objects (name, kind, object_id, owner, definition)
SELECT name, kind, object_id, owner, definition FROM present
ON CONFLICT (name) DO UPDATE
SET
    kind = excluded.kind, object_id = excluded.object_id, owner = excluded.owner,
    definition = excluded.definition
