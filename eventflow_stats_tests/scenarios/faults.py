"""Lasting faults of the environment: the statements that cause each, its remedy, and the words of the engine's refusal.

A superuser runs the statements, on a database whose tables belong to an ordinary user.
"""

from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import migrate

Remedy = Callable[[Database, psycopg.Connection], object]

SWAP_FACTS = """
DO $$
DECLARE
    old_constraint record;
BEGIN
    ALTER TABLE public.event_access_logs RENAME TO x_old;
    CREATE TABLE public.event_access_logs (LIKE public.x_old INCLUDING ALL);
    FOR old_constraint IN
        SELECT conname, pg_get_constraintdef(oid) AS definition
        FROM pg_constraint WHERE conrelid = 'public.x_old'::regclass AND contype = 'f'
    LOOP
        EXECUTE format('ALTER TABLE public.event_access_logs ADD CONSTRAINT %I ', old_constraint.conname)
            || old_constraint.definition;
    END LOOP;
    INSERT INTO public.event_access_logs SELECT * FROM public.x_old;
    EXECUTE format(
        'ALTER TABLE public.event_access_logs OWNER TO %I',
        (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'public.x_old'::regclass)
    );
END
$$
"""
HIDE = "ALTER TABLE public.{0} ENABLE ROW LEVEL SECURITY; ALTER TABLE public.{0} FORCE ROW LEVEL SECURITY"
LOSE_FACTS = """
DO $$
BEGIN
    EXECUTE 'CREATE OR REPLACE VIEW eventflow_stats.conversion_facts AS '
        || replace(
            pg_get_viewdef('eventflow_stats.conversion_facts'::regclass), 'FROM ((event_survey_entries e',
            'FROM ((( SELECT x.*, x.xmin FROM event_survey_entries AS x WHERE x.id::text > ''8'') e'
        );
END
$$
"""
OWNED_AS_AFTER_A_RESTORE = """
DO $$
BEGIN
    EXECUTE format(
        'ALTER FUNCTION eventflow_stats.read_summary(uuid, date, date) OWNER TO %I',
        (SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database())
    );
END
$$
"""


@dataclass(frozen=True)
class Fault:
    """``breaks`` are statements; ``remedy`` is what doctor proposes. While the fault lasts, every refusal contains one
    of ``words``, which are separated by ``|``."""

    name: str
    breaks: str
    remedy: Remedy
    words: str

    def __str__(self) -> str:
        return self.name


def statement(text: str) -> Remedy:
    """Return the remedy of an operator who runs this statement."""
    return lambda _database, superuser: superuser.execute(text)


def migrate_again(database: Database, _superuser: psycopg.Connection) -> list[str]:
    """Run `eventflow-stats migrate` as the tables' ordinary owner."""
    return migrate(database)


def migrate_and_drop_old_table(database: Database, superuser: psycopg.Connection) -> list[str]:
    """Run `eventflow-stats migrate`; then the product drops the old table."""
    done = migrate(database)
    superuser.execute("DROP TABLE public.x_old")
    return done


FAULTS = (
    Fault("fact table swapped by rename", SWAP_FACTS, migrate_and_drop_old_table, "same table"),
    *(
        Fault(
            f"rows of {table} hidden by row-level security",
            HIDE.format(table),
            statement(f"ALTER TABLE public.{table} NO FORCE ROW LEVEL SECURITY"),
            "nothing hidden",
        )
        for table in ("event_access_logs", "event_survey_entries", "campaign_link_meta")
    ),
    Fault(
        "view reads as its caller",
        "ALTER VIEW eventflow_stats.visit_facts SET (security_invoker = true)",
        migrate_again,
        "nothing hidden|own objects",
    ),
    Fault(
        "views dropped",
        "DROP VIEW eventflow_stats.visit_facts, eventflow_stats.visit_attribution CASCADE",
        migrate_again,
        "same table|own objects",
    ),
    Fault("view that loses facts", LOSE_FACTS, migrate_again, "own objects"),
    Fault(
        "function of another owner",
        OWNED_AS_AFTER_A_RESTORE,
        migrate_again,
        "own objects",
    ),
    Fault(
        "time zone read differently",
        "UPDATE eventflow_stats.deployment SET bucket_timezone = 'CET'",
        statement("UPDATE eventflow_stats.deployment SET bucket_timezone = 'Europe/Berlin'"),
        "time zone|EVENTFLOW_BUCKET_TIMEZONE",
    ),
    Fault(
        "database read-only",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', "
        "current_database()); END $$",
        statement(
            "DO $$ BEGIN SET LOCAL transaction_read_only = off; EXECUTE format('ALTER DATABASE %I RESET "
            "default_transaction_read_only', current_database()); END $$"
        ),
        "read-only",
    ),
)
"""The faults that last until somebody carries out the remedy."""
