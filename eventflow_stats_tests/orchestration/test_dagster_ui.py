"""The Dagster UI as an operator uses it: Debian's chromium against a real ``eventflow-stats up``.

With EVENTFLOW_SCREENSHOTS=<folder> the tests leave there the pages that the README shows.
"""

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect, sync_playwright

from eventflow_stats_tests.orchestration.running_deployment import Deployment, running_deployment

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

AT_WORK = ("every_five_minutes", "rolling_verification", "data_quality", "late_facts", "repair")
"""Schedules and sensors that start runs of their own."""
COLOURS = 128

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
        page = browser.new_page(viewport={"width": 1500, "height": 940}, base_url=deployment.url)
        page.set_default_timeout(30_000)
        expect.set_options(timeout=30_000)
        yield page
        browser.close()


@pytest.fixture(scope="module")
def page(browser_page: Page, deployment: Deployment) -> Page:
    """A page of a deployment at rest. Schedules and sensors were on by default and are stopped, so each check result
    is of the test's own run."""
    for name in AT_WORK:
        expect(switch_of(browser_page, name).get_by_role("checkbox")).to_be_checked()
        switch(browser_page, name, on=False)
    deadline = time.monotonic() + SLOW / 1000
    while not set(deployment.runs()) <= {"SUCCESS", "FAILURE", "CANCELED"}:
        assert time.monotonic() < deadline, deployment.runs()
        time.sleep(0.5)
    return browser_page


def switch(page: Page, name: str, *, on: bool) -> None:
    """Turn a schedule or sensor on or off. A click has no effect while the line is being drawn again, so repeat it."""
    label = switch_of(page, name)
    box = label.get_by_role("checkbox")
    deadline = time.monotonic() + SLOW / 1000
    while box.is_checked() != on:
        assert time.monotonic() < deadline, f"{name} could not be switched"
        label.click()
        with suppress(AssertionError):
            expect(box).to_be_checked(checked=on, timeout=10_000)


def switch_of(page: Page, name: str) -> Locator:
    """The switch on the page of all automations, not the box before it, which selects the line."""
    page.goto("/automation")
    label = page.locator(f"a[href$='/{name}']").locator("xpath=..").locator("label[class*='Switch']")
    # Disabled, and off, until its state is known.
    expect(label.get_by_role("checkbox")).to_be_enabled()
    return label


def materialize(page: Page, asset: str, first: date, last: date) -> None:
    """Launch a backfill of the days from first to last through the Materialize dialog."""
    page.goto(f"/assets/{asset}?view=partitions")
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


def shows_materialized(page: Page, first: date, last: date) -> None:
    """Select the days on the open page of partitions, and wait until all are green."""
    shown = page.get_by_role("textbox").first
    shown.fill(f"[{first}...{last}]")
    shown.press("Enter")
    days = (last - first).days + 1
    expect(page.get_by_text(f"{days} Partitions Selected")).to_be_visible()
    expect(page.get_by_text(f"Materialized ({days})")).to_be_visible(timeout=SLOW)
    for other in ("Failed (0)", "Materializing (0)", "Missing (0)"):
        expect(page.get_by_text(other)).to_be_visible()


def check_says(page: Page, words: re.Pattern[str]) -> None:
    """Open the check's page and wait for a latest result with these words."""
    deadline = time.monotonic() + SLOW / 1000
    while True:
        page.goto("/assets/marketing_stats_daily?view=checks&checkDetail=verified_against_facts")
        try:
            expect(page.get_by_text(words).first).to_be_visible(timeout=5_000)
            break
        except AssertionError:
            if time.monotonic() > deadline:
                raise


def run_verification(page: Page, day: date) -> None:
    """Launch only the check, for one day, from the launchpad of its job."""
    page.goto("/locations/eventflow_stats/jobs/verify_days/playground")
    editor = page.locator(".CodeMirror").first
    expect(editor).to_contain_text("first_day")
    editor.click()
    page.keyboard.press("Control+A")
    config = {"first_day": day.isoformat(), "last_day": day.isoformat()}
    # JSON is YAML.
    page.keyboard.insert_text(json.dumps({"ops": {"marketing_stats_daily_verified_against_facts": {"config": config}}}))
    page.get_by_role("button", name="Launch Run").click()
    page.wait_for_url("**/runs/*")


