"""A live product database: the original rollup, with its rows, becomes ours and nothing is lost."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import migrate, migration_names
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.local.product_tables import create_product_tables
from eventflow_stats.settings import Settings
from eventflow_stats_tests.conftest import Cluster
from eventflow_stats_tests.engine.postgres.inspecting import connect, rows, run, schema_of
from eventflow_stats_tests.engine.postgres.original_table import (
    CAMPAIGN,
    CLIENT,
    EARLY,
    LATE,
    LATEST,
    LINK,
    SUPABASE_DEFAULTS,
    create_original,
)

NAMES = migration_names()
ROLLUP = """
    SELECT bucket_date, campaign_id::text, marketing_campaign_link_id::text, utm_source, utm_medium,
        utm_campaign, visits, conversions, cvr,
        first_aggregated_at, last_aggregated_at, created_at, updated_at
    FROM public.marketing_stats_daily ORDER BY bucket_date, visits
"""
FIRST, SECOND = date(2026, 2, 1), date(2026, 2, 2)


def instants(*texts: str) -> tuple[datetime, ...]:
    return tuple(datetime.fromisoformat(text) for text in texts)


KEPT = [
    (FIRST, None, None, None, None, None, 4, 0, Decimal("0.00"), *instants(EARLY, LATE, EARLY, EARLY)),
    (FIRST, CAMPAIGN, None, "__null__", None, None, 6, 8, Decimal("133.33"),
        *instants(EARLY, LATE, EARLY, LATEST)),
    (FIRST, CAMPAIGN, LINK, "mail", "news", "spring", 10, 5, Decimal("50.00"),
        *instants(EARLY, LATE, EARLY, LATE)),
    (SECOND, None, None, None, None, None, 1, 0, Decimal("0.00"), *instants(LATE, LATE, LATE, LATE)),
]  # fmt: skip


@pytest.fixture(
    params=[
        pytest.param({}, id="as evidenced"),
        pytest.param({"precision": 5}, id="before 080"),
        pytest.param({"default": ""}, id="timestamps without default"),
    ]
)
def live_database(empty_database: Database, request: pytest.FixtureRequest) -> Database:
    """A product database on Supabase, with the original table and its rows, not yet migrated."""
    create_product_tables(empty_database)
    run(empty_database, SUPABASE_DEFAULTS)
    create_original(empty_database, **request.param)
    return empty_database


def visit(session: str, at: str) -> str:
    return f"""INSERT INTO public.event_access_logs
        (campaign_id, marketing_campaign_link_id, session_id, accessed_at,
            utm_source, utm_medium, utm_campaign)
        VALUES ('{CAMPAIGN}', '{LINK}', '{session}', '{at}', 'mail', 'news', 'spring')"""


def test_its_rows_stay_with_their_values_and_timestamps(live_database: Database) -> None:
    migrate(live_database)
    assert rows(live_database, ROLLUP) == KEPT


def test_of_rows_standing_for_one_group_the_newest_stays_and_the_others_are_set_aside(
    live_database: Database,
) -> None:
    before: list[tuple[dict[str, Any]]] = rows(
        live_database, "SELECT to_jsonb(m) FROM public.marketing_stats_daily AS m WHERE visits IN (2, 3)"
    )
    migrate(live_database)
    set_aside = rows(
        live_database,
        "SELECT reason, original_row - 'cvr' FROM eventflow_stats.superseded_rows ORDER BY original_row -> 'visits'",
    )
    assert [reason for reason, _row in set_aside] == ["duplicate of a group with NULL dimensions"] * 2
    originals = sorted((row for (row,) in before), key=lambda row: int(row["visits"]))
    for row in originals:
        del row["cvr"]
    assert [row for _reason, row in set_aside] == originals


def test_it_ends_in_the_shape_of_a_table_of_our_own(live_database: Database, cluster: Cluster) -> None:
    def about_the_rollup(database: Database) -> list[str]:
        return sorted(
            line.rstrip(",")
            for line in schema_of(database).splitlines()
            # What the product had and nobody is harmed by: its plain indexes and its trigger's function.
            if "marketing_stats_daily" in line or line.startswith("    ")
            if "original_" not in line and "DEFAULT PRIVILEGES" not in line
        )

    migrate(live_database)
    ours = Database(cluster.migrated("UTC"), Settings())
    run(live_database, "DROP FUNCTION public.original_touch")
    assert about_the_rollup(live_database) == about_the_rollup(ours)


def test_a_rebuild_writes_over_its_rows(live_database: Database) -> None:
    migrate(live_database)
    [(adopted,)] = rows(live_database, "SELECT id FROM public.marketing_stats_daily WHERE visits = 10")
    for session, at in (
        ("one", "2026-02-01 10:00Z"),
        ("one", "2026-02-01 11:00Z"),
        ("two", "2026-02-01 12:00Z"),
    ):
        run(live_database, visit(session, at))
    [rebuilt] = rebuild(live_database, [FIRST])
    assert (rebuilt.written, rebuilt.deleted) == (1, 2)
    day = "SELECT id, visits, conversions, cvr, created_at, updated_at > {at} FROM public.marketing_stats_daily"
    assert rows(live_database, day.format(at=f"'{LATE}'") + " WHERE bucket_date = '2026-02-01'") == [
        (adopted, 2, 0, Decimal("0.00"), *instants(EARLY), True)
    ]
    [again] = rebuild(live_database, [FIRST])
    assert (again.written, again.deleted) == (0, 0)
    [verified] = verify(live_database, [FIRST])
    assert verified.result == "verified"


def test_a_rebuild_adds_rows_to_it(live_database: Database) -> None:
    migrate(live_database)
    run(live_database, visit("one", "2026-02-05 10:00Z"))
    [rebuilt] = rebuild(live_database, [date(2026, 2, 5)])
    assert (rebuilt.written, rebuilt.deleted) == (1, 0)
    assert rows(live_database, ROLLUP)[:4] == KEPT


def test_its_foreign_keys_are_gone_so_deleting_a_link_or_campaign_leaves_it_alone(
    live_database: Database,
) -> None:
    migrate(live_database)
    run(live_database, f"DELETE FROM public.campaign_link_meta WHERE id = '{LINK}'")
    run(live_database, f"DELETE FROM public.event_survey_campaigns WHERE id = '{CAMPAIGN}'")
    assert rows(live_database, ROLLUP) == KEPT


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
@pytest.mark.parametrize("until", ["0004_adopted_rollup", NAMES[-1]])
def test_its_open_policies_and_grants_are_closed_by_the_migration_that_takes_it_over(
    empty_database: Database, role: str, until: str
) -> None:
    create_product_tables(empty_database)
    run(empty_database, SUPABASE_DEFAULTS)
    create_original(empty_database)
    migrate(empty_database, until=until)
    assert (
        rows(
            empty_database,
            f"""SELECT privilege FROM unnest(
            ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS privilege
        WHERE has_table_privilege('{role}', 'public.marketing_stats_daily', privilege)""",
        )
        == []
    )
    open_to_all = """SELECT policyname FROM pg_policies
        WHERE tablename = 'marketing_stats_daily' AND 'public' = ANY (roles)"""
    assert rows(empty_database, open_to_all) == []


@pytest.mark.parametrize("until", ["0003_marketing_stats_daily", NAMES[-1]])
def test_a_new_table_is_closed_from_its_first_moment(empty_database: Database, until: str) -> None:
    create_product_tables(empty_database)
    run(empty_database, SUPABASE_DEFAULTS)
    migrate(empty_database, until=until)
    run(
        empty_database,
        """INSERT INTO public.marketing_stats_daily (id, client_id, bucket_date)
        VALUES (gen_random_uuid(), gen_random_uuid(), '2026-02-01')""",
    )
    with connect(empty_database) as connection:
        for role in ("anon", "authenticated"):
            connection.execute(f"SET ROLE {role}".encode())
            for statement in (
                "INSERT INTO public.marketing_stats_daily (id, client_id, bucket_date) "
                "VALUES (gen_random_uuid(), gen_random_uuid(), '2026-02-01')",
                "UPDATE public.marketing_stats_daily SET visits = 1",
                "DELETE FROM public.marketing_stats_daily",
                "TRUNCATE public.marketing_stats_daily",
            ):
                with pytest.raises(Exception, match="permission denied"):
                    connection.execute(statement.encode())
            connection.execute("RESET ROLE")
    assert rows(empty_database, "SELECT count(*) FROM public.marketing_stats_daily") == [(1,)]


def test_a_row_the_product_commits_while_it_is_taken_over_is_taken_over_too(empty_database: Database) -> None:
    create_product_tables(empty_database)
    create_original(empty_database)
    migrate(empty_database, until=NAMES[0])
    product = connect(empty_database)
    with ThreadPoolExecutor() as pool:
        with product.transaction():
            product.execute(
                f"""INSERT INTO public.marketing_stats_daily
                (client_id, bucket_date, visits, last_aggregated_at)
                VALUES ('{CLIENT}', '2026-02-02', 7, '{LATEST}')""".encode()
            )
            migrating = pool.submit(migrate, empty_database)
            waiting = """SELECT FROM pg_locks
                WHERE NOT granted AND relation = 'public.marketing_stats_daily'::regclass"""
            while not rows(empty_database, waiting):
                time.sleep(0.02)
        migrating.result()
    product.close()
    assert rows(empty_database, "SELECT visits FROM public.marketing_stats_daily WHERE bucket_date = '2026-02-02'") == [
        (7,)
    ]
    assert rows(
        empty_database,
        """SELECT count(*) FROM public.marketing_stats_daily
        WHERE id IS DISTINCT FROM eventflow_stats.group_id(
            client_id, bucket_date, campaign_id, marketing_campaign_link_id,
            utm_source, utm_medium, utm_campaign
        )""",
    ) == [(0,)]
    assert rows(empty_database, "SELECT count(*) FROM eventflow_stats.superseded_rows") == [(3,)]
