"""`eventflow-stats demo`: the main job from an empty database; every number equals an independent count."""

import csv
import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from eventflow_stats.local.server import embedded_server
from eventflow_stats_tests.cli.command import contents, eventflow, processes_of
from eventflow_stats_tests.cli.independent_count import Totals, count_files

# Real traffic, if it is beside the checkout; it is no part of this project.
TOYSTORE = Path(__file__).parents[3] / "shared" / "data" / "toystore"
FILES = ["written", *(["visits", "pageviews"] if TOYSTORE.is_dir() else [])]

VISIT = ("session_id", "accessed_at", "campaign", "utm_source", "utm_medium", "utm_campaign", "utm_content", "cid")
VISITS = [
    # A session that comes back the same day, then after midnight: one visit on each day.
    ("s1", "2026-03-01T09:00:00Z", "toys", "gsearch", "", "nonbrand", "g_ad_1", ""),
    ("s1", "2026-03-01T23:59:59.999999Z", "toys", "gsearch", "", "nonbrand", "g_ad_1", ""),
    ("s1", "2026-03-02T00:00:00Z", "toys", "gsearch", "", "nonbrand", "g_ad_1", ""),
    # The same page view twice; the same session under another source and another campaign.
    ("s2", "2026-03-01T10:00:00Z", "toys", "gsearch", "", "nonbrand", "g_ad_1", ""),
    ("s2", "2026-03-01T10:00:00Z", "toys", "gsearch", "", "nonbrand", "g_ad_1", ""),
    ("s2", "2026-03-01T10:05:00Z", "toys", "", "", "", "", ""),
    ("s2", "2026-03-01T10:06:00Z", "봄 행사", "naver", "cpc", "봄|여름", "", ""),
    # Rows without a session are a visit each; the text __null__ is not the absent source.
    ("", "2026-03-02T12:00:00Z", "toys", "__null__", "", "", "", ""),
    ("", "2026-03-02T12:00:00Z", "toys", "__null__", "", "", "", ""),
    # Morning in Seoul is the evening before in UTC; no facts on the third.
    ("s3", "2026-03-05T08:00:00+09:00", "toys", 'a "quoted", source', "", "", "", " ab12 "),
    ("s4", "2026-03-05T10:00:00+09:00", "toys", "gsearch", "email", "nonbrand", "", "AB12"),
    ("s5", "2026-03-05T10:00:00Z", "toys", "gsearch", "email", "nonbrand", "", "other"),
]
ENTRY = ("entry_id", "session_id", "created_at", "campaign", "utm_source", "utm_medium", "utm_campaign", "cid")
CONVERSIONS = [
    ("1", "s1", "2026-03-01T09:30:00Z", "toys", "gsearch", "", "nonbrand", ""),
    ("2", "s1", "2026-03-01T09:30:00Z", "toys", "gsearch", "", "nonbrand", ""),
    ("3", "s2", "2026-03-02T00:00:00Z", "toys", "", "", "", "ab12"),
    # A day and a campaign that have conversions only.
    ("4", "", "2026-03-06T23:59:59Z", "only entries", "kakao", "", "", ""),
]


@dataclass(frozen=True)
class Demonstrated:
    """A folder in which demo ran, its files, and what it answered."""

    folder: Path
    visits: Path
    conversions: Path
    done: "subprocess.CompletedProcess[str]"

    def again(self) -> "subprocess.CompletedProcess[str]":
        return run_demo(self.folder, self.visits, self.conversions)


