-- Records our views and functions, and the relations that the views read, as they are now; the assumptions compare with
-- this.
WITH gone AS (
    DELETE FROM eventflow_stats.own_objects AS recorded
    WHERE NOT EXISTS (SELECT FROM eventflow_stats.present_objects AS present WHERE present.name = recorded.name)
)
INSERT INTO eventflow_stats.own_objects (name, kind, object_id, owner, definition)
SELECT name, kind, object_id, owner, definition FROM eventflow_stats.present_objects
ON CONFLICT (name) DO UPDATE
SET
    kind = excluded.kind, object_id = excluded.object_id, owner = excluded.owner,
    definition = excluded.definition
