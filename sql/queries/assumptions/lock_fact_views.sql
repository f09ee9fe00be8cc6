-- Locks the views of facts and every table that they read against DDL, until the transaction ends.
-- Takes no snapshot. Writers of facts do not wait.
LOCK TABLE eventflow_stats.visit_facts, eventflow_stats.conversion_facts IN ACCESS SHARE MODE
