"""A view that loses or doubles facts makes their day unverifiable, because the tables are counted too."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.rollup.refresh import refresh
from eventflow_stats.engine.status.health import find_problems, read_status
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import FailedDays, UnverifiableDay
from eventflow_stats_tests.engine.two_clients import DAY, LONG_AGO, Shop, noon, now
from eventflow_stats_tests.facts import Entry, Product, Visit, connect
from eventflow_stats_tests.rollup import stored_groups

pytestmark = pytest.mark.environment


@pytest.fixture
def shop(database: Database) -> Iterator[Shop]:
    """Two days: one with three visits, one of them of no client, and an entry; an older one with a visit."""
    with connect(database) as connection:
        shop = Shop(database, Product(connection))
        shop.product.add(
            Visit(at=noon(DAY), webinar_id=shop.product.webinar(None), session_id="nobody's"),
            Entry(at=noon(DAY), campaign_id=shop.campaign),
        )
        list(rebuild(database, [DAY, LONG_AGO]))
        yield shop


def lose_facts(shop: Shop, view: str) -> str:
    """Change the view so that it loses facts of no client; returns its definition before."""
    (definition,) = shop.product.connection.execute(
        "SELECT pg_get_viewdef(%s::regclass)", [f"eventflow_stats.{view}"]
    ).fetchone() or ("",)
    lost = "client_id IS NULL" if view == "visit_facts" else f"campaign_id = '{shop.campaign}'"
    redefine(shop, view, f"SELECT * FROM ({definition.rstrip('; ')}) AS f WHERE NOT {lost}")
    return str(definition)


def redefine(shop: Shop, view: str, definition: str) -> None:
    """Redefine the view, and record it as ours, so that no assumption finds the change."""
    shop.product.connection.execute(f"CREATE OR REPLACE VIEW eventflow_stats.{view} AS {definition}".encode())
    shop.product.connection.execute(query("schema/record_own_objects").text.encode())


def double_facts(shop: Shop) -> None:
    """Store the campaign twice, which only a unique key prevents."""
    run = shop.product.connection.execute
    run("ALTER TABLE event_survey_campaigns DROP CONSTRAINT event_survey_campaigns_pkey CASCADE")
    run("ALTER TABLE event_survey_campaigns DROP CONSTRAINT event_survey_campaigns_client_id_public_path_key")
    run("INSERT INTO event_survey_campaigns SELECT * FROM event_survey_campaigns WHERE id = %s", [shop.campaign])


def ledger(shop: Shop) -> dict[date, Any]:
    rows = shop.product.connection.execute(
        "SELECT bucket_date, verification_result, counted_visits, counted_entries, unverifiable_since IS NOT NULL, "
        "assumptions FROM eventflow_stats.days ORDER BY 1"
    )
    return {row[0]: row[1:] for row in rows}


def verified_client_days(shop: Shop, day: date) -> int:
    rows = shop.product.connection.execute(
        "SELECT count(*) FROM eventflow_stats.client_days WHERE bucket_date = %s AND verified_at IS NOT NULL", [day]
    )
    return int((rows.fetchone() or (0,))[0])


def test_a_verification_records_that_the_second_count_matched(shop: Shop) -> None:
    list(verify(shop.database, [DAY]))
    result, visits, entries, unverifiable, assumptions = ledger(shop)[DAY]
    assert (result, visits, entries, unverifiable) == ("verified", 3, 1, False)
    assert "second count" in assumptions


@pytest.mark.parametrize(
    ("view", "found"),
    [
        ("visit_facts", "the views give 2 visits, the table has 3"),
        ("conversion_facts", "the views give 0 entries, the table has 1"),
        ("doubled", "the views give 4 visits, the table has 3; the views give 2 entries, the table has 1"),
    ],
)
def test_a_view_that_loses_or_doubles_facts_verifies_nothing_of_the_day_and_writes_nothing(
    shop: Shop, view: str, found: str
) -> None:
    list(verify(shop.database, [DAY, LONG_AGO]))
    if view == "doubled":
        double_facts(shop)
    else:
        lose_facts(shop, view)
    before = stored_groups(shop.product.connection)
    for work in (verify, rebuild):
        with pytest.raises(UnverifiableDay, match=f"{DAY} is unverifiable.*{found}"):
            list(work(shop.database, [DAY]))
    assert stored_groups(shop.product.connection) == before
    assert ledger(shop)[DAY][0] is None
    assert ledger(shop)[DAY][3]
    assert verified_client_days(shop, DAY) == 0
    # A single client of the day is neither verified nor computed.
    for part in (verify, rebuild):
        with pytest.raises(UnverifiableDay, match=found):
            list(part(shop.database, [DAY], [shop.ours]))
    assert stored_groups(shop.product.connection) == before
    assert [day for day in find_problems(read_status(shop.database)) if "1 day unverifiable" in day.what]


def test_the_other_days_are_not_affected(shop: Shop) -> None:
    lose_facts(shop, "visit_facts")
    failed: FailedDays = {}
    verified = list(verify(shop.database, [LONG_AGO, DAY], on_failed_day=failed.__setitem__))
    assert [(day.day, day.result) for day in verified] == [(LONG_AGO, "verified")]
    assert list(failed) == [DAY]


def test_a_refresh_of_an_unverifiable_day_counts_the_whole_day_again(shop: Shop) -> None:
    healthy = lose_facts(shop, "visit_facts")
    with pytest.raises(UnverifiableDay):
        list(verify(shop.database, [DAY]))
    shop.product.add(Visit(at=noon(DAY), ingested_at=now(), campaign_id=shop.campaign, session_id="new"))
    assert detect(shop.database).stale_client_days == {DAY: 1}
    failed: FailedDays = {}
    list(refresh(shop.database, [DAY], on_failed_day=failed.__setitem__))
    assert list(failed) == [DAY]
    redefine(shop, "visit_facts", healthy)
    list(refresh(shop.database, [DAY]))
    assert [day.result for day in verify(shop.database, [DAY])] == ["verified"]
    assert ledger(shop)[DAY][:4] == ("verified", 4, 1, False)
    assert shop.is_right()
