"""The Dagster UI as an operator uses it: Debian's chromium against a real ``eventflow-stats up``.

With EVENTFLOW_SCREENSHOTS=<folder> the tests leave there the pages that the README shows.
"""

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from eventflow_stats_tests.orchestration.running_deployment import Deployment, running_deployment

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

# Far enough back that the schedule (yesterday and today) never touches these days.
LAST = datetime.now(UTC).date() - timedelta(days=8)
FIRST = LAST - timedelta(days=4)
CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SLOW = 90_000
"""Milliseconds that a run may take on a busy machine: queue, start of its process, work."""


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with running_deployment(tmp_path_factory.mktemp("ui"), FIRST, LAST) as running:
        yield running


@pytest.fixture(scope="module")
def browser_page(deployment: Deployment) -> Iterator[Page]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("chromium is not on the PATH: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM)
        page = browser.new_page(viewport={"width": 1280, "height": 800}, base_url=deployment.url)
        page.set_default_timeout(30_000)
        expect.set_options(timeout=30_000)
        yield page
        browser.close()


@pytest.fixture
def page(browser_page: Page, deployment: Deployment) -> Iterator[Page]:
    """A page while the schedule is held: the check's page shows the latest run, which must be the test's own."""
    switch_schedule(browser_page, on=False)
    deadline = time.monotonic() + SLOW / 1000
    while not set(deployment.runs()) <= {"SUCCESS", "FAILURE", "CANCELED"}:
        assert time.monotonic() < deadline, deployment.runs()
        time.sleep(0.5)
    yield browser_page
    switch_schedule(browser_page, on=True)


def switch_schedule(page: Page, *, on: bool) -> None:
    switch = the_switch_of_the_schedule(page)
    if switch.is_checked() != on:
        switch.locator("xpath=..").click()
        expect(switch).to_be_checked(checked=on)


def the_switch_of_the_schedule(page: Page) -> Locator:
    page.goto("/automation")
    expect(page.get_by_text("Every 5 minutes")).to_be_visible()
    # The boxes before it select the line and all lines.
    return page.get_by_role("checkbox").last


def materialize(page: Page, first: date, last: date) -> None:
    """Launch a backfill of the days from first to last through the Materialize dialog."""
    page.goto("/assets/marketing_stats_daily?view=partitions")
    page.get_by_role("button", name="Materialize…").click()
    dialog = page.get_by_role("dialog")
    wanted = dialog.get_by_role("textbox").first
    wanted.fill(f"[{first}...{last}]")
    wanted.press("Enter")
    days = (last - first).days + 1
    expect(dialog.get_by_text(f"{days} partition{'s'[: days - 1]}", exact=True)).to_be_visible()
    # "Launch backfill", or "Launch 1 run" for a day alone.
    dialog.get_by_role("button", name=re.compile("^Launch ")).click()
    expect(dialog).to_be_hidden()


def check_says(page: Page, words: re.Pattern[str]) -> None:
    """Open the check's page and wait for a latest result that says these words."""
    deadline = time.monotonic() + SLOW / 1000
    while True:
        page.goto("/assets/marketing_stats_daily?view=checks&checkDetail=reconciles_with_facts")
        try:
            expect(page.get_by_text(words).first).to_be_visible(timeout=5_000)
            break
        except AssertionError:
            if time.monotonic() > deadline:
                raise


def verify(page: Page, day: date) -> None:
    """Launch the check alone, for one day, from the launchpad of its job."""
    page.goto("/locations/eventflow_stats/jobs/verify_days/playground")
    editor = page.locator(".CodeMirror").first
    expect(editor).to_contain_text("first_day")
    editor.click()
    page.keyboard.press("Control+A")
    config = {"first_day": day.isoformat(), "last_day": day.isoformat()}
    # JSON is YAML.
    page.keyboard.insert_text(json.dumps({"ops": {"marketing_stats_daily_reconciles_with_facts": {"config": config}}}))
    page.get_by_role("button", name="Launch Run").click()
    page.wait_for_url("**/runs/*")


def keep(page: Page, name: str) -> None:
    folder = os.environ.get("EVENTFLOW_SCREENSHOTS")
    if folder:
        # Toasts and pointers are no part of the picture.
        page.mouse.move(0, 0)
        page.screenshot(path=Path(folder) / name, animations="disabled")


def test_the_five_minute_schedule_is_on_without_anybody_turning_it_on(browser_page: Page) -> None:
    switch = the_switch_of_the_schedule(browser_page)
    expect(browser_page.get_by_text("every_five_minutes")).to_be_visible()
    expect(switch).to_be_checked()


def test_a_backfill_launched_by_hand_turns_its_days_green_in_fewer_runs_than_days(
    page: Page, deployment: Deployment
) -> None:
    wanted = {(FIRST + timedelta(days=number)).isoformat() for number in range(4)}
    last = FIRST + timedelta(days=3)
    # The sensor late_facts may have brought the history in by itself: the backfill's own runs tell.
    runs_before = len(deployment.runs(of_backfills=True))

    materialize(page, FIRST, last)

    shown = page.get_by_role("textbox").first
    shown.fill(f"[{FIRST}...{last}]")
    shown.press("Enter")
    expect(page.get_by_text("4 Partitions Selected")).to_be_visible()
    expect(page.get_by_text("Materialized (4)")).to_be_visible(timeout=SLOW)
    for other in ("Failed (0)", "Materializing (0)", "Missing (0)"):
        expect(page.get_by_text(other)).to_be_visible()
    check_says(page, re.compile(rf"{FIRST} to {last}: \d+ groups on 4 days equal the facts\."))
    expect(page.get_by_text("Passed", exact=True).first).to_be_visible()
    assert deployment.materialized() >= wanted
    assert len(deployment.runs(of_backfills=True)) - runs_before == 1
    stored = deployment.rows("SELECT DISTINCT bucket_date::text FROM marketing_stats_daily")
    assert {day for (day,) in stored} >= wanted

    page.goto(f"/assets/marketing_stats_daily?view=partitions&partition={last}")
    shown.fill(f"[{FIRST}...{last}]")
    shown.press("Enter")
    (numbers,) = deployment.rows(
        f"SELECT count(*), sum(visits), sum(conversions) FROM marketing_stats_daily WHERE bucket_date = '{last}'"
    )
    for name, number in zip(("rows", "visits", "conversions"), numbers, strict=True):
        line = page.get_by_role("row").filter(has=page.get_by_text(name, exact=True))
        expect(line).to_contain_text(str(number))
    keep(page, "backfill.png")


def test_a_wrong_number_is_named_by_the_check_and_gone_once_the_day_is_materialized_again(
    page: Page, deployment: Deployment
) -> None:
    materialize(page, LAST, LAST)
    right = re.compile(rf"{LAST}: \d+ groups on 1 day equal the facts\.")
    check_says(page, right)
    ((group, campaign, client, true_visits),) = deployment.rows(
        "SELECT m.id, m.campaign_id, c.name, m.visits "
        "FROM marketing_stats_daily m JOIN clients c ON c.id = m.client_id "
        f"WHERE bucket_date = '{LAST}' AND campaign_id IS NOT NULL ORDER BY visits DESC, m.id LIMIT 1"
    )
    deployment.rows(f"UPDATE marketing_stats_daily SET visits = visits + 7 WHERE id = '{group}' RETURNING id")

    verify(page, LAST)

    check_says(page, re.compile(rf"1 wrong group on {LAST}; first: "))
    expect(page.get_by_text("Failed", exact=True).last).to_be_visible()
    said = page.get_by_text(re.compile("1 wrong group on")).first
    expect(said).to_contain_text(f"{client}, campaign {campaign}, link ")
    expect(said).to_contain_text(f"visits {true_visits + 7}, should be {true_visits}; conversions ")
    # The last one: the table stands in a row of the table of metadata.
    wrong = page.get_by_role("row").filter(has=page.get_by_role("cell", name="wrong", exact=True)).last
    for told in (f"{true_visits + 7:,} visits", f"{true_visits:,} visit", "+7 visits", client, LAST.isoformat()):
        expect(wrong).to_contain_text(told)
    expect(page.get_by_text("1 wrong group, in all +7 visits, 0 conversions (stored minus true)").first).to_be_visible()
    expect(page.get_by_text(f"eventflow-stats backfill --from {LAST} --to {LAST}").first).to_be_visible()
    keep(page, "check.png")

    materialize(page, LAST, LAST)

    check_says(page, right)
    expect(page.get_by_text("Passed", exact=True).first).to_be_visible()
    assert deployment.rows(f"SELECT visits FROM marketing_stats_daily WHERE id = '{group}'") == [(true_visits,)]
    told = deployment.rows("SELECT repaired_by LIKE 'Dagster run %' FROM eventflow_stats.discrepancies")
    assert told == [(True,)]
