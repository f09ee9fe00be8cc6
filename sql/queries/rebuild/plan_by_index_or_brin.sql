-- For the rest of this transaction: no plan that reads a whole table where an index (BRIN too) leads to part of it, for
-- a table with a damaged page.
-- Before PostgreSQL 18, a disabled scan is only expensive: it is still chosen where random pages cost more.
SELECT set_config('enable_seqscan', 'off', true),
    set_config('random_page_cost', '1', true)
