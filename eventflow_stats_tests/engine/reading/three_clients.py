"""Three clients of two agencies with all their members, and one rollup row each."""

from datetime import date

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats_tests.engine.postgres.inspecting import run

DAY = date(2026, 2, 1)
AGENCY, OTHER_AGENCY = (f"a0000000-0000-0000-0000-00000000000{n}" for n in (1, 2))
SHOP, CAFE, GYM = (f"c0000000-0000-0000-0000-00000000000{n}" for n in (1, 2, 3))
ROLES = ("owner", "admin", "operator", "analyst", "member")
AGENCY_ROLES = ("owner", "admin", "analyst")
PRODUCT_TABLES = (
    "auth.users", "public.profiles", "public.agencies", "public.clients", "public.agency_members",
    "public.client_members", "public.event_survey_campaigns", "public.webinars",
    "public.campaign_link_meta", "public.event_survey_entries", "public.event_access_logs",
    "public.registrations",
)  # fmt: skip
OUR_TABLES = (
    "deployment", "progress", "schema_version", "superseded_rows", "client_days", "days",
    "discrepancies", "adjustments", "alerts", "answers", "marketing_data_quality_daily", "quality_days",
    "unswept_changes", "own_objects", "day_decisions",
)  # fmt: skip
OUR_VIEWS = (
    "row_changes", "days_for_sweep", "odd_link_cids", "visit_facts", "conversion_facts", "client_names", "link_names",
    "link_details", "client_campaigns", "client_webinars", "webinar_registrations",
    "visit_attribution", "conversion_attribution", "campaign_names", "present_objects",
)  # fmt: skip
ROLLUP = "public.marketing_stats_daily"


def user(role: str, of: str) -> str:
    """The id of the one user who has this role in a client or an agency."""
    return f"{of[0] * 8}-0000-0000-000{of[-1]}-{ROLES.index(role):012}"


def create_three_clients(database: Database) -> None:
    """Create two clients of one agency and one of another, with a member of each role in each, and a rollup row
    each."""
    run(database, f"INSERT INTO agencies (id, name) VALUES ('{AGENCY}', 'One'), ('{OTHER_AGENCY}', 'Two')")
    for client, agency in ((SHOP, AGENCY), (CAFE, AGENCY), (GYM, OTHER_AGENCY)):
        run(database, f"INSERT INTO clients (id, agency_id, name) VALUES ('{client}', '{agency}', 'A client')")
        for role in ROLES:
            run(database, f"INSERT INTO client_members VALUES ('{client}', '{user(role, client)}', '{role}')")
        run(
            database,
            f"""INSERT INTO auth.users (id) VALUES ('{client}');
            INSERT INTO profiles (id) VALUES ('{client}');
            INSERT INTO event_survey_campaigns (id, client_id, title, public_path, created_by)
                VALUES ('{client}', '{client}', 'Spring', 'spring', '{client}');
            INSERT INTO event_access_logs (campaign_id, session_id, accessed_at)
                VALUES ('{client}', 'one', '2026-02-01 10:00Z')""",
        )
    for agency in (AGENCY, OTHER_AGENCY):
        for role in AGENCY_ROLES:
            run(database, f"INSERT INTO agency_members VALUES ('{agency}', '{user(role, agency)}', '{role}')")
    assert [day.written for day in rebuild(database, [DAY])] == [3]


def writes(table: str, column: str) -> tuple[str, ...]:
    """Every statement that changes a table."""
    return (
        f"INSERT INTO {table} DEFAULT VALUES",
        f"UPDATE {table} SET {column} = {column}",
        f"DELETE FROM {table}",
        f"TRUNCATE {table} CASCADE",
        f"DROP TABLE {table} CASCADE",
    )
