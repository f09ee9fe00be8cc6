"""Settings that an operator, a hosting service or another application may set for a database or a login."""

SESSION_SETTINGS = {
    "datestyle": "German, DMY",
    "intervalstyle": "sql_standard",
    "search_path": "",
    "client_encoding": "LATIN1",
    "standard_conforming_strings": "off",
    "row_security": "off",
    "quote_all_identifiers": "on",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "xmloption": "document",
    "timezone": "Asia/Kathmandu",
    "transform_null_equals": "on",
    "idle_session_timeout": "1s",
    "idle_in_transaction_session_timeout": "1s",
    "transaction_timeout": "1s",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "default_tablespace": "pg_default",
    "temp_tablespaces": "pg_default",
    "default_table_access_method": "heap",
}
