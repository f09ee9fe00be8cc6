"""The schema: migrations, the product's tables, and our own objects against what the migrations leave.

``sql/migrations/laid.txt`` lists what a database has after the last migration, a line a thing; a test holds it
against a database migrated from nothing.
"""

import re
from collections.abc import Callable
from functools import cache, partial

from eventflow_stats.engine.doctor.diagnosis import Diagnosis, Outcome, not_checked, run_check
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import applied_migration, migration_names, unknown_migration
from eventflow_stats.engine.postgres.own_objects import GUARDS, Line, catalog_lines, left_by_migrations
from eventflow_stats.engine.postgres.product_schema import NEEDED_COLUMNS, check_product_schema
from eventflow_stats.engine.postgres.sql import query, shipped
from eventflow_stats.errors import Refused
from eventflow_stats.formatting import counted, listed

AREA = "schema"
KINDS = ("tables", "constraints", "indexes", "functions", "triggers", "policies", "grants")
GIVEN = ("triggers", "policies", "grants")
"""Of these one too many is as bad as one too few: somebody may do what the migrations let nobody do, or a trigger (or
rule) changes what is written."""
MADE_AGAIN = ("view column ", "index of ")
"""How the lines of views and of indexes upon facts begin: `migrate` makes these again, too."""
MIGRATE = "eventflow-stats migrate"
NAMED = 4
DISABLED = " (disabled)"
"""How sql/queries/what_is_laid.sql marks a trigger that does not fire."""

NO_NAMES = {"eventflow_stats", "eventflow_stats_engine"}
"""What most migrations name."""


def examine_schema(database: Database) -> list[Diagnosis]:
    """How the schema stands. Our objects can be compared after the last migration alone."""
    applied = run_check(AREA, "migrations", lambda: migrations(database))
    found = [
        applied,
        run_check(AREA, "bucket time zone", lambda: bucket_timezone(database)),
        run_check(AREA, "product tables", lambda: product_tables(database)),
    ]
    if applied.state != "ok":
        why = "what they should be is known after the last migration alone"
        return [*found, *(not_checked(AREA, f"our {kind}", why) for kind in KINDS)]
    read_once = cache(partial(laid, database))
    return [*found, *(run_check(AREA, f"our {kind}", partial(own_objects, read_once, kind)) for kind in KINDS)]


def migrations(database: Database) -> Outcome:
    applied, known = applied_migration(database), migration_names()
    if applied == known[-1]:
        return Outcome("ok", f"{applied}, the newest")
    if applied is None:
        return Outcome("fail", f"none of {len(known)} is applied", MIGRATE)
    if applied not in known:
        return Outcome("fail", *unknown_migration(database, applied))
    missing = known[known.index(applied) + 1 :]
    return Outcome("fail", f"{applied}; missing: {listed(missing)}", MIGRATE)


def bucket_timezone(database: Database) -> Outcome:
    with database.login_session() as connection:
        zone = connection.scalar(query("schema/deployment_timezone"))
    asked = database.settings.bucket_timezone
    if zone != asked:
        return Outcome(
            "fail",
            f"days are counted in {zone}, and EVENTFLOW_BUCKET_TIMEZONE says {asked}",
            f"set EVENTFLOW_BUCKET_TIMEZONE={zone}: the days of facts cannot change",
        )
    return Outcome("ok", zone)


def product_tables(database: Database) -> Outcome:
    with database.login_session() as connection:
        try:
            check_product_schema(connection)
        except Refused as error:
            return Outcome(
                "fail", str(error), f"restore it in the product's database, then {MIGRATE}: the views of facts read it"
            )
    used = "; ".join(f"{table} ({', '.join(columns)})" for table, columns in NEEDED_COLUMNS.items())
    return Outcome("ok", f"every table, column, key and right that is needed is there: {used}")


def laid(database: Database) -> list[Line]:
    """What the database has of ours."""
    with database.login_session() as connection:
        return catalog_lines(connection)


def own_objects(laid: Callable[[], list[Line]], kind: str) -> Outcome:
    wanted = {line for its, line in left_by_migrations() if its == kind}
    found = {line for its, line in laid() if its == kind}
    disabled = sorted(line for line in wanted - found if f"{line}{DISABLED}" in found)
    missing = sorted(wanted - found - set(disabled))
    off = {f"{line}{DISABLED}" for line in disabled}
    added = sorted(found - wanted - off) if kind in GIVEN else []
    if not missing and not added and not disabled:
        return Outcome("ok", f"{counted(len(wanted), 'thing')}, as the migrations leave them")
    message = [f"missing or changed: {listed([_short(line) for line in missing], NAMED)}"] if missing else []
    message += [f"beside the migrations: {listed(added, NAMED)}"] if added else []
    message += [f"disabled: {listed(disabled, NAMED)}"] if disabled else []
    remedies = _laying(kind, missing) if missing else []
    remedies += ["revoke or drop what the migrations did not give"] if added else []
    remedies += [_enabling(line) for line in disabled]
    return Outcome("fail", "; ".join(message), "; ".join(remedies))


def _enabling(trigger: str) -> str:
    named = re.match(r"trigger of (\S+): CREATE TRIGGER (\S+) ", trigger)
    return "ALTER TABLE {} ENABLE TRIGGER {}".format(*named.groups()) if named else "enable it"


def _short(line: str) -> str:
    """Without the definition, which is in laid.txt."""
    return line if line.startswith(("constraint", "trigger")) else line.partition(": ")[0]


def _laying(kind: str, missing: list[str]) -> list[str]:
    """What lays again what is missing: the grants themselves, `migrate`, or files of sql/migrations that name it."""
    if kind == "grants":
        return [_granting(line) for line in missing]
    by_file = [line for line in missing if kind not in ("functions", *GUARDS) and not line.startswith(MADE_AGAIN)]
    remedies = [MIGRATE] if len(by_file) < len(missing) else []
    if by_file:
        remedies.append(
            f"lay it again: run {' and '.join(_files(by_file))} by psql as the tables' owner, then {MIGRATE}"
        )
    return remedies


def _granting(line: str) -> str:
    """The statement of a line such as "grant SELECT on eventflow_stats.days to eventflow_stats_reader"."""
    right, _, rest = line.removeprefix("grant ").partition(" on ")
    on, _, role = rest.rpartition(" to ")
    return f"GRANT {right} ON {'FUNCTION ' if '(' in on else ''}{on} TO {role}"


def _files(lines: list[str]) -> list[str]:
    """The migrations that name what the lines are about. Each may run again by hand."""
    folder = shipped("sql", "migrations")
    contents = {name: folder.joinpath(f"{name}.sql").read_text(encoding="utf-8") for name in migration_names()}
    found = set()
    for line in lines:
        words = {word for word in re.findall(r"[a-z_]+", _short(line)) if "_" in word} - NO_NAMES
        found |= {name for name, text in contents.items() if any(re.search(rf"\b{word}\b", text) for word in words)}
    return [f"sql/migrations/{name}.sql" for name in sorted(found)] or ["the files of sql/migrations, in their order,"]
