"""adjust, adjustments, revert-adjustment and import-adjustments as an operator calls them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats_tests.cli.command import one_line
from eventflow_stats_tests.cli.conftest import Call
from eventflow_stats_tests.engine.postgres.inspecting import everything_in
from eventflow_stats_tests.facts import Entry, Product, Visit, connect

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
HEADER = "client,day,campaign,link,utm_source,visits,conversions,reason"


class Shop:
    """A client "ours" with two visits and an entry of a link "spring" on 2026-03-04, and a client "theirs"."""

    def __init__(self, database: Database, call: Call, own: dict[str, str]) -> None:
        self.database, self._call, self._own = database, call, own
        with connect(database) as connection:
            product = Product(connection)
            ours, theirs = product.client("ours"), product.client("theirs")
            self.campaign = product.campaign(ours)
            self.link, self.their_link = product.link(self.campaign).id, product.link(product.campaign(theirs)).id
            connection.execute("UPDATE campaign_link_meta SET name = 'spring' WHERE id = %s", [self.link])
            of: dict[str, Any] = {"campaign_id": self.campaign, "link_id": self.link, "utm_source": "kakao"}
            product.add(*(Visit(at=NOON, session_id=s, **of) for s in "ab"), Entry(at=NOON, **of))

    def call(self, *words: str) -> tuple[int, str, str]:
        return self._call(*words, **self._own)

    def adjust(self, *words: str) -> tuple[int, str, str]:
        group = ("--campaign", str(self.campaign), "--link", "spring", "--source", "kakao", "--medium", "__null__")
        why = ("--reason", "a crawler", "--author", "Kim")
        return self.call("adjust", "--client", "ours", "--day", "2026-03-04", *group, *why, *words)

    def in_force(self, *words: str) -> list[dict[str, Any]]:
        code, out, _ = self.call("adjustments", "--json", *words)
        assert code == 0
        return list(json.loads(out)["adjustments"])


@pytest.fixture
def shop(database: Database, call: Call, own: dict[str, str]) -> Shop:
    return Shop(database, call, own)


def test_a_correction_is_tried_then_written_then_listed_then_reverted(shop: Shop) -> None:
    before = everything_in(shop.database)
    code, out, err = shop.adjust("--visits", "-2", "--conversions", "+3")
    assert (code, err) == (0, "")
    _, _, visits, conversions, remark = out.splitlines()
    assert visits.split() == ["visits", "2", "+0", "-2", "0"]
    assert conversions.split() == ["conversions", "1", "+0", "+3", "4"]
    assert remark == "nothing was written; add --execute to write it"
    assert everything_in(shop.database) == before

    code, out, _ = shop.adjust("--visits", "-2", "--conversions", "+3", "--execute")
    assert (code, out.splitlines()[-1]) == (0, "added adjustment 1; `eventflow-stats adjustments --all` lists it")
    code, out, err = shop.adjust("--visits", "-2", "--conversions", "+3", "--execute")
    assert (code, out) == (2, "")
    assert (
        err == "eventflow-stats: adjustment 1 is the same and in force; say again (--again) if this one comes on top\n"
    )
    (row,) = shop.in_force()
    assert (row["client_name"], row["link_name"], row["utm_source"], row["utm_medium"]) == (
        "ours",
        "spring",
        "kakao",
        None,
    )
    code, out, _ = shop.call("adjustments", "--client", "ours", "--from", "2026-03-04", "--to", "2026-03-04")
    assert out.splitlines()[0] == (
        f'1: 2026-03-04, ours, campaign {shop.campaign}, link "spring" ({shop.link}), '
        'utm "kakao" / __null__ / __null__: visits -2, conversions +3'
    )
    assert out.splitlines()[-1] == "1 adjustment in force: visits -2, conversions +3"
    assert shop.in_force("--client", "theirs") == shop.in_force("--from", "2026-03-05") == []

    before = everything_in(shop.database)
    revert = ("revert-adjustment", "1", "--author", "Lee", "--reason", "no crawler", "--json")
    code, out, _ = shop.call(*revert)
    message = json.loads(out)
    assert (message["executed"], message["adjustment"]) == (False, None)
    assert message["visits"] == {"measured": 2, "adjustments_before": -2, "change": 2, "after": 2}
    assert everything_in(shop.database) == before
    assert json.loads(shop.call(*revert, "--execute")[1])["adjustment"]["reverted_by"] == "Lee"
    assert shop.in_force() == []
    (row,) = shop.in_force("--all")
    assert (row["reverted_reason"], row["author"]) == ("no crawler", "Kim")
    assert '\n    reverted: "no crawler": Lee, ' in shop.call("adjustments", "--all")[1]


def test_a_wrong_correction_is_reported_in_one_line_and_changes_nothing(shop: Shop) -> None:
    before = everything_in(shop.database)
    for words, message in (
        (("--visits", "1", "--reason", " "), "the reason is missing"),
        (("--visits", "1", "--author", ""), "the author is missing"),
        (("--visits", "0"), "the adjustment changes nothing"),
        (("--visits", "1", "--client", "nobody"), "client 'nobody' is unknown"),
        (("--visits", "1", "--link", "winter"), "link 'winter' is unknown; give the id or the exact name of a link"),
        (("--visits", "1", "--link", str(shop.their_link)), "is another client's; give a link of client"),
        (("--visits", "1", "--campaign", "winter"), "--campaign is 'winter'; it should be a campaign's id"),
        (("--visits", "1", "--day", "2999-01-01"), "day 2999-01-01 cannot be adjusted; give a day up to today"),
        (("--visits", "1", "--day", "2011-12-31"), "day 2011-12-31 cannot be adjusted; days go from 2012-01-01"),
        (("--visits", "-3"), "visits of this group would be -1: 2 measured"),
        (("--visits", "many"), "'many' is not a valid integer"),
        (("--visits", "99999999999999999999"), "is not in the range -1000000000<=x<=1000000000"),
        (("--conversions", "-1000000001"), "is not in the range -1000000000<=x<=1000000000"),
    ):
        code, out, err = shop.adjust("--execute", *words)
        assert (code, out) == (2, ""), words
        assert message in one_line(err)
    for call in (("adjust", "--client", "ours", "--day", "2026-03-04", "--visits", "1"), ("revert-adjustment", "1")):
        for missing, given in (("--reason", ("--author", "Kim")), ("--author", ("--reason", "a crawler"))):
            code, _, err = shop.call(*call, *given, "--execute")
            assert (code, f"Missing option '{missing}'" in err) == (2, True)
    code, _, err = shop.call("revert-adjustment", str(2**63), "--author", "Kim", "--reason", "why", "--execute")
    assert (code, f"{2**63} is not in the range" in one_line(err)) == (2, True)
    code, _, err = shop.call("revert-adjustment", "9", "--author", "Kim", "--reason", "why", "--execute")
    assert (code, err) == (2, "eventflow-stats: there is no adjustment 9; `eventflow-stats adjustments` lists them\n")
    assert everything_in(shop.database) == before


def test_a_group_is_named_as_explain_names_it(shop: Shop) -> None:
    day = ("--client", "ours", "--day", "2026-03-04")
    why = ("--visits", "1", "--reason", "by phone", "--author", "Kim", "--execute")
    for source, meant in (("none", None), ('"none"', "none"), ('"', '"'), ("", None)):
        code, out, err = shop.call(
            "adjust", *day, "--campaign", "none", "--link", "none", "--source", source, *why, "--again"
        )
        assert (code, err) == (0, "")
        assert "nothing was measured in this group, so it consists of adjustments alone; if another" in out
        newest = max(shop.in_force(), key=lambda row: row["adjustment_id"])
        assert (newest["campaign_id"], newest["link_id"], newest["utm_source"]) == (None, None, meant), source
    _, out, _ = shop.call("revert-adjustment", "1", "--author", "Lee", "--reason", "no call", "--execute")
    assert "nothing was measured" not in out


BAD_LINES = {
    "ours,2026-03-04,,nowhere,,+1,,why": "link 'nowhere' is unknown",
    "ours,2026-03-04,spring,,,+1,,why": "campaign is 'spring'; it should be a campaign's id",
    "ours,04.03.2026,,,,+1,,why": "day is '04.03.2026'; it should be YYYY-MM-DD",
    "ours,2026-03-04,,,,1.5,,why": "visits is '1.5'; it should be a whole number",
    "ours,2026-03-04,,,,,,why": "the adjustment changes nothing",
    "ours,2026-03-04,,,,+1,, ": "the reason is missing",
    "ours,2026-03-04,,,,+1,,": "reason is empty",
    "ours,2026-03-04,,,,+1,,__null__": "the reason is missing",
    "__null__,2026-03-04,,,,+1,,why": "client '__null__' is unknown",
    "ours,__null__,,,,+1,,why": "day is '__null__'; it should be YYYY-MM-DD",
    "ours,2026-03-04,,,,__null__,,why": "visits is '__null__'; it should be a whole number",
    "ours,2026-03-04,,,,-1,,why": "visits of this group would be -1",
    "nobody,2026-03-04,,,,+1,,why": "client 'nobody' is unknown",
    "theirs,2026-03-04,,{link},,+1,,why": "is another client's",
    "ours,2026-03-04,,,,+1,why": "7 fields where the header has 8",
    "ours,2026-03-04,{campaign},spring,kakao,-2,,a crawler": "the same adjustment as on line 2",
    # Fine alone; after line 2 there is nothing left to take away.
    "ours,2026-03-04,{campaign},spring,kakao,-1,,another": "visits of this group would be -1: 2 measured, -2 by",
}


def test_a_dimension_of_a_file_is_read_as_a_report_writes_it(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "adjustments.csv"
    written = {"__null__": None, "'__null__": "__null__", "''tis": "'tis", "'=1+1": "=1+1", "'quoted'": "'quoted'"}
    lines = [f"ours,2026-03-04,,,{source},+1,,number {number}" for number, source in enumerate(written)]
    file.write_text("\n".join([HEADER, *lines]) + "\n")

    assert shop.call("import-adjustments", str(file), "--author", "Kim", "--execute")[0] == 0

    found = {row["reason"]: row["utm_source"] for row in shop.in_force()}
    assert found == {f"number {number}": meant for number, meant in enumerate(written.values())}


def test_a_file_of_adjustments_is_added_whole_or_not_at_all_and_once(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "adjustments.csv"
    good = [
        f"ours,2026-03-04,{shop.campaign},spring,kakao,-2,,a crawler",
        f'ours,2026-03-04,__null__,{shop.link},,,+3,"leads by phone,\nnoted by hand"',
    ]
    words = ("import-adjustments", str(file), "--author", "Kim")
    before = everything_in(shop.database)
    for bad, message in BAD_LINES.items():
        file.write_text("\n".join([HEADER, *good, bad.format(campaign=shop.campaign, link=shop.link)]) + "\n")
        code, out, err = shop.call(*words, "--execute")
        assert (code, out) == (2, ""), bad
        assert one_line(err).startswith(f"eventflow-stats: {file}, line 5: ")
        assert message in err
    # A misspelt column left out without a word would be a number lost.
    file.write_text("\n".join([HEADER.replace("visits", "vists"), *good]) + "\n")
    code, out, err = shop.call(*words, "--execute")
    assert (code, out) == (2, "")
    assert f"{file}, line 1: column 'vists' is unknown; it may have client, day, reason, campaign, " in one_line(err)
    assert everything_in(shop.database) == before
    file.write_text("\n".join([HEADER, *good]) + "\n")
    link = f'link "spring" ({shop.link})'
    of_group = (
        f'line 2: ours, 2026-03-04, campaign {shop.campaign}, {link}, utm "kakao" / __null__ / __null__: '
        "visits -2 to 2 measured, conversions +0 to 1"
    )
    # Its campaign was left out, and so it is no group that facts are in.
    of_none = (
        f"line 3: ours, 2026-03-04, campaign __null__, {link}, utm __null__ / __null__ / __null__: "
        "visits +0 to 0 measured, conversions +3 to 0; nothing was measured in this group, so it consists of "
        "adjustments alone; if another was meant, name its campaign, link and all three UTM (`eventflow-stats "
        "explain` lists a day's groups)"
    )
    message = "2 adjustments read, 2 to add; nothing was written, add --execute to write"
    assert shop.call(*words) == (0, "\n".join([of_group, of_none, message, ""]), "")
    assert [of["group_has_facts"] for of in json.loads(shop.call(*words, "--json")[1])["adjustments"]] == [True, False]
    assert everything_in(shop.database) == before

    assert shop.call(*words, "--execute") == (0, "\n".join([of_none, "2 adjustments read, 2 added", ""]), "")
    assert [(row["link_id"], row["campaign_id"], row["conversions_delta"]) for row in shop.in_force()] == [
        (str(shop.link), None, 3), (str(shop.link), str(shop.campaign), 0),
    ]  # fmt: skip
    # Again by somebody else, and after one was reverted: nothing of it is new.
    shop.call("revert-adjustment", "2", "--author", "Lee", "--reason", "no leads", "--execute")
    before = everything_in(shop.database)
    code, out, _ = shop.call("import-adjustments", str(file), "--author", "Park", "--execute")
    assert out == "2 adjustments read, 0 added, 1 in force already, 1 reverted before and left so\n"
    assert everything_in(shop.database) == before
