-- For the rest of this transaction: plans that touch no page but those of the rows they need, for a table with a damaged
-- page. A scan reads every page, and a BRIN index points to dozens at once; by the product's indexes on campaign and time
-- only the pages of the rows themselves are read.
-- Before PostgreSQL 18, a disabled scan is only dear: it is taken all the same where random pages are dearer.
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
    set_config('random_page_cost', '1', true)
