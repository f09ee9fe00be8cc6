"""Roles, grants and policies: who can write what, and what anybody can read."""

from collections.abc import Mapping

from eventflow_stats.engine.doctor.connection import plain_connection
from eventflow_stats.engine.doctor.diagnosis import Diagnosis, Outcome, run_check
from eventflow_stats.engine.postgres.database import ENGINE_ROLE, Database
from eventflow_stats.engine.postgres.product_schema import NEEDED_COLUMNS
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.formatting import listed

AREA = "rights"
READER_ROLE = "eventflow_stats_reader"
PRODUCT_TABLES = sorted({*NEEDED_COLUMNS, "registrations", "profiles", "agencies"})


def examine_rights(database: Database, problems: Mapping[str, str]) -> list[Diagnosis]:
    return [
        run_check(AREA, "engine's role", lambda: role(database, ENGINE_ROLE)),
        run_check(AREA, "reader's role", lambda: role(database, READER_ROLE)),
        run_check(AREA, "writers", lambda: writers(database)),
        run_check(AREA, "functions", lambda: functions(database)),
        run_check(AREA, "open product tables", lambda: open_tables(database)),
        run_check(AREA, "open views", lambda: open_views(database)),
        run_check(AREA, "read API's login", lambda: reading_login(database, problems)),
    ]


def role(database: Database, name: str) -> Outcome:
    """The engine's and the reader's role may write nothing of the product and be nobody else."""
    with database.login_session() as connection:
        found = connection.execute(query("doctor/role_attributes"), {"role": name}).one_or_none()
        if found is None:
            return Outcome("fail", f"role {name} does not exist on this server", "eventflow-stats migrate")
        writable = connection.execute(query("doctor/writable_by_role"), {"role": name}).all()
    wrong, remedies = [], []
    if writable:
        message = listed([f"{row.table_name} ({', '.join(row.verbs)})" for row in writable])
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
        return Outcome("fail", f"{name} {'; '.join(wrong)}", "; ".join(remedies))
    return Outcome("ok", f"{name} writes no product table, creates nothing, logs in nowhere")


def writers(database: Database) -> Outcome:
    with database.login_session() as connection:
        found = connection.execute(query("doctor/other_writers")).all()
        members = connection.scalars(query("doctor/logins_with_engine_rights")).all()
    if found:
        return Outcome(
            "fail",
            "; ".join(f"{row.role} can write {listed(row.tables, 3)}" for row in found),
            "; ".join(
                f"REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {', '.join(row.tables)} FROM {row.role}, PUBLIC"
                for row in found
            ),
        )
    return Outcome(
        "ok",
        f"{ENGINE_ROLE} alone writes the rollup and the ledger, and who may act for it or for the tables' owner: "
        f"{listed(members) if members else 'superusers alone'}",
    )


def functions(database: Database) -> Outcome:
    with database.login_session() as connection:
        found = connection.execute(query("doctor/unsafe_functions")).all()
    unpinned, opened = [row.name for row in found if row.unpinned], [row.name for row in found if row.open]
    wrong, remedies = [], []
    if unpinned:
        wrong.append(f"SECURITY DEFINER without a search_path: {listed(unpinned)}")
        remedies += [f"ALTER FUNCTION {name} SET search_path = pg_catalog, pg_temp" for name in unpinned]
    if opened:
        wrong.append(f"anon can call {listed(opened)}")
        remedies += [f"REVOKE EXECUTE ON FUNCTION {name} FROM PUBLIC, anon" for name in opened]
    if wrong:
        return Outcome("fail", "; ".join(wrong), "; ".join(remedies))
    return Outcome("ok", "those that run as their owner have a search_path, and anon can call none")


def open_tables(database: Database) -> Outcome:
    with database.login_session() as connection:
        found = connection.execute(query("doctor/tables_open_to_anyone"), {"tables": PRODUCT_TABLES}).all()
    opened = [
        f"{row.table_name} ({', '.join(row.open)}{'' if row.secured else '; no row-level security'})"
        for row in found
        if row.open
    ]
    conditioned = [f"{row.table_name} ({', '.join(row.conditioned)})" for row in found if row.conditioned]
    not_checked = f"; under conditions, which are not judged: {listed(conditioned)}" if conditioned else ""
    if not opened:
        return Outcome("ok", f"anon reads and writes none without a condition{not_checked}")
    return Outcome(
        "warn",
        f"anybody can read or write: {listed(opened)}{not_checked}",
        "the product's to decide: ENABLE ROW LEVEL SECURITY, and policies for role authenticated instead of anon",
    )


def open_views(database: Database) -> Outcome:
    with database.login_session() as connection:
        found = connection.execute(query("doctor/views_open_to_anyone"), {"tables": PRODUCT_TABLES}).all()
    if not found:
        return Outcome("ok", "anon reads product tables through none as its owner")
    remedies = [_closing(row.view_name, row.is_materialized) for row in found]
    return Outcome(
        "warn",
        "anybody can read, past row-level security: "
        + listed([f"{row.view_name} (of {', '.join(row.tables)})" for row in found]),
        f"the product's to decide: {'; '.join(remedies)}",
    )


def _closing(view: str, is_materialized: bool) -> str:
    """The statement that leaves what a view shows to row-level security, which a materialized one cannot."""
    if is_materialized:
        return f"REVOKE ALL ON {view} FROM anon, PUBLIC"
    return f"ALTER VIEW {view} SET (security_invoker = true)"


def reading_login(database: Database, problems: Mapping[str, str]) -> Outcome:
    if "api_database_url" in problems:
        return Outcome("fail", "EVENTFLOW_API_DATABASE_URL cannot be used", "see values")
    own = database.settings.api_database_url
    reading = Database(own, database.settings, read_only=True) if own else database
    with plain_connection(reading) as connection:
        login, may = connection.execute(str(query("doctor/reading_login")).encode()).fetchone() or ("", False)
    if not may:
        return Outcome(
            "warn",
            f"{login} cannot become role authenticated: the read API cannot answer",
            f"GRANT authenticated TO {login}, or name another login with EVENTFLOW_API_DATABASE_URL",
        )
    return Outcome("ok", f"{login} reads as role authenticated")
