"""Reports of one and of a thousand clients in Debian's chromium: light, dark, on a phone, printed.

EVENTFLOW_SCREENSHOTS=<folder> makes the tests save pictures there.
"""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.reports.calendar import CLIENTS_SHOWN
from eventflow_stats.reports.files import ReportFiles
from eventflow_stats.reports.periods import MOST_PERIODS
from eventflow_stats.reports.verified_days import Verified
from eventflow_stats_tests.engine.postgres.inspecting import run
from eventflow_stats_tests.reports.conftest import ATTACK, DAYS, Shop

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
VIEWS: list[tuple[Literal["light", "dark"], int]] = [("light", 1280), ("dark", 360), ("light", 360), ("dark", 1280)]
MEASURE = """() => {
  const luminance = rgb => rgb.map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, n) => sum + v * [.2126, .7152, .0722][n], 0);
  const numbers = text => text.match(/[\\d.]+/g).map(Number);
  const behind = element => { for (let e = element; e; e = e.parentElement) {
    const colour = numbers(getComputedStyle(e).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour; }
    return [255, 255, 255]; };
  const texts = [...document.querySelectorAll('h1, h2, p, li, dt, dd, th, td, caption, figcaption, summary, text')];
  return texts.map(element => {
    const style = getComputedStyle(element);
    const ink = numbers(element.tagName === 'text' ? style.fill : style.color), paper = behind(element);
    const [a, b] = [luminance(ink.slice(0, 3)), luminance(paper.slice(0, 3))];
    return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), element.tagName, element.textContent.slice(0, 40)];
  }).sort((one, other) => one[0] - other[0])[0];
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("chromium is not on the PATH: apt-get install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


def check_page(browser: Browser, file: Path) -> None:
    """Check in every width and colour scheme: no requests, no errors, nothing beyond the edge, enough contrast."""
    for scheme, width in VIEWS:
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        events = record_events(page)
        page.goto(file.as_uri())
        assert events == [file.as_uri()]
        assert page.evaluate("document.documentElement.scrollWidth") == width
        contrast, *where = page.evaluate(MEASURE)
        assert contrast >= 4.5, (scheme, contrast, where)
        check_names(page)
        if folder := os.environ.get("EVENTFLOW_SCREENSHOTS"):
            page.screenshot(path=Path(folder) / f"{file.stem}-{scheme}-{width}.png", full_page=True)
        page.close()


def record_events(page: Page) -> list[str]:
    """The messages on the console of a page and its requests, from now on."""
    events: list[str] = []
    page.on("console", lambda message: events.append(message.text))
    page.on("pageerror", lambda error: events.append(str(error)))
    page.on("request", lambda request: events.append(request.url))
    return events


def check_names(page: Page) -> None:
    """Check what a screen reader needs: one title, header cells, names of scrolling areas and of charts, unique ids."""
    assert page.locator("h1").count() == 1
    assert page.locator("table:not(:has(th[scope=col]))").count() == 0
    assert page.locator(".wide:not([aria-label])").count() == 0
    assert page.locator("svg:not([aria-hidden=true])").count() == 0
    assert page.locator("figure:not(:has(figcaption)), figure:not(:has(details table))").count() == 0
    repeated = page.evaluate(
        "[...document.querySelectorAll('[id]')].map(e => e.id).filter((id, n, all) => all.indexOf(id) !== n)"
    )
    assert repeated == []


def report(database: Database, first: date, last: date, file: Path) -> Path:
    with ReportFiles([file]) as files:
        days = list(verify(database, [first + timedelta(days=n) for n in range((last - first).days + 1)]))
        files.write(database, Verified(datetime.now(UTC), first, last, (), None, days, 0))
    return file


def test_a_report_full_of_attacks(browser: Browser, shop: Shop, tmp_path: Path) -> None:
    file = report(shop.database, DAYS[0], DAYS[-1], tmp_path / "attacked.html")

    check_page(browser, file)

    page = browser.new_page()
    page.goto(file.as_uri())
    assert page.title().startswith("Not right: 3 wrong groups")
    assert page.locator(".calendar tbody tr").first.locator("th").inner_text() == ATTACK
    assert page.get_by_role("cell", name="wrong", exact=True).count() == 3
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "wide"
    page.close()


def test_a_report_of_a_thousand_clients_over_a_thousand_days(
    browser: Browser, database: Database, tmp_path: Path
) -> None:
    run(
        database,
        "INSERT INTO clients (id, name) SELECT md5(n::text)::uuid, 'Client ' || n FROM generate_series(1, 1000) AS n;"
        "INSERT INTO event_survey_campaigns (id, client_id, title, public_path, created_by) SELECT id, id, 'c', "
        "id::text, (SELECT id FROM auth.users LIMIT 1) FROM clients;"
        "INSERT INTO event_access_logs (campaign_id, session_id, accessed_at, created_at, utm_source) SELECT id, 's', "
        "at, at, name FROM clients, unnest(ARRAY['2023-06-01 09:00Z'::timestamptz, '2026-02-24 09:00Z']) AS at",
    )
    first, last = date(2023, 6, 1), date(2026, 2, 24)
    list(rebuild(database, [first, last]))
    run(database, "UPDATE marketing_stats_daily SET visits = 2 WHERE utm_source IN ('Client 500', 'Client 7')")
    with ReportFiles([tmp_path / "many.html"]) as files:
        days = list(verify(database, [first, last]))
        files.write(database, Verified(datetime.now(UTC), first, last, (), None, days, 0))

    check_page(browser, tmp_path / "many.html")

    page = browser.new_page()
    page.goto((tmp_path / "many.html").as_uri())
    rows = page.locator(".calendar tbody tr")
    assert rows.count() == CLIENTS_SHOWN + 1
    assert sorted(rows.nth(n).locator("th").inner_text() for n in range(2)) == ["Client 500", "Client 7"]
    assert rows.last.locator("th").inner_text() == "970 other clients"
    assert rows.first.locator("td").count() <= MOST_PERIODS
    assert "30 of 1,000 clients" in page.locator("main").inner_text()
    assert (tmp_path / "many.html").stat().st_size < 500_000
    page.close()
