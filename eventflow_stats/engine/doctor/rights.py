"""Roles, grants and policies: who can write what, and what anybody can read."""

from collections.abc import Mapping

from eventflow_stats.engine.database import ENGINE_ROLE, Database
from eventflow_stats.engine.doctor.connecting import plain_connection
from eventflow_stats.engine.doctor.finding import Finding, Verdict, look
from eventflow_stats.engine.product_schema import NEEDED_COLUMNS
from eventflow_stats.engine.sql import query
from eventflow_stats.words import listed

AREA = "rights"
READER_ROLE = "eventflow_stats_reader"
PRODUCT_TABLES = sorted({*NEEDED_COLUMNS, "registrations", "profiles", "agencies"})


def examine_rights(database: Database, problems: Mapping[str, str]) -> list[Finding]:
    return [
        look(AREA, "engine's role", lambda: role(database, ENGINE_ROLE)),
        look(AREA, "reader's role", lambda: role(database, READER_ROLE)),
        look(AREA, "writers", lambda: writers(database)),
        look(AREA, "functions", lambda: functions(database)),
        look(AREA, "open product tables", lambda: open_tables(database)),
        look(AREA, "open views", lambda: open_views(database)),
        look(AREA, "read API's login", lambda: reading_login(database, problems)),
    ]


def role(database: Database, name: str) -> Verdict:
    """The engine's and the reader's role may write nothing of the product and be nobody else."""
    with database.login_session() as connection:
        found = connection.execute(query("role_attributes"), {"role": name}).one_or_none()
        if found is None:
            return Verdict("fail", f"role {name} does not exist on this server", "eventflow-stats migrate")
        writable = connection.execute(query("writable_by_role"), {"role": name}).all()
    wrong, remedies = [], []
    if writable:
        told = listed([f"{row.table_name} ({', '.join(row.verbs)})" for row in writable])
        wrong.append(f"can write product tables: {told}")
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
        return Verdict("fail", f"{name} {'; '.join(wrong)}", "; ".join(remedies))
    return Verdict("ok", f"{name} writes no product table, creates nothing, logs in nowhere")


def writers(database: Database) -> Verdict:
    with database.login_session() as connection:
        found = connection.execute(query("who_else_writes")).all()
        members = connection.scalars(query("who_may_act_for_the_engine")).all()
    if found:
        return Verdict(
            "fail",
            "; ".join(f"{row.role} can write {listed(row.tables, 3)}" for row in found),
            "; ".join(
                f"REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {', '.join(row.tables)} FROM {row.role}, PUBLIC"
                for row in found
            ),
        )
    return Verdict(
        "ok",
        f"{ENGINE_ROLE} alone writes the rollup and the ledger, and who may act for it or for the tables' owner: "
        f"{listed(members) if members else 'superusers alone'}",
    )


def functions(database: Database) -> Verdict:
    with database.login_session() as connection:
        found = connection.execute(query("unsafe_functions")).all()
    unpinned, opened = [row.name for row in found if row.unpinned], [row.name for row in found if row.open]
    wrong, remedies = [], []
    if unpinned:
        wrong.append(f"SECURITY DEFINER without a search_path: {listed(unpinned)}")
        remedies += [f"ALTER FUNCTION {name} SET search_path = pg_catalog, pg_temp" for name in unpinned]
    if opened:
        wrong.append(f"anon can call {listed(opened)}")
        remedies += [f"REVOKE EXECUTE ON FUNCTION {name} FROM PUBLIC, anon" for name in opened]
    if wrong:
        return Verdict("fail", "; ".join(wrong), "; ".join(remedies))
    return Verdict("ok", "those that run as their owner have a search_path, and anon can call none")


def open_tables(database: Database) -> Verdict:
    with database.login_session() as connection:
        found = connection.execute(query("open_to_anyone"), {"tables": PRODUCT_TABLES}).all()
    opened = [
        f"{row.table_name} ({', '.join(row.open)}{'' if row.secured else '; no row-level security'})"
        for row in found
        if row.open
    ]
    conditioned = [f"{row.table_name} ({', '.join(row.conditioned)})" for row in found if row.conditioned]
    not_judged = f"; under conditions, which are not judged: {listed(conditioned)}" if conditioned else ""
    if not opened:
        return Verdict("ok", f"anon reads and writes none without a condition{not_judged}")
    return Verdict(
        "warn",
        f"anybody can read or write: {listed(opened)}{not_judged}",
        "the product's to decide: ENABLE ROW LEVEL SECURITY, and policies for role authenticated instead of anon",
    )


def open_views(database: Database) -> Verdict:
    with database.login_session() as connection:
        found = connection.execute(query("views_open_to_anyone"), {"tables": PRODUCT_TABLES}).all()
    if not found:
        return Verdict("ok", "anon reads product tables through none as its owner")
    remedies = [_closing(row.view_name, row.is_materialized) for row in found]
    return Verdict(
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


def reading_login(database: Database, problems: Mapping[str, str]) -> Verdict:
    if "api_database_url" in problems:
        return Verdict("fail", "EVENTFLOW_API_DATABASE_URL cannot be used", "see values")
    own = database.settings.api_database_url
    reading = Database(own, database.settings, read_only=True) if own else database
    with plain_connection(reading) as connection:
        login, may = connection.execute(str(query("reading_login")).encode()).fetchone() or ("", False)
    if not may:
        return Verdict(
            "warn",
            f"{login} cannot become role authenticated: the read API cannot answer",
            f"GRANT authenticated TO {login}, or name another login with EVENTFLOW_API_DATABASE_URL",
        )
    return Verdict("ok", f"{login} reads as role authenticated")
