-- For the rest of this transaction: plans that read no page but those of the rows they need, for a table with a damaged
-- page. A scan reads every page, and a BRIN index leads to dozens of pages at once. The product's indexes on campaign
-- and time lead to the pages of the rows themselves.
-- Before PostgreSQL 18, a disabled scan is only expensive: it is still chosen where random pages cost more.
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
    set_config('random_page_cost', '1', true)
