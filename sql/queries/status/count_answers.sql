-- Adds answers of the read API to those already counted.
-- Parameters: minutes timestamptz[], sources text[], answers bigint[], of equal length, each pair once.
INSERT INTO eventflow_stats.answers AS a (minute, source, answers)
SELECT given.minute, given.source, given.answers
FROM unnest(
    CAST(:minutes AS timestamptz[]), CAST(:sources AS text[]), CAST(:answers AS bigint[])
) AS given (minute, source, answers)
-- In the same order in all processes: two that write at once must not wait for each other.
ORDER BY given.minute, given.source
ON CONFLICT (minute, source) DO UPDATE SET answers = a.answers + excluded.answers
