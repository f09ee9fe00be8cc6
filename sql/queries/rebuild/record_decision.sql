-- Records an operator's decision about a day.
-- Parameters: bucket_date date; decision text; decided_by text; visits_before, conversions_before, visits_after,
-- conversions_after bigint.
INSERT INTO eventflow_stats.day_decisions (
    bucket_date, decision, decided_by, visits_before, conversions_before, visits_after, conversions_after
)
VALUES (
    :bucket_date, :decision, :decided_by, :visits_before, :conversions_before, :visits_after, :conversions_after
)
