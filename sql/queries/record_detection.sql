-- Moves detection on. Parameters: detected_at timestamptz; candidates bigint.
INSERT INTO eventflow_stats.detection AS d (detected_at, candidates)
VALUES (:detected_at, :candidates)
ON CONFLICT (only_row) DO UPDATE SET
    detected_at = greatest(d.detected_at, excluded.detected_at), candidates = excluded.candidates
