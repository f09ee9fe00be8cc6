"""The report's calendar tells every state that a day can be left in: unverifiable, held and sealed among them."""

from datetime import timedelta
from pathlib import Path

from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.rollup.sweep import sweep
from eventflow_stats.engine.verification.sealing import seal
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.reports.calendar import STATES
from eventflow_stats_tests.cli.conftest import Call
from eventflow_stats_tests.engine.many_facts import DAY, NEXT_DAY, BusyShop, busy_shop
from eventflow_stats_tests.reports.test_report import Page

__all__ = ["busy_shop"]

LOST, LAST = NEXT_DAY + timedelta(days=1), NEXT_DAY + timedelta(days=2)
SPAN = ("--from", str(DAY), "--to", str(LAST))


def two_more_days(shop: BusyShop) -> None:
    """Visits of the small client alone, by a campaign that has no others."""
    shop.campaigns[shop.small] = shop.product.campaign(shop.small)
    for day in (LOST, LAST):
        shop.add_visits(shop.small, day, 5)
    list(rebuild(shop.database, [LOST, LAST]))


def lose_a_day(shop: BusyShop) -> None:
    """As if this version had a view without the visits of one day: no assumption tells that it is another."""
    view = "eventflow_stats.visit_facts"
    definition = str(shop.one("SELECT pg_get_viewdef(%s::regclass)", view)).rstrip("; ")
    shop.connection.execute(
        f"CREATE OR REPLACE VIEW {view} AS SELECT * FROM ({definition}) AS f WHERE NOT (event_at >= '{LOST}Z' "
        f"AND event_at < '{LAST}Z')".encode()
    )
    shop.connection.execute(query("schema/record_own_objects").text.encode())


def marks(form: str) -> dict[str, str]:
    """The calendar of the Markdown form: the marks of each client."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in form.splitlines() if line.startswith("| ")]
    return {row[0]: row[1] for row in rows if row[0] in ("large", "small") and len(row) == 2}


def counts(page: Page) -> dict[str, list[int]]:
    """Clients' days of each day, by state."""
    found = [row for row in page.rows if row and row[0] in map(str, (DAY, NEXT_DAY, LOST, LAST))]
    return {row[0]: [int(cell) for cell in row[1:]] for row in found if len(row) == len(STATES) + 1}


def of_states(**clients: int) -> list[int]:
    return [clients.get(state.replace(" ", "_"), 0) for state in STATES]


def test_unverifiable_held_and_sealed_days_stand_in_the_calendar(
    busy_shop: BusyShop, own: dict[str, str], call: Call, tmp_path: Path
) -> None:
    two_more_days(busy_shop)
    list(seal(busy_shop.database, [DAY], "Kim"))
    busy_shop.connection.execute("DELETE FROM event_access_logs WHERE accessed_at < %s", [LOST])
    list(sweep(busy_shop.database, [NEXT_DAY]))
    list(verify(busy_shop.database, [LAST]))
    lose_a_day(busy_shop)

    files = [tmp_path / f"report{ending}" for ending in (".html", ".md")]
    code, out, _ = call("verify", *SPAN, *(f"--report={file}" for file in files), **own)

    assert code == 1
    assert "the views give 0 visits, the table has 5" in out
    page, text = (file.read_text() for file in files)
    # The client without a fact on the day: nobody can tell that it has none.
    assert marks(text) == {"large": "SHU.", "small": "SHU+"}
    assert counts(Page(page)) == {
        str(DAY): of_states(sealed=2),
        str(NEXT_DAY): of_states(held=2),
        str(LOST): of_states(unverifiable=2),
        str(LAST): of_states(verified=1, no_facts=1),
    }
    assert f"<strong>unverifiable</strong>: {STATES['unverifiable']}" in page
    assert page.count('class="cell unverifiable"') == 3, "the legend and two clients"
    assert "U unverifiable" in text
    for form in (Page(page).text, text):
        assert f"{LOST} is unverifiable" in form


def test_under_an_assumption_that_does_not_hold_only_sealed_days_are_verifiable(
    busy_shop: BusyShop, own: dict[str, str], call: Call, tmp_path: Path
) -> None:
    two_more_days(busy_shop)
    list(seal(busy_shop.database, [DAY], "Kim"))
    busy_shop.connection.execute(
        "UPDATE eventflow_stats.progress SET unverifiable_since = now(), unverifiable_reason = 'a policy'"
    )
    file = tmp_path / "report.md"

    call("verify", *SPAN, f"--report={file}", **own)

    assert marks(file.read_text()) == {"large": "SUUU", "small": "SUUU"}
