"""Made-up facts: the same seed makes the same facts, they are like real traffic, and they have no personal data."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import psycopg
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.errors import InvalidInput
from eventflow_stats.local.sample import Sampled, SampleSize, make_sample
from eventflow_stats_tests.cli.command import contents

SIZE = SampleSize(visits=25_000, clients=6, days=10, until=date(2026, 3, 31), seed=7)
MADE = (
    "clients",
    "event_survey_campaigns",
    "webinars",
    "campaign_link_meta",
    "event_access_logs",
    "event_survey_entries",
)


def url_of(database: Database) -> str:
    return database.url.set(drivername="postgresql").render_as_string(hide_password=False)


def facts(database: Database) -> dict[str, list[str]]:
    """All rows that were made, without the times at which they were written."""
    found = {}
    with psycopg.connect(url_of(database)) as connection:
        for table in MADE:
            drop = "'created_at'" if "event_access" not in table and "entries" not in table else "'agency_id'"
            found[table] = [
                row[0]
                for row in connection.execute(
                    f"SELECT (to_jsonb(t) - {drop} - 'updated_at')::text FROM public.{table} AS t ORDER BY 1".encode()
                )
            ]
    return found


def test_the_same_seed_makes_the_same_facts_and_another_seed_others(new_database: Callable[[], Database]) -> None:
    one, two, other = new_database(), new_database(), new_database()
    small = replace(SIZE, visits=2_000)
    made = make_sample(one, small)
    assert made == make_sample(two, small) == Sampled(6, 2_000, 80, date(2026, 3, 22), date(2026, 3, 31))
    make_sample(other, replace(small, seed=8))
    assert facts(one) == facts(two)
    assert not set(facts(one)["event_access_logs"]) & set(facts(other)["event_access_logs"])


def test_a_seed_that_exists_already_is_refused_and_another_one_is_added(database: Database) -> None:
    small = replace(SIZE, visits=500)
    make_sample(database, small)
    before = contents(url_of(database))
    with pytest.raises(InvalidInput, match="facts of seed 7 exist already; give another --seed"):
        make_sample(database, small)
    assert contents(url_of(database)) == before
    make_sample(database, replace(small, seed=8))
    assert contents(url_of(database))["public.event_access_logs"][0] == 1_000


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (replace(SIZE, visits=0), "--visits is 0; it should be 1 or more"),
        (replace(SIZE, clients=0), "--clients is 0; it should be 1 or more"),
        (replace(SIZE, days=0), "--days is 0; it should be 1 or more"),
        (replace(SIZE, days=740_000), "--days is 740000; the first day would be before the year 1"),
    ],
)
def test_a_size_that_cannot_be_made_is_refused(database: Database, size: SampleSize, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        make_sample(database, size)
    assert contents(url_of(database))["public.clients"][0] == 0


def test_a_sample_has_the_requested_size_and_is_like_real_traffic(database: Database) -> None:
    reported: list[int] = []
    make_sample(database, SIZE, reported.append)
    # More rows than one COPY writes; the progress covers all of them.
    assert sum(reported) == 26_000
    with psycopg.connect(url_of(database)) as connection:

        def one(statement: str) -> int:
            (row,) = connection.execute(statement.encode()).fetchall()
            return int(row[0])

        def visits(condition: str) -> int:
            return one(f"SELECT count(*) FROM event_access_logs WHERE {condition}")

        assert one("SELECT count(*) FROM clients") == 6
        assert visits("true") == 25_000
        assert one("SELECT count(*) FROM event_survey_entries") == 1_000
        assert one("SELECT count(DISTINCT (accessed_at AT TIME ZONE 'UTC')::date) FROM event_access_logs") == 10
        assert visits("accessed_at < '2026-03-22Z' OR accessed_at >= '2026-04-01Z'") == 0
        per_client = [
            row[0]
            for row in connection.execute(
                "SELECT count(*) FROM eventflow_stats.visit_facts GROUP BY client_id ORDER BY 1 DESC"
            )
        ]
        assert sum(per_client) == 25_000
        assert per_client[0] > 3 * per_client[-1]
        sessions = one("SELECT count(DISTINCT session_id) FROM event_access_logs")
        assert 0.5 * 25_000 < sessions < 0.7 * 25_000
        for absent in ("utm_source", "utm_medium", "utm_campaign", "cid", "marketing_campaign_link_id"):
            assert 0 < visits(f"{absent} IS NULL") < 25_000
        assert 0 < visits("campaign_id IS NULL AND webinar_id IS NOT NULL") < 0.2 * 25_000
        assert 0 < visits("created_at >= accessed_at + interval '1 day'") < 0.1 * 25_000
        assert visits("created_at < accessed_at") == 0
        # An entry is named by at most one visit, of the same campaign and day.
        linked = one(
            "SELECT count(*) FROM event_survey_entries e JOIN event_access_logs v ON v.entry_id = e.id "
            "AND v.campaign_id = e.campaign_id AND (v.accessed_at AT TIME ZONE 'UTC')::date = "
            "(e.created_at AT TIME ZONE 'UTC')::date"
        )
        assert linked == visits("entry_id IS NOT NULL") == one("SELECT count(DISTINCT entry_id) FROM event_access_logs")
        assert 0.8 * 1_000 < linked < 0.95 * 1_000
        # A typed cid finds its link in upper and lower case.
        assert one("SELECT count(*) FROM eventflow_stats.visit_facts WHERE link_id IS NOT NULL") > visits(
            "marketing_campaign_link_id IS NOT NULL"
        )


def test_no_made_up_value_looks_like_a_person(database: Database) -> None:
    make_sample(database, replace(SIZE, visits=2_000))
    phone = re.compile(r"(\+82|\b01[016789])[- ]?\d{3,4}[- ]?\d{4}\b")
    for table, found in facts(database).items():
        for row in found:
            assert "@" not in row, table
            assert not phone.search(row), table
    with psycopg.connect(url_of(database)) as connection:
        assert connection.execute(
            "SELECT count(name), count(company), bool_and(phone_norm ~ '^sample:[0-9]+$') FROM event_survey_entries"
        ).fetchone() == (0, 0, True)
