"""A database of an earlier version: it is refused in one line, and what the line says gives exact numbers again."""

import re
import subprocess
from pathlib import Path

import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import START_AGAIN, migrate, migration_names
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import Refused
from eventflow_stats_tests.engine.assumptions.test_assumptions import shop
from eventflow_stats_tests.engine.ordinary_owner import owned_database
from eventflow_stats_tests.engine.postgres.inspecting import connect, everything_in, pg_dump, rows, run, schema_of
from eventflow_stats_tests.engine.two_clients import DAY, LONG_AGO, Shop, noon
from eventflow_stats_tests.facts import Entry, Visit

__all__ = ["owned_database", "shop"]
EARLIER = "0024_second_count"
FACTS = (
    "event_access_logs", "event_survey_entries", "event_survey_campaigns", "webinars", "campaign_link_meta", "clients",
)  # fmt: skip


def facts(shop: Shop) -> list[list[tuple[object, ...]]]:
    """Every row of the product's tables, with its version."""
    return [rows(shop.database, f"SELECT t::text, xmin::text FROM public.{table} AS t ORDER BY 1") for table in FACTS]


def test_the_facts_of_an_earlier_version_s_database_give_exact_numbers_again(shop: Shop, server: str) -> None:
    superuser = Database(server.replace("/eventflow", f"/{shop.database.url.database}"), shop.database.settings)
    run(shop.database, f"UPDATE eventflow_stats.schema_version SET version_num = '{EARLIER}'")
    # Not in the rollup of the earlier version, and a wrong number in it.
    shop.product.add(Visit(at=noon(DAY), campaign_id=shop.campaign, session_id="new", utm_source="mail"))
    shop.product.add(Entry(at=noon(DAY), campaign_id=shop.campaign))
    run(shop.database, "UPDATE public.marketing_stats_daily SET visits = 99")
    facts_before, before = facts(shop), everything_in(superuser)
    own_server = shop.with_settings(database_url="postgresql://somewhere")

    with pytest.raises(Refused, match=rf"an earlier version .*\(migration {EARLIER}\)") as refused:
        migrate(own_server)
    assert "\n" not in str(refused.value)
    assert everything_in(superuser) == before
    [statements, *commands] = re.findall("`(.+?)`", str(refused.value))
    assert commands == ["eventflow-stats migrate", "eventflow-stats backfill --from DAY --to DAY"]

    run(shop.database, statements)
    assert migrate(own_server) == migration_names()
    list(rebuild(own_server, [LONG_AGO, DAY]))

    assert shop.is_right()
    assert {day.result for day in verify(own_server, [LONG_AGO, DAY])} == {"verified"}
    assert facts(shop) == facts_before
    assert migrate(own_server) == []


def test_the_adjustments_of_an_earlier_version_s_database_are_taken_along(shop: Shop, tmp_path: Path) -> None:
    run(
        shop.database,
        f"""INSERT INTO eventflow_stats.adjustments (client_id, bucket_date, visits_delta, reason, author)
        VALUES ('{shop.ours}', '{DAY}', 3, 'load test', 'Kim'), ('{shop.ours}', '{DAY}', -1, 'crawler', 'Lee');
        UPDATE eventflow_stats.adjustments SET reverted_by = 'Lee', reverted_reason = 'none' WHERE adjustment_id = 2""",
    )
    adjustments = """SELECT adjustment_id, reason, author, created_at, recorded_by, reverted_at, reverted_by
        FROM eventflow_stats.adjustments ORDER BY 1"""
    before = rows(shop.database, adjustments)
    url = shop.database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with connect(shop.database) as connection:
        program = pg_dump(connection.info.server_version)
    options = ["--data-only", "--column-inserts", "--disable-triggers", "--table=eventflow_stats.adjustments"]
    subprocess.run([program, *options, f"--file={tmp_path / 'adjustments.sql'}", url], check=True)

    run(shop.database, START_AGAIN)
    migrate(shop.database)
    # Lines that begin with a backslash are commands of psql.
    dumped = (tmp_path / "adjustments.sql").read_text().splitlines()
    run(shop.database, "\n".join(line for line in dumped if not line.startswith("\\")))

    assert rows(shop.database, adjustments) == before
    assert migrate(shop.database) == []


def test_a_database_started_again_has_the_schema_of_a_new_one(database: Database, newest_schema: str) -> None:
    run(database, START_AGAIN)
    migrate(database)
    assert schema_of(database) == newest_schema
