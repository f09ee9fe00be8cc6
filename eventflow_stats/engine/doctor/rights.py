"""Checks of roles, grants and policies: who can write which tables, and what anybody can read."""

from collections.abc import Mapping

from eventflow_stats.engine.doctor.check_result import CheckResult, DoctorLine, run_check
from eventflow_stats.engine.doctor.connection import plain_connection
from eventflow_stats.engine.doctor.settings import SEE_VALUES
from eventflow_stats.engine.postgres.database import ENGINE_ROLE, Database
from eventflow_stats.engine.postgres.product_schema import NEEDED_COLUMNS
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.formatting import format_list

AREA = "rights"
READER_ROLE = "eventflow_stats_reader"
PRODUCT_TABLES = sorted({*NEEDED_COLUMNS, "registrations", "profiles", "agencies"})


def check_rights(database: Database, problems: Mapping[str, str]) -> list[DoctorLine]:
    return [
        run_check(AREA, "engine's role", lambda: check_role(database, ENGINE_ROLE)),
        run_check(AREA, "reader's role", lambda: check_role(database, READER_ROLE)),
        run_check(AREA, "writers", lambda: check_writers(database)),
        run_check(AREA, "functions", lambda: check_functions(database)),
        run_check(AREA, "open product tables", lambda: check_open_tables(database)),
        run_check(AREA, "open views", lambda: check_open_views(database)),
        run_check(AREA, "read API's login", lambda: check_reading_login(database, problems)),
    ]


def check_role(database: Database, name: str) -> CheckResult:
    """Check that the engine's or the reader's role can write no product table and cannot become another role."""
    with database.login_session() as connection:
        found = connection.execute(query("doctor/role_attributes"), {"role": name}).one_or_none()
        if found is None:
            return CheckResult("fail", f"role {name} does not exist on this server", "eventflow-stats migrate")
        writable = connection.execute(query("doctor/writable_by_role"), {"role": name}).all()
    wrong, remedies = [], []
    if writable:
        message = format_list([f"{row.table_name} ({', '.join(row.verbs)})" for row in writable])
        wrong.append(f"can write product tables: {message}")
        tables = ", ".join(f"public.{row.table_name}" for row in writable)
        remedies.append(f"REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {tables} FROM {name}, PUBLIC")
    for schema, creates in (("public", found.creates_in_public), ("eventflow_stats", found.creates_in_ours)):
        if creates:
            wrong.append(f"can create in schema {schema}")
            remedies.append(f"REVOKE CREATE ON SCHEMA {schema} FROM {name}, PUBLIC")
    if found.attributes:
        wrong.append(f"is {', '.join(found.attributes)}")
        remedies.append(f"ALTER ROLE {name} {' '.join(f'NO{attribute}' for attribute in found.attributes)}")
    if found.memberships:
        wrong.append(f"is a member of {', '.join(found.memberships)}")
        remedies.append(f"REVOKE {', '.join(found.memberships)} FROM {name}")
    if not found.enters_public or (name == ENGINE_ROLE and not found.makes_temporary_tables):
        wrong.append("cannot enter schema public, or make temporary tables")
        remedies.append("run sql/functions/01_schema_and_roles.sql by psql as the database's owner")
    if wrong:
        return CheckResult("fail", f"{name} {'; '.join(wrong)}", "; ".join(remedies))
    return CheckResult("ok", f"{name} writes no product table, creates nothing, cannot log in")


def check_writers(database: Database) -> CheckResult:
    with database.login_session() as connection:
        found = connection.execute(query("doctor/other_writers")).all()
        members = connection.scalars(query("doctor/logins_with_engine_rights")).all()
    if found:
        return CheckResult(
            "fail",
            "; ".join(f"{row.role} can write {format_list(row.tables, 3)}" for row in found),
            "; ".join(
                f"REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {', '.join(row.tables)} FROM {row.role}, PUBLIC"
                for row in found
            ),
        )
    return CheckResult(
        "ok",
        f"{ENGINE_ROLE} alone writes the rollup and the ledger; these may act for it or for the tables' owner: "
        f"{format_list(members) if members else 'only superusers'}",
    )


def check_functions(database: Database) -> CheckResult:
    with database.login_session() as connection:
        found = connection.execute(query("doctor/unsafe_functions")).all()
    unpinned, opened = [row.name for row in found if row.unpinned], [row.name for row in found if row.open]
    wrong, remedies = [], []
    if unpinned:
        wrong.append(f"SECURITY DEFINER without a search_path: {format_list(unpinned)}")
        remedies += [f"ALTER FUNCTION {name} SET search_path = pg_catalog, pg_temp" for name in unpinned]
    if opened:
        wrong.append(f"anon can call {format_list(opened)}")
        remedies += [f"REVOKE EXECUTE ON FUNCTION {name} FROM PUBLIC, anon" for name in opened]
    if wrong:
        return CheckResult("fail", "; ".join(wrong), "; ".join(remedies))
    return CheckResult("ok", "all that run as their owner have a search_path, and anon can call none")


def check_open_tables(database: Database) -> CheckResult:
    with database.login_session() as connection:
        found = connection.execute(query("doctor/tables_open_to_anyone"), {"tables": PRODUCT_TABLES}).all()
    opened = [
        f"{row.table_name} ({', '.join(row.open)}{'' if row.secured else '; no row-level security'})"
        for row in found
        if row.open
    ]
    conditioned = [f"{row.table_name} ({', '.join(row.conditioned)})" for row in found if row.conditioned]
    not_checked = f"; under conditions, which are not checked: {format_list(conditioned)}" if conditioned else ""
    if not opened:
        return CheckResult("ok", f"anon reads and writes none without a condition{not_checked}")
    return CheckResult(
        "warn",
        f"anybody can read or write: {format_list(opened)}{not_checked}",
        "for the product's team to decide: ENABLE ROW LEVEL SECURITY, and policies for authenticated instead of anon",
    )


def check_open_views(database: Database) -> CheckResult:
    with database.login_session() as connection:
        found = connection.execute(query("doctor/views_open_to_anyone"), {"tables": PRODUCT_TABLES}).all()
    if not found:
        return CheckResult("ok", "anon reads no product table through a view that runs as its owner")
    remedies = [_closing(row.view_name, row.is_materialized) for row in found]
    return CheckResult(
        "warn",
        "anybody can read, in spite of row-level security: "
        + format_list([f"{row.view_name} (of {', '.join(row.tables)})" for row in found]),
        f"for the product's team to decide: {'; '.join(remedies)}",
    )


def _closing(view: str, is_materialized: bool) -> str:
    """The statement that makes row-level security apply to a view; a materialized view can only be closed."""
    if is_materialized:
        return f"REVOKE ALL ON {view} FROM anon, PUBLIC"
    return f"ALTER VIEW {view} SET (security_invoker = true)"


def check_reading_login(database: Database, problems: Mapping[str, str]) -> CheckResult:
    if "api_database_url" in problems:
        return CheckResult("fail", "EVENTFLOW_API_DATABASE_URL cannot be used", SEE_VALUES)
    own = database.settings.api_database_url
    reading = Database(own, database.settings, read_only=True) if own else database
    with plain_connection(reading) as connection:
        login, may = connection.execute(str(query("doctor/reading_login")).encode()).fetchone() or ("", False)
    if not may:
        return CheckResult(
            "warn",
            f"{login} cannot become role authenticated: the read API cannot answer",
            f"GRANT authenticated TO {login}, or name another login with EVENTFLOW_API_DATABASE_URL",
        )
    return CheckResult("ok", f"{login} reads as role authenticated")
