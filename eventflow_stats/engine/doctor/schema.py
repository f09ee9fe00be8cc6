"""Checks of the schema: migrations, the product's tables, and our own objects.

``sql/migrations/catalog.txt`` lists every object that ``eventflow-stats migrate`` leaves, one a line. A test compares
it with a database migrated from nothing.
"""

import re
from collections.abc import Callable
from functools import cache, partial

from eventflow_stats.engine.doctor.check_result import CheckResult, DoctorLine, not_checked, run_check
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import applied_migration, migration_names, unknown_migration
from eventflow_stats.engine.postgres.own_objects import GUARDS, Line, catalog_lines, left_by_migrations
from eventflow_stats.engine.postgres.product_schema import NEEDED_COLUMNS, check_product_schema
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.errors import Refused
from eventflow_stats.formatting import format_list

AREA = "schema"
KINDS = ("tables", "constraints", "indexes", "functions", "triggers", "policies", "grants")
CLOSED_KINDS = ("triggers", "policies", "grants")
"""Kinds of which an additional object is also a failure: it gives a right that the migrations give to no role, or it
changes what is written."""
MADE_AGAIN = ("view column ", "index of ")
"""How the lines of views and of indexes of facts begin: `migrate` makes these again, too."""
MIGRATE = "eventflow-stats migrate"
NAMED = 4
DISABLED = " (disabled)"
"""The mark of a trigger that does not fire (sql/queries/schema/catalog_lines.sql)."""


def check_schema(database: Database) -> list[DoctorLine]:
    """Check the schema. Our objects can be compared only after the last migration."""
    applied = run_check(AREA, "migrations", lambda: check_migrations(database))
    found = [
        applied,
        run_check(AREA, "bucket time zone", lambda: check_bucket_timezone(database)),
        run_check(AREA, "product tables", lambda: check_product_tables(database)),
    ]
    if applied.state != "ok":
        why = "first apply all migrations"
        return [*found, *(not_checked(AREA, f"our {kind}", why) for kind in KINDS)]
    read_once = cache(partial(present_objects, database))
    return [*found, *(run_check(AREA, f"our {kind}", partial(check_own_objects, read_once, kind)) for kind in KINDS)]


def check_migrations(database: Database) -> CheckResult:
    applied, known = applied_migration(database), migration_names()
    if applied == known[-1]:
        return CheckResult("ok", f"{applied}, the newest")
    if applied is None:
        return CheckResult("fail", f"none of {len(known)} is applied", MIGRATE)
    if applied not in known:
        return CheckResult("fail", *unknown_migration(database, applied))
    missing = known[known.index(applied) + 1 :]
    return CheckResult("fail", f"{applied}; missing: {format_list(missing)}", MIGRATE)


def check_bucket_timezone(database: Database) -> CheckResult:
    with database.login_session() as connection:
        zone = connection.scalar(query("schema/deployment_timezone"))
    asked = database.settings.bucket_timezone
    if zone != asked:
        return CheckResult(
            "fail",
            f"days are counted in {zone}, and EVENTFLOW_BUCKET_TIMEZONE is {asked}",
            f"set EVENTFLOW_BUCKET_TIMEZONE={zone}: the time zone of a database cannot change",
        )
    return CheckResult("ok", zone)


def check_product_tables(database: Database) -> CheckResult:
    with database.login_session() as connection:
        try:
            check_product_schema(connection)
        except Refused as error:
            return CheckResult("fail", str(error), f"restore it in the product's database, then {MIGRATE}")
    used = "; ".join(f"{table} ({', '.join(columns)})" for table, columns in NEEDED_COLUMNS.items())
    return CheckResult("ok", f"every table, column, key and right that is needed is there: {used}")


def check_own_objects(read_objects: Callable[[], list[Line]], kind: str) -> CheckResult:
    """Compare our objects of one kind with those that the migrations leave."""
    wanted = {line for its, line in left_by_migrations() if its == kind}
    found = {line for its, line in read_objects() if its == kind}
    disabled = sorted(line for line in wanted - found if f"{line}{DISABLED}" in found)
    missing = sorted(wanted - found - set(disabled))
    off = {f"{line}{DISABLED}" for line in disabled}
    added = sorted(found - wanted - off) if kind in CLOSED_KINDS else []
    if not missing and not added and not disabled:
        return CheckResult("ok", f"all {len(wanted)} are as the migrations leave them")
    message = [f"missing or changed: {format_list([_short(line) for line in missing], NAMED)}"] if missing else []
    message += [f"not from the migrations: {format_list(added, NAMED)}"] if added else []
    message += [f"disabled: {format_list(disabled, NAMED)}"] if disabled else []
    remedies = _remedies(kind, missing) if missing else []
    remedies += ["revoke or drop what is not from the migrations"] if added else []
    remedies += [_enable_statement(line) for line in disabled]
    return CheckResult("fail", "; ".join(message), "; ".join(remedies))


def present_objects(database: Database) -> list[Line]:
    """Our objects in the database."""
    with database.login_session() as connection:
        return catalog_lines(connection)


def _short(line: str) -> str:
    """The line without the definition, which is in catalog.txt."""
    return line if line.startswith(("constraint", "trigger")) else line.partition(": ")[0]


def _remedies(kind: str, missing: list[str]) -> list[str]:
    """What restores missing objects: the grants, `migrate`, or for tables and constraints their own migration."""
    if kind == "grants":
        return [_grant_statement(line) for line in missing]
    if kind in ("functions", *GUARDS) or all(line.startswith(MADE_AGAIN) for line in missing):
        return [MIGRATE]
    return [f"run the file of sql/migrations that creates it by psql as the tables' owner, then {MIGRATE}"]


def _grant_statement(line: str) -> str:
    """The statement of a line such as "grant SELECT on eventflow_stats.days to eventflow_stats_reader"."""
    right, _, rest = line.removeprefix("grant ").partition(" on ")
    on, _, role = rest.rpartition(" to ")
    return f"GRANT {right} ON {'FUNCTION ' if '(' in on else ''}{on} TO {role}"


def _enable_statement(trigger: str) -> str:
    named = re.match(r"trigger of (\S+): CREATE TRIGGER (\S+) ", trigger)
    return "ALTER TABLE {} ENABLE TRIGGER {}".format(*named.groups()) if named else "enable it"
