-- Keeps DDL away from the views of facts and from every table that they read, until the transaction ends.
-- Takes no snapshot. Writers of facts are not kept waiting.
LOCK TABLE eventflow_stats.visit_facts, eventflow_stats.conversion_facts IN ACCESS SHARE MODE
