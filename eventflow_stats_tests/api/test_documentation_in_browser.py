"""The page /docs in Debian's chromium: it works under its own policy, offline."""

import shutil

import httpx
import pytest
from playwright.sync_api import sync_playwright

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def test_the_documentation_loads_files_of_the_service_only(http: httpx.Client) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("chromium is not on the PATH: apt-get install chromium")
    base = str(http.base_url)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        errors: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{base}/docs")
        page.get_by_text("/api/clients/{client_id}/campaigns/summary").wait_for()
        page.get_by_text("/api/clients/{client_id}/campaigns/summary").click()
        page.get_by_role("button", name="Try it out").wait_for()
        page.get_by_role("button", name="Authorize").first.click()
        page.get_by_text("CronSecret").first.wait_for()
        browser.close()
    assert errors == []
    assert [url for url in asked if not url.startswith((base, "data:"))] == []
