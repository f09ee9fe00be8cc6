-- For the rest of this transaction: no plan that reads every page of a table where an index, BRIN ones included, leads to
-- some of them. For a table with a damaged page.
SELECT set_config('enable_seqscan', 'off', true)
