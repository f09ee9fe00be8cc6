-- The author of campaigns that are imported or made up: a campaign must have one.
INSERT INTO auth.users (id) VALUES ('00000000-0000-4000-8000-000000000001');
INSERT INTO public.profiles (id, display_name)
VALUES ('00000000-0000-4000-8000-000000000001', 'eventflow-stats, local facts');
