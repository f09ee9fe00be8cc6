-- For the rest of this transaction: no plan that reads every page of a table where an index, BRIN ones included, leads to
-- some of them. For a table with a damaged page.
-- Before PostgreSQL 18, a disabled scan is only dear: it is taken all the same where random pages are dearer.
SELECT set_config('enable_seqscan', 'off', true),
    set_config('random_page_cost', '1', true)
