-- Records the views and functions of ours as they are now: what every assumption about them compares with.
WITH gone AS (
    DELETE FROM eventflow_stats.own_objects AS laid
    WHERE NOT EXISTS (SELECT FROM eventflow_stats.present_objects AS present WHERE present.name = laid.name)
)
INSERT INTO eventflow_stats.own_objects (name, kind, owner, definition, reads)
SELECT name, kind, owner, definition, reads FROM eventflow_stats.present_objects
ON CONFLICT (name) DO UPDATE
SET kind = excluded.kind, owner = excluded.owner, definition = excluded.definition, reads = excluded.reads
