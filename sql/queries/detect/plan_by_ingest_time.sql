-- For the rest of this transaction: no merge join, which on the webinar branch of visit_facts would read every visit
-- without a campaign there ever was (the planner believes that it ends early) instead of the new ones.
SELECT set_config('enable_mergejoin', 'off', true)
