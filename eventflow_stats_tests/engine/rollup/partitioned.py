"""Fact tables partitioned by range, with a default partition and a partition that is itself partitioned by list."""

import psycopg

PARTITIONED = {
    "event_access_logs": (
        """CREATE TABLE event_access_logs (LIKE {old} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
            PARTITION BY RANGE (accessed_at);
        CREATE TABLE visits_old PARTITION OF event_access_logs FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
        CREATE TABLE visits_2026 PARTITION OF event_access_logs FOR VALUES FROM ('2026-01-01') TO ('2026-04-01')
            PARTITION BY LIST (utm_source);
        CREATE TABLE visits_2026_kakao PARTITION OF visits_2026 FOR VALUES IN ('kakao');
        CREATE TABLE visits_2026_rest PARTITION OF visits_2026 DEFAULT;
        CREATE TABLE visits_rest PARTITION OF event_access_logs DEFAULT;
        CREATE INDEX ON event_access_logs (id);
        CREATE INDEX ON event_access_logs (campaign_id, accessed_at);
        CREATE INDEX ON event_access_logs (webinar_id, accessed_at) WHERE webinar_id IS NOT NULL;
        CREATE INDEX ON event_access_logs (entry_id) WHERE entry_id IS NOT NULL;"""
    ),
    "event_survey_entries": (
        """CREATE TABLE event_survey_entries (LIKE {old} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
            PARTITION BY RANGE (created_at);
        CREATE TABLE entries_old PARTITION OF event_survey_entries FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
        CREATE TABLE entries_rest PARTITION OF event_survey_entries DEFAULT;
        ALTER TABLE event_survey_entries ADD PRIMARY KEY (id, created_at);
        CREATE INDEX ON event_survey_entries (campaign_id, created_at);
        CREATE TRIGGER event_survey_entries_set_client BEFORE INSERT ON event_survey_entries
            FOR EACH ROW EXECUTE FUNCTION event_survey_entries_set_client();"""
    ),
}
OF_TIME = """
    SELECT CAST(i.indrelid AS regclass)::text, a.attname, i.indisvalid, h.inhparent IS NOT NULL
    FROM pg_index AS i
    JOIN pg_class AS x ON x.oid = i.indexrelid AND x.relam = (SELECT oid FROM pg_am WHERE amname = 'brin')
    JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    LEFT JOIN pg_inherits AS h ON h.inhrelid = i.indexrelid
    WHERE i.indrelid <> ALL (ARRAY(SELECT oid FROM pg_class WHERE relname LIKE '%\\_plain'))
    ORDER BY 1, 2
"""
"""The BRIN indexes: table, column, whether valid, whether attached to the index of the parent table."""
VISIT_TABLES = [
    "event_access_logs",
    "visits_2026",
    "visits_2026_kakao",
    "visits_2026_rest",
    "visits_old",
    "visits_rest",
]
ENTRY_TABLES = ["entries_old", "entries_rest", "event_survey_entries"]


def partition_facts(connection: psycopg.Connection) -> None:
    """Replace both fact tables by partitioned ones with the same rows, by renaming, as a product does it."""
    for table, statements in PARTITIONED.items():
        old = f"{table}_plain"
        connection.execute(f"ALTER TABLE {table} RENAME TO {old}".encode())
        connection.execute(statements.format(old=old).encode())
        connection.execute(f"INSERT INTO {table} SELECT * FROM {old}".encode())


def expected_indexes(*more_visit_tables: str) -> list[tuple[str, str, bool, bool]]:
    """The indexes of every partition are valid and attached, those of the parents are valid."""
    wanted = [
        (table, column, True, table != "event_access_logs")
        for table in (*VISIT_TABLES, *more_visit_tables)
        for column in ("accessed_at", "created_at")
    ]
    wanted += [(table, "created_at", True, table != "event_survey_entries") for table in ENTRY_TABLES]
    return sorted(wanted)
