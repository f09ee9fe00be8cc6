"""The three forms of a report: each has the same errors, its numbers equal the ledger and an independent count, and
texts of the facts stay text."""

import csv
import json
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.formatting import parse_csv
from eventflow_stats.reports.rates import Rate
from eventflow_stats_tests.cli.conftest import Call
from eventflow_stats_tests.oracle import expected_groups
from eventflow_stats_tests.reports.conftest import ATTACK, DAYS, FIRST, FORMULA, LAST, Shop
from eventflow_stats_tests.rollup import stored_groups

RANGE = ("--from", FIRST.isoformat(), "--to", LAST.isoformat())


class Page(HTMLParser):
    """A page as a browser reads it: its elements, and the text of each table row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.rows: list[list[str]] = []
        self.text = ""
        self.in_cell = False
        self.feed(text)
        self.rows = [[cell.strip() for cell in row] for row in self.rows]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes |= {name for name, _ in attrs}
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
            self.in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self.in_cell = self.in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.in_cell:
            self.rows[-1][-1] += data


@pytest.fixture
def written(call: Call, own: dict[str, str], shop: Shop, tmp_path: Path) -> dict[str, str]:
    """Each form of the report, by its ending."""
    files = [tmp_path / f"report{ending}" for ending in (".html", ".md", ".csv")]
    code, out, err = call("verify", *RANGE, *(f"--report={file}" for file in files), **own)
    assert code == 1, out
    # Stderr has an alert for each wrong group and nothing else.
    assert {json.loads(line)["alert"] for line in err.splitlines()} == {f"wrong group {n}" for n in (1, 2, 3)}
    assert "3 wrong groups, in all +10 visits, +2 conversions (stored minus true)" in out
    assert sorted(tmp_path.iterdir()) == sorted(files)
    return {file.suffix: file.read_bytes().decode() for file in files}


def unguarded(value: str) -> str | None:
    """The stored value of a cell of the CSV form, by the rule of the CSV form."""
    if value.startswith("'\""):
        return str(json.loads(value[1:]))
    return None if value == "__null__" else value.removeprefix("'")


def test_each_form_names_every_planted_error_and_its_numbers(shop: Shop, written: dict[str, str]) -> None:
    true, stored = expected_groups(shop.product.world, "UTC"), stored_groups(shop.product.connection)
    wrong = {group for group in true.keys() | stored.keys() if group.bucket_date in DAYS[:4]}
    wrong = {group for group in wrong if true.get(group) != stored.get(group)}
    assert len(wrong) == 3

    # For a program: every wrong or stale group by its key, with those of the day that was never computed.
    rows = list(csv.DictReader(written[".csv"].splitlines(keepends=True), strict=True))
    named: dict[Any, Any] = {}
    for row in rows:
        key = (row["client_id"], row["bucket_date"], *(unguarded(row[n]) for n in list(row)[4:6] + list(row)[7:10]))
        named[key] = tuple(row[name] for name in list(row)[10:])
    for group, result in [(g, "wrong") for g in wrong] + [(g, "stale") for g in true if g.bucket_date == LAST]:
        key = tuple(None if value is None else str(value) for value in group)
        has, should = stored.get(group), true.get(group)
        differ = [(has[n] if has else 0) - (should[n] if should else 0) for n in range(2)]
        cells = [("" if side is None else str(side[n])) for n in range(2) for side in (has, should)]
        assert named.pop(key) == (*cells[:2], str(differ[0]), *cells[2:], str(differ[1])), result
    assert named == {}
    assert Counter(row["result"] for row in rows) == {"wrong": 3, "stale": 4}
    assert {unguarded(row["client_name"]) for row in rows} == {ATTACK, 'Other, "quoted"'}
    # A spreadsheet takes no cell for a formula.
    assert not [cell for row in rows for cell in list(row.values())[:10] if cell[:1] in "=+-@\t\r" and cell]

    # For people: one row for each, with client, day, numbers and signed difference.
    message = {
        DAYS[0].isoformat(): ("8 visits, 1 conversion", "1 visit, 1 conversion", "+7 visits, 0 conversions"),
        DAYS[1].isoformat(): ("no row", "1 visit, 0 conversions", "-1 visit, 0 conversions"),
        DAYS[2].isoformat(): ("4 visits, 2 conversions", "no row", "+4 visits, +2 conversions"),
    }
    page = Page(written[".html"])
    assert {row[2]: tuple(row[4:]) for row in page.rows if row[0] == "wrong" and len(row) == 7} == message
    lines = [line for line in written[".md"].splitlines() if line.startswith("| wrong | ")]
    for day, numbers in message.items():
        (line,) = (line for line in lines if f" | {day} | " in line)
        assert line.endswith(f" | {' | '.join(numbers)} |")
    for form in (page.text, written[".md"]):
        assert "Not right: 3 wrong groups, in all +10 visits, +2 conversions" in form
        assert f"eventflow-stats backfill --from {DAYS[0]} --to {DAYS[2]}" in form
        assert "1 active, 1 reverted" in form
        assert "-3 visits, 0 conversions" in form


def test_its_numbers_equal_the_ledger_and_an_independent_count(shop: Shop, written: dict[str, str]) -> None:
    page = Page(written[".html"])

    def numbers(first: str, columns: int = 2) -> list[str]:
        (found,) = {tuple(row[1:]) for row in page.rows if row[0] == first and len(row) == columns}
        return list(found)

    days = [DAYS.index(day) for day in DAYS]
    # The columns: unverifiable, wrong, held, stale, never computed, not verified, verified, sealed, no facts.
    assert [numbers(str(DAYS[n]), 10) for n in days] == [
        [*row] for row in (
            ["0", "1", "0", "0", "0", "0", "1", "0", "0"],
            ["0", "1", "0", "0", "0", "0", "1", "0", "0"],
            ["0", "1", "0", "0", "0", "0", "1", "0", "0"],
            ["0", "0", "0", "0", "0", "0", "2", "0", "0"],
            # Never computed; the ledger has it as stale.
            ["0", "0", "0", "0", "2", "0", "0", "0", "0"],
        )
    ]  # fmt: skip
    open_ = "SELECT client_id, bucket_date FROM eventflow_stats.discrepancies WHERE repaired_at IS NULL"
    assert len(shop.product.connection.execute(open_).fetchall()) == 3
    assert ["all days", "1"] in page.rows

    # Rates of sums over both clients, counted from the facts of the four days.
    world = shop.product.world
    visits = [v for v in world.visits.values() if v.at.date() in DAYS[:4] and v.campaign_id]
    entries = [e for e in world.entries.values() if e.at.date() in DAYS[:4]]
    facts = len(visits) + len(entries)
    utm = sum(bool(v.utm_source) for v in visits) + sum(bool(e.utm_source) for e in entries)
    link = sum(bool(v.cid) for v in visits) + sum(bool(e.cid) for e in entries)
    rates = {row[0]: row[2:] for row in page.rows if len(row) == 5 and row[0] in ("Linkage", "UTM fill", "Attribution")}
    assert rates["UTM fill"] == [f"{100 * utm / facts:.2f}", "at least 60", "no"]
    assert rates["Attribution"] == [f"{100 * link / facts:.2f}", "none", ""]
    assert rates["Linkage"] == ["0.00", "at least 70", "no"]
    for form in (page.text, written[".md"]):
        assert f"Computed for 4 of {(LAST - FIRST).days + 1} days; the rates are those of these days only" in form

    # Totals are those of the rollup.
    stored = stored_groups(shop.product.connection)
    for day in DAYS:
        of_day = [n for group, n in stored.items() if group.bucket_date == day]
        message = f"| {day} | {sum(n.visits for n in of_day):,} | {sum(n.conversions for n in of_day):,} |"
        assert message in written[".md"]


def test_a_goal_is_met_by_the_counts_and_not_by_the_rounded_rate() -> None:
    shown: dict[str, Any] = {"name": "Linkage", "meaning": "", "by_period": [], "goal": 70.0}
    assert [Rate(**shown, at_most=False, overall=overall).met for overall in (69.996, 70.0)] == [False, True]
    assert [Rate(**shown, at_most=True, overall=overall).met for overall in (70.004, 70.0)] == [False, True]


def test_texts_of_the_facts_are_never_markup(written: dict[str, str]) -> None:
    page = Page(written[".html"])
    assert page.elements["script"] == page.elements["img"] == page.elements["link"] == page.elements["iframe"] == 0
    assert not {name for name in page.attributes if name.startswith("on")} | page.attributes & {"src"}
    assert page.text.count(ATTACK) > 5
    assert "http" not in written[".html"].replace("http://evil.example", "").replace("http-equiv", "")

    # In Markdown each text is in a code span, and a row has as many cells as its table has columns.
    for line in written[".md"].splitlines():
        if line.startswith("|"):
            cells = re.split(r"(?<!\\)\|", line)[1:-1]
            assert len(cells) in (2, 3, 4, 5, 7), line
            for cell in cells:
                assert "<script" not in cell or re.fullmatch(r" (`+) ?[^\n]* ?\1 ", cell), cell
    assert FORMULA.splitlines()[0].replace("|", "\\|") in written[".md"].replace('\\"', '"')


def test_no_report_has_characters_that_control_a_terminal_or_a_spreadsheet(written: dict[str, str]) -> None:
    for ending, text in written.items():
        shown = text.replace("\r\n", "\n") if ending == ".csv" else text
        assert {char for char in shown if not char.isprintable()} == {"\n"}, ending
    fields = [field for row in csv.reader(written[".csv"].splitlines()) for field in row]
    assert not [field for field in fields if field.startswith(("=", "\uff1d", "+", "@")) or "\x1b" in field]
    # The texts are there: their characters can be read, and the stored text can be restored.
    assert FORMULA in {parse_csv(field) for field in fields}
    assert "'\uff1dSUM(1)" in fields
    assert "\\x1b[2J" in written[".html"]


def test_a_report_without_errors_is_right_and_its_csv_has_only_the_header(
    call: Call, own: dict[str, str], shop: Shop, tmp_path: Path
) -> None:
    files = [tmp_path / f"report{ending}" for ending in (".html", ".md", ".csv")]
    last = ("--from", DAYS[3].isoformat())
    assert call("verify", *last, *(f"--report={file}" for file in files), **own)[0] == 0

    page, text, table = (file.read_text() for file in files)
    assert "Every group that was compared equals the facts." in page
    assert text.startswith("# Right\n")
    assert table.startswith("result,client_id,client_name,bucket_date,campaign_id,")
    assert table.count("\n") == 1

    # A group that was wrong before, and who repaired it, is shown when nothing is wrong any more.
    list(verify(shop.database, DAYS[:4]))
    list(rebuild(shop.database, DAYS[1:2], repaired_by="run 7"))
    code, _, _ = call("verify", *RANGE, *(f"--report={file}" for file in files[:2]), **own)
    numbers = {DAYS[0]: "8 visits, 1 conversion|1 visit, 1 conversion", DAYS[1]: "no row|1 visit, 0 conversions"}
    for day, message in numbers.items():
        (row,) = (row for row in Page(files[0].read_text()).rows if len(row) == 7 and row[1] == str(day))
        assert "|".join(row[3:5]) == message
        assert re.fullmatch(r"[-\d]{10} [:\d]{5} UTC", row[5])
        assert re.fullmatch(r"open" if day == DAYS[0] else r"[-\d]{10} [:\d]{5} UTC: run 7", row[6])
        lines = [line for line in files[1].read_text().splitlines() if f" | {message.replace('|', ' | ')} | " in line]
        assert f" | {day} | " in lines[-1]
        assert re.search(r" UTC( \||: run 7)", lines[-1])

    # A report of a sample explains what the sample shows.
    code, out, _ = call(
        "verify", *RANGE, "--client", 'Other, "quoted"', "--sample", "9", "--seed", "4", f"--report={files[1]}", **own
    )
    assert code == 1
    assert "(seed 4)" in out
    assert "## What the sample shows" in files[1].read_text()
    again = call("verify", *RANGE, "--client", 'Other, "quoted"', "--sample", "9", "--seed", "4", **own)
    assert again == (code, out, "")


def test_other_commands_do_not_import_the_packages_of_reports() -> None:
    heavy = "import sys, eventflow_stats.cli.main; print({'pandas', 'matplotlib', 'jinja2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
