"""EventFlow's product tables in an empty database: created once, closed, and never beside other objects."""

from datetime import date

import psycopg
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.migrations import migrate
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import Refused
from eventflow_stats.local.product_tables import create_product_tables, require_local_facts
from eventflow_stats_tests.engine.postgres.inspecting import everything_in, rows, run

CLIENT, CAMPAIGN, OTHER, WEBINAR, LINK = (f"{n}0000000-0000-0000-0000-000000000000" for n in range(1, 6))
DAY = date(2026, 2, 1)
ROLLUP = "SELECT m.* FROM public.marketing_stats_daily AS m ORDER BY id"


def test_a_second_call_creates_nothing(empty_database: Database) -> None:
    assert create_product_tables(empty_database) is True
    before = everything_in(empty_database)
    assert create_product_tables(empty_database) is False
    assert everything_in(empty_database) == before


def test_they_are_not_created_again_on_a_migrated_database(database: Database) -> None:
    before = everything_in(database)
    assert create_product_tables(database) is False
    assert everything_in(database) == before


def test_created_tables_can_be_migrated(empty_database: Database) -> None:
    create_product_tables(empty_database)
    assert migrate(empty_database)


@pytest.mark.parametrize(
    "holding",
    [
        "CREATE TABLE public.notes (id integer)",
        "CREATE TABLE public.notes (id integer) PARTITION BY RANGE (id)",
        "CREATE SCHEMA other; CREATE TABLE other.notes (id integer)",
        "CREATE VIEW public.notes AS SELECT 1 AS id",
        "CREATE MATERIALIZED VIEW public.notes AS SELECT 1 AS id",
        "CREATE SEQUENCE public.notes",
        # Also a migration tool's tables, or a schema of the same name.
        "CREATE SCHEMA auth",
        "CREATE FUNCTION public.notes() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    ],
)
def test_a_database_that_holds_something_else_is_refused_unchanged(empty_database: Database, holding: str) -> None:
    run(empty_database, holding)
    before = everything_in(empty_database)
    with pytest.raises(Refused, match="only on an empty database") as refusal:
        create_product_tables(empty_database)
    assert "\n" not in str(refusal.value)
    assert everything_in(empty_database) == before


def test_facts_may_be_made_up_where_we_created_the_tables(database: Database) -> None:
    require_local_facts(database)


@pytest.mark.parametrize(
    "comment",
    [
        "COMMENT ON SCHEMA auth IS NULL",
        "COMMENT ON SCHEMA auth IS 'Supabase auth'",
        "DROP SCHEMA auth CASCADE",
    ],
)
def test_facts_may_not_be_made_up_in_a_product_database(database: Database, comment: str) -> None:
    run(database, comment)
    with pytest.raises(Refused, match="this database's facts are EventFlow's own"):
        require_local_facts(database)


def test_an_entry_belongs_to_the_client_of_its_campaign(shop: Database) -> None:
    assert rows(shop, "SELECT DISTINCT client_id::text FROM public.event_survey_entries") == [(CLIENT,)]


@pytest.fixture
def shop(database: Database) -> Database:
    """A client with two campaigns, a webinar and a link, facts of each, rebuilt."""
    run(
        database,
        f"""
        INSERT INTO auth.users (id) VALUES ('{CLIENT}');
        INSERT INTO profiles (id) VALUES ('{CLIENT}');
        INSERT INTO clients (id, name) VALUES ('{CLIENT}', 'Shop');
        INSERT INTO event_survey_campaigns (id, client_id, title, public_path, created_by) VALUES
            ('{CAMPAIGN}', '{CLIENT}', 'Spring', 'spring', '{CLIENT}'),
            ('{OTHER}', '{CLIENT}', 'Autumn', 'autumn', '{CLIENT}');
        INSERT INTO webinars (id, title, client_id) VALUES ('{WEBINAR}', 'Talk', '{CLIENT}');
        INSERT INTO campaign_link_meta (id, client_id, name, target_campaign_id, cid)
            VALUES ('{LINK}', '{CLIENT}', 'Mail', '{OTHER}', 'ABCD1234');
        INSERT INTO event_access_logs
            (campaign_id, webinar_id, session_id, marketing_campaign_link_id, cid, accessed_at)
        VALUES
            ('{CAMPAIGN}', NULL, 'one', '{LINK}', NULL, '2026-02-01 10:00Z'),
            ('{CAMPAIGN}', NULL, 'two', NULL, ' abcd1234', '2026-02-01 10:00Z'),
            ('{OTHER}', NULL, 'three', NULL, NULL, '2026-02-01 10:00Z'),
            (NULL, '{WEBINAR}', 'four', NULL, NULL, '2026-02-01 10:00Z');
        INSERT INTO event_survey_entries
            (campaign_id, client_id, phone_norm, survey_no, code6, marketing_campaign_link_id, created_at)
        VALUES ('{CAMPAIGN}', '{OTHER}', '1', 1, '000001', '{LINK}', '2026-02-01 10:00Z');
        """,
    )
    [day] = rebuild(database, [DAY])
    assert (day.totals.groups, day.totals.visits, day.totals.conversions) == (3, 4, 1)
    return database


@pytest.mark.parametrize(
    ("deletion", "left"),
    [
        # The product removes the link from its visits and leaves it on its entry; the cid finds none.
        (
            f"DELETE FROM campaign_link_meta WHERE id = '{LINK}'",
            [(None, 1), (CAMPAIGN, 0), (CAMPAIGN, 2), (OTHER, 1)],
        ),
        (f"DELETE FROM event_survey_campaigns WHERE id = '{CAMPAIGN}'", [(None, 1), (OTHER, 1)]),
        (f"DELETE FROM webinars WHERE id = '{WEBINAR}'", [(CAMPAIGN, 2), (OTHER, 1)]),
    ],
)
def test_deleting_a_dimension_of_the_product_succeeds_and_changes_the_rollup_only_through_facts(
    shop: Database, deletion: str, left: list[tuple[str | None, int]]
) -> None:
    before = rows(shop, ROLLUP)
    run(shop, deletion)
    assert rows(shop, ROLLUP) == before
    list(rebuild(shop, [DAY]))
    groups = "SELECT campaign_id::text, visits FROM public.marketing_stats_daily ORDER BY 1 NULLS FIRST, 2"
    assert rows(shop, groups) == left
    [verified] = verify(shop, [DAY])
    assert verified.result == "verified"


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO event_access_logs (session_id) VALUES ('one')",
        f"INSERT INTO campaign_link_meta (client_id, name, target_campaign_id, target_webinar_id) "
        f"VALUES ('{CLIENT}', 'Both', '{CAMPAIGN}', '{WEBINAR}')",
        f"INSERT INTO campaign_link_meta (client_id, name, target_type, target_campaign_id) "
        f"VALUES ('{CLIENT}', 'Mismatch', 'webinar', '{CAMPAIGN}')",
        f"INSERT INTO campaign_link_meta (client_id, name, target_campaign_id) "
        f"VALUES ('{CLIENT}', 'Mail', '{CAMPAIGN}')",
        f"INSERT INTO campaign_link_meta (client_id, name, target_campaign_id, cid) "
        f"VALUES ('{CLIENT}', 'Same cid', '{CAMPAIGN}', 'ABCD1234')",
        f"INSERT INTO event_survey_campaigns (client_id, title, public_path, created_by) "
        f"VALUES ('{CLIENT}', 'Twice', 'spring', '{CLIENT}')",
        f"INSERT INTO event_survey_campaigns (client_id, title, public_path) "
        f"VALUES ('{CLIENT}', 'By nobody', 'nobody')",
        "UPDATE event_survey_campaigns SET status = 'lost'",
        "UPDATE event_survey_campaigns SET type = 'lost'",
        f"INSERT INTO event_survey_entries (campaign_id, client_id, phone_norm, survey_no, code6) "
        f"VALUES ('{CAMPAIGN}', '{CLIENT}', '1', 2, '000002')",
        f"INSERT INTO event_survey_entries (campaign_id, client_id, phone_norm, survey_no, code6) "
        f"VALUES ('{CAMPAIGN}', '{CLIENT}', '2', 1, '000002')",
        f"INSERT INTO event_survey_entries (campaign_id, client_id, phone_norm, survey_no, code6) "
        f"VALUES ('{CAMPAIGN}', '{CLIENT}', '2', 2, '000001')",
        f"INSERT INTO client_members VALUES ('{CLIENT}', '{CLIENT}', 'viewer')",
        f"INSERT INTO agency_members VALUES ('{CLIENT}', '{CLIENT}', 'operator')",
    ],
)
def test_they_refuse_what_the_product_refuses(shop: Database, statement: str) -> None:
    with pytest.raises(psycopg.errors.IntegrityError):
        run(shop, statement)
