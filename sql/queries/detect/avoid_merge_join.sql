-- For the rest of this transaction: no merge join. On the webinar part of visit_facts the planner expects it to end
-- early, but it reads every visit without a campaign ever stored, instead of the new ones.
SELECT set_config('enable_mergejoin', 'off', true)