def keep(page: Page, name: str) -> None:
    folder = os.environ.get("EVENTFLOW_SCREENSHOTS")
    if folder:
        # Toasts and pointers are no part of the picture.
        page.mouse.move(0, 0)
        taken = Image.open(BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
        # By coverage, so that the little red and green there is stays.
        few = taken.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(Path(folder) / name, optimize=True)


def test_days_materialized_by_a_person_turn_green_in_one_run_and_the_graph_shows_their_origin(
    page: Page, deployment: Deployment
) -> None:
    last = FIRST + timedelta(days=3)
    wanted = {(FIRST + timedelta(days=number)).isoformat() for number in range(4)}
    # The sensor late_facts may have computed the history already, so only the runs of the backfill count.
    runs_before = len(deployment.runs(of_backfills=True))

    materialize(page, "marketing_stats_daily", FIRST, last)

    shows_materialized(page, FIRST, last)
    check_says(page, re.compile(rf"{FIRST} to {last}: \d+ groups on 4 days equal the facts\."))
    expect(page.get_by_text("Passed", exact=True).first).to_be_visible()
    assert deployment.materialized() >= wanted
    assert len(deployment.runs(of_backfills=True)) - runs_before == 1
    stored = deployment.rows("SELECT DISTINCT bucket_date::text FROM marketing_stats_daily")
    assert {day for (day,) in stored} >= wanted

    materialize(page, "marketing_data_quality_daily", FIRST, last)

    shows_materialized(page, FIRST, last)
    (quality,) = deployment.rows(
        "SELECT sum(visits)::bigint, sum(entries)::bigint FROM eventflow_stats.marketing_data_quality_daily "
        f"WHERE bucket_date = '{last}'"
    )
    shows_numbers(page, "marketing_data_quality_daily", last, {"visits": quality[0], "entries": quality[1]})

    (numbers,) = deployment.rows(
        "SELECT count(*), sum(visits)::bigint, sum(conversions)::bigint FROM marketing_stats_daily "
        f"WHERE bucket_date = '{last}'"
    )
    message = dict(zip(("rows", "visits", "conversions"), numbers, strict=True))
    shows_numbers(page, "marketing_stats_daily", last, message)
    shows_materialized(page, FIRST, last)
    keep(page, "backfill.png")

    # Only its neighbours: the tables it is made of, and the asset made of it.
    page.goto("/assets/marketing_stats_daily?view=lineage")
    for neighbour in (r"event_access_logs", r"quality_daily"):
        expect(node(page, neighbour)).to_be_visible()
    page.goto("/locations/eventflow_stats/asset-groups/marketing_statistics")
    for asset, checks in (("marketing_stats_daily", 6), ("marketing_data_quality_daily", 7)):
        expect(node(page, asset)).to_contain_text(re.compile(rf"Asset checks.*[1-9] / {checks} Passed"))
        expect(node(page, asset)).to_contain_text(re.compile(r"Partitions[1-9]\d*% filled"))
    keep(page, "graph.png")


def node(page: Page, name: str) -> Locator:
    """An asset in the graph, which may shorten its name in the middle."""
    return page.locator("foreignObject").filter(has_text=re.compile(name)).first


def shows_numbers(page: Page, asset: str, day: date, numbers: dict[str, int]) -> None:
    page.goto(f"/assets/{asset}?view=partitions&partition={day}")
    for name, number in numbers.items():
        line = page.get_by_role("row").filter(has=page.get_by_text(name, exact=True)).first
        expect(line).to_contain_text(f"{number}")


def test_a_wrong_number_is_named_and_the_sensor_repairs_it(page: Page, deployment: Deployment) -> None:
    materialize(page, "marketing_stats_daily", LAST, LAST)
    right = re.compile(rf"{LAST}: \d+ groups? on 1 day equal the facts\.")
    check_says(page, right)
    ((group, campaign, client, true_visits),) = deployment.rows(
        "SELECT m.id, m.campaign_id, c.name, m.visits "
        "FROM marketing_stats_daily m JOIN clients c ON c.id = m.client_id "
        f"WHERE bucket_date = '{LAST}' AND campaign_id IS NOT NULL ORDER BY visits DESC, m.id LIMIT 1"
    )
    deployment.rows(f"UPDATE marketing_stats_daily SET visits = visits + 7 WHERE id = '{group}' RETURNING id")

    run_verification(page, LAST)

    check_says(page, re.compile(rf"1 wrong group on {LAST}; first: "))
    expect(page.get_by_text("Failed", exact=True).last).to_be_visible()
    said = page.get_by_text(re.compile("1 wrong group on")).first
    expect(said).to_contain_text(f"{client}, campaign {campaign}, link ")
    expect(said).to_contain_text(f"visits {true_visits + 7}, should be {true_visits}; conversions ")
    # The last one: the table is inside a row of the table of metadata.
    wrong = page.get_by_role("row").filter(has=page.get_by_role("cell", name="wrong", exact=True)).last
    for message in (f"{true_visits + 7:,} visits", f"{true_visits:,} visit", "+7 visits", client, LAST.isoformat()):
        expect(wrong).to_contain_text(message)
    expect(wrong).to_contain_text(f"campaign {campaign}, link ")
    expect(page.get_by_text("1 wrong group, in all +7 visits, 0 conversions (stored minus true)").first).to_be_visible()
    expect(page.get_by_text(f"eventflow-stats backfill --from {LAST} --to {LAST}").first).to_be_visible()
    # With its description folded, the check's result has room.
    page.get_by_text("About", exact=True).click()
    keep(page, "check.png")

    switch(page, "repair", on=True)

    check_says(page, right)
    expect(page.get_by_text("Passed", exact=True).first).to_be_visible()
    assert deployment.rows(f"SELECT visits FROM marketing_stats_daily WHERE id = '{group}'") == [(true_visits,)]
    ((by,),) = deployment.rows("SELECT repaired_by FROM eventflow_stats.discrepancies")
    page.goto("/runs")
    run = page.locator("[class*='VirtualizedTable_row']").filter(has_text=by.removeprefix("Dagster run ")[:8])
    for message in ("eventflow/mode: repair", f"1 wrong group on {LAST}, attempt 1 of 3", "repair_days", "Success"):
        expect(run).to_contain_text(message)
    expect(run.get_by_role("link", name="repair", exact=True)).to_be_visible()
    keep(page, "repair.png")
    switch(page, "repair", on=False)
