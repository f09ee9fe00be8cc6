-- Row-level security on every product table and no policy: nobody but their owner reads or writes.
-- The product's own policies let anyone read, insert and update access logs; they are not copied.
DO $$
DECLARE
    product_table regclass;
BEGIN
    FOREACH product_table IN ARRAY ARRAY[
        'auth.users', 'public.profiles', 'public.agencies', 'public.clients', 'public.agency_members',
        'public.client_members', 'public.event_survey_campaigns', 'public.webinars',
        'public.campaign_link_meta', 'public.event_survey_entries', 'public.event_access_logs',
        'public.registrations'
    ]::regclass[] LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', product_table);
        EXECUTE format('REVOKE ALL ON %s FROM PUBLIC, anon, authenticated', product_table);
        EXECUTE format('GRANT ALL ON %s TO service_role', product_table);
    END LOOP;
END
$$;
GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;
