-- Records our views and functions, and the relations that the views read, as they are now: what the assumptions about
-- them compare with.
WITH gone AS (
    DELETE FROM eventflow_stats.own_objects AS laid
    WHERE NOT EXISTS (SELECT FROM eventflow_stats.present_objects AS present WHERE present.name = laid.name)
)
INSERT INTO eventflow_stats.own_objects (name, kind, object_id, owner, definition)
SELECT name, kind, object_id, owner, definition FROM eventflow_stats.present_objects
ON CONFLICT (name) DO UPDATE
SET
    kind = excluded.kind, object_id = excluded.object_id, owner = excluded.owner,
    definition = excluded.definition