def run_demo(folder: Path, visits: Path, conversions: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    return eventflow(folder, "demo", "--visits", str(visits), "--conversions", str(conversions), "--json", **settings)


def write_csv(file: Path, header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Path:
    with file.open("w", newline="", encoding="utf-8") as text:
        csv.writer(text).writerows([header, *rows])
    return file


def format_totals(done: "subprocess.CompletedProcess[str]") -> Totals:
    columns = ("part", "label", "visits", "conversions")
    return sorted(tuple(row[name] for name in columns) for row in json.loads(done.stdout)["totals"])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Demonstrated:
    folder = tmp_path_factory.mktemp("demo")
    visits = write_csv(folder / "visits.csv", VISIT, VISITS)
    conversions = write_csv(folder / "conversions.csv", ENTRY, CONVERSIONS)
    return Demonstrated(folder, visits, conversions, run_demo(folder, visits, conversions))


@pytest.fixture(params=FILES)
def demonstrated(request: pytest.FixtureRequest, tmp_path: Path) -> Demonstrated:
    """A demo from an empty database with each kind of files."""
    if request.param == "written":
        found: Demonstrated = request.getfixturevalue("written")
        return found
    files = (TOYSTORE / f"{request.param}.csv", TOYSTORE / "conversions.csv")
    return Demonstrated(tmp_path, *files, run_demo(tmp_path, *files))


@pytest.fixture
def url(written: Demonstrated) -> Iterator[str]:
    """The database of the written files, its server held for the test."""
    with embedded_server(written.folder / "data") as url:
        yield url


def test_every_total_of_a_demo_equals_an_independent_count_of_its_files(demonstrated: Demonstrated) -> None:
    done = demonstrated.done
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    truth = count_files(demonstrated.visits, demonstrated.conversions)
    assert format_totals(done) == truth
    for row in answer["totals"]:
        rate = 100 * row["conversions"] / row["visits"] if row["visits"] else 0
        assert row["cvr"] == pytest.approx(rate, abs=0.0051)
    days = [row[1] for row in truth if row[0] == "day"]
    assert (answer["ok"], answer["wrong_groups"], answer["unresolved_facts"]) == (True, 0, 0)
    assert (answer["first_day"], answer["last_day"]) == (days[0], days[-1])
    assert answer["days_verified"] == len(answer["days"]) >= len(days)
    assert not processes_of(demonstrated.folder)


def test_a_second_demo_of_the_same_files_changes_no_fact_and_no_number(written: Demonstrated, url: str) -> None:
    # The ledger has new times of computation and verification; nothing else changes.
    changing = {"eventflow_stats.client_days", "eventflow_stats.days"}
    before = contents(url)
    again = written.again()
    assert again.returncode == 0, again.stderr
    after = contents(url)
    assert {name for name in before if before[name] != after[name]} <= changing
    assert format_totals(again) == format_totals(written.done)
    assert "12 visits read, 0 added; 4 conversions read, 0 added" in again.stderr


def test_demo_counts_visits_under_the_link_whose_cid_they_carry(written: Demonstrated, url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO campaign_link_meta (client_id, name, cid, target_campaign_id) "
            "SELECT client_id, 'Spring mail', 'AB12', id FROM event_survey_campaigns WHERE public_path = 'toys'"
        )
    again = written.again()
    assert again.returncode == 0, again.stderr
    truth = count_files(written.visits, written.conversions, {"AB12": "Spring mail"})
    assert ("link", "Spring mail", 2, 1) in truth
    assert format_totals(again) == truth


@pytest.mark.slow
def test_demo_without_files_makes_facts_up_and_verifies_them(tmp_path: Path) -> None:
    with embedded_server(tmp_path / "data") as url:
        first = eventflow(tmp_path, "demo")
        assert first.returncode == 0, first.stderr
        assert "14 of 14 days verified" in first.stdout
        assert " 0 discrepancies" in first.stdout
        for title in ("By day", "By source", "By link"):
            assert title in first.stdout
        with psycopg.connect(url) as connection:
            groups = connection.execute(
                "SELECT bucket_date::text, sum(visits)::int FROM marketing_stats_daily GROUP BY 1"
            ).fetchall()
            facts = connection.execute(
                "SELECT (accessed_at AT TIME ZONE 'UTC')::date::text, v.campaign_id, v.webinar_id, "
                "coalesce(v.marketing_campaign_link_id, l.id), v.utm_source, v.utm_medium, v.utm_campaign, session_id "
                "FROM event_access_logs AS v LEFT JOIN campaign_link_meta AS l "
                "ON v.marketing_campaign_link_id IS NULL AND l.cid = upper(v.cid)"
            ).fetchall()
    counted: dict[str, int] = {}
    for fact in set(facts):
        counted[fact[0]] = counted.get(fact[0], 0) + 1
    assert len(facts) == 50_000
    assert dict(groups) == counted


def test_demo_of_files_without_rows_says_so(tmp_path: Path, written: Demonstrated, url: str) -> None:
    empty = write_csv(tmp_path / "empty.csv", VISIT, [])
    before = contents(url)
    done = eventflow(written.folder, "demo", "--visits", str(empty), "--client", "Nobody")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "eventflow-stats: the files have no facts; give a file with at least one row"
    )
    assert contents(url) == before
