"""Checks the product's tables, columns, keys and roles before a migration changes anything."""

from sqlalchemy import Connection

from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.errors import Refused

NEEDED_COLUMNS = {
    "event_access_logs": {
        "id": "uuid", "campaign_id": "uuid", "webinar_id": "uuid", "session_id": "text", "cid": "text",
        "utm_source": "text", "utm_medium": "text", "utm_campaign": "text",
        "marketing_campaign_link_id": "uuid", "entry_id": "uuid",
        "accessed_at": "timestamp with time zone", "created_at": "timestamp with time zone",
    },
    "event_survey_entries": {
        "id": "uuid", "campaign_id": "uuid", "registration_data": "jsonb",
        "utm_source": "text", "utm_medium": "text", "utm_campaign": "text",
        "marketing_campaign_link_id": "uuid", "created_at": "timestamp with time zone",
    },
    "event_survey_campaigns": {"id": "uuid", "client_id": "uuid", "title": "text"},
    "webinars": {"id": "uuid", "client_id": "uuid"},
    "campaign_link_meta": {
        "id": "uuid", "client_id": "uuid", "name": "text", "cid": "text", "status": "text",
        "utm_source": "text", "utm_medium": "text", "utm_campaign": "text",
    },
    "clients": {"id": "uuid", "agency_id": "uuid", "name": "text", "slug": "text"},
    "client_members": {"client_id": "uuid", "user_id": "uuid", "role": "text"},
    "agency_members": {"agency_id": "uuid", "user_id": "uuid", "role": "text"},
}  # fmt: skip

# EventFlow's original rollup, where there is one: the migrations take it over with its rows.
ADOPTED_COLUMNS = {
    "id": "uuid", "client_id": "uuid", "bucket_date": "date", "campaign_id": "uuid",
    "marketing_campaign_link_id": "uuid", "utm_source": "text", "utm_medium": "text",
    "utm_campaign": "text", "visits": "bigint", "conversions": "bigint", "cvr": "numeric",
    "first_aggregated_at": "timestamp with time zone", "last_aggregated_at": "timestamp with time zone",
    "created_at": "timestamp with time zone", "updated_at": "timestamp with time zone",
}  # fmt: skip

# These tables get indexes of ours or are altered.
OWNED_TABLES = ["event_access_logs", "event_survey_entries", "marketing_stats_daily"]

# A join to a dimension that can match twice would count a fact twice.
NEEDED_UNIQUE_KEYS = {
    "event_survey_campaigns": {"id"},
    "webinars": {"id"},
    "campaign_link_meta": {"client_id", "cid"},
}

NEEDED_ROLES = {"anon", "authenticated", "service_role"}


def has_product_tables(connection: Connection) -> bool:
    """Whether the database has any of the product's tables."""
    return bool(connection.execute(query("schema/product_columns"), {"tables": list(NEEDED_COLUMNS)}).first())


def is_empty(connection: Connection) -> bool:
    """Whether the database has no schema, table, view, sequence or function of its own."""
    return not connection.scalar(query("schema/count_own_objects"))


def check_product_schema(connection: Connection) -> None:
    """Check the product's tables, columns, keys and roles, and that the user may read and alter them.

    Raises:
        Refused: something is missing or has the wrong type.
    """
    wrong_kind = list(connection.scalars(query("assumptions/kind_of_table")))
    if wrong_kind:
        raise Refused("; ".join(wrong_kind))
    _check_columns(connection)
    _check_unique_keys(connection)
    _check_roles_and_auth(connection)
    _check_rights(connection)


def _check_columns(connection: Connection) -> None:
    needed = dict(NEEDED_COLUMNS)
    kind = connection.scalar(query("schema/relation_kind"), {"name": "marketing_stats_daily"})
    if kind is not None:
        if kind != "r":
            raise Refused("public.marketing_stats_daily is not a table; rename or drop it")
        needed["marketing_stats_daily"] = ADOPTED_COLUMNS
    found: dict[str, dict[str, str]] = {}
    for row in connection.execute(query("schema/product_columns"), {"tables": list(needed)}).mappings():
        found.setdefault(row["table_name"], {})[row["column_name"]] = row["data_type"]
    missing = [f"public.{table}" for table in NEEDED_COLUMNS if table not in found]
    if missing:
        raise Refused(
            f"this database lacks EventFlow's product tables: {', '.join(missing)}; point "
            "EVENTFLOW_DATABASE_URL at the product's database, or create them in an empty one with "
            "`eventflow-stats migrate --with-product-tables`"
        )
    for table, columns in needed.items():
        for column, wanted in columns.items():
            found_type = found.get(table, {}).get(column)
            if found_type is None:
                raise Refused(f"column public.{table}.{column} is missing; it should be {wanted}")
            if found_type != wanted:
                raise Refused(f"column public.{table}.{column} is {found_type}; it should be {wanted}")


def _check_unique_keys(connection: Connection) -> None:
    keys: dict[str, list[set[str]]] = {}
    for row in connection.execute(query("schema/unique_keys"), {"tables": list(NEEDED_UNIQUE_KEYS)}).mappings():
        keys.setdefault(row["table_name"], []).append(set(row["columns"]))
    for table, wanted_key in NEEDED_UNIQUE_KEYS.items():
        if not any(key <= wanted_key for key in keys.get(table, [])):
            raise Refused(
                f"public.{table} has no unique key on ({', '.join(sorted(wanted_key))}); a fact could be counted twice"
            )


def _check_roles_and_auth(connection: Connection) -> None:
    roles = set(connection.scalars(query("schema/existing_roles"), {"roles": list(NEEDED_ROLES)}))
    if NEEDED_ROLES - roles:
        raise Refused(f"roles missing on this server: {', '.join(sorted(NEEDED_ROLES - roles))}")
    if not connection.scalar(query("schema/has_auth_uid")):
        raise Refused("function auth.uid() is missing; Supabase provides it")


def _check_rights(connection: Connection) -> None:
    hidden = list(connection.scalars(query("schema/tables_with_hidden_rows"), {"tables": list(NEEDED_COLUMNS)}))
    if hidden:
        raise Refused(
            f"the database user cannot see all rows of {', '.join(hidden)} (row-level security); "
            "migrate as the tables' owner"
        )
    missing = list(
        connection.scalars(query("schema/missing_rights"), {"owned": OWNED_TABLES, "read": list(NEEDED_COLUMNS)})
    )
    if missing:
        raise Refused(f"the database user lacks {', '.join(missing)}; migrate as the tables' owner")
