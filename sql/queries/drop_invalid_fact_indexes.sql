-- Drops our own fact indexes that an interrupted CREATE INDEX CONCURRENTLY left invalid.
DO $$
DECLARE
    found regclass;
BEGIN
    FOR found IN
        SELECT indexrelid::regclass FROM pg_index
        JOIN pg_class ON pg_class.oid = indexrelid
        WHERE NOT indisvalid
            AND relname IN (
                'event_access_logs_accessed_brin', 'event_access_logs_created_brin',
                'event_survey_entries_created_brin'
            )
    LOOP
        EXECUTE format('DROP INDEX %s', found);
    END LOOP;
END
$$
