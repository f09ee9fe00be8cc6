"""explain: a number's story in words, exit codes that tell, and nobody's personal data."""

import json
import shlex
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats_tests.cli.command import contents, one_line
from eventflow_stats_tests.cli.conftest import Call
from eventflow_stats_tests.engine.reading.ask import request
from eventflow_stats_tests.facts import Entry, Product, Visit, connect

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
DAY = ("--day", "2026-03-04")


class Shop(NamedTuple):
    database: Database
    connection: "psycopg.Connection[Any]"
    client: UUID
    campaign: UUID
    link: UUID


@pytest.fixture
def shop(database: Database) -> Iterator[Shop]:
    """A client with a link that visits come by in three ways, a session in two groups and on two days."""
    with connect(database) as connection:
        product = Product(connection)
        client = product.client("A client")
        campaign = product.campaign(client)
        link, other = product.link(campaign, "KAKAO"), product.link(campaign, "OTHER")
        kakao: dict[str, Any] = {"campaign_id": campaign, "utm_source": "kakao"}
        late = NOON + timedelta(hours=11, minutes=59)
        product.add(
            Visit(at=NOON, session_id="1", cid="kakao", **kakao),
            Visit(at=NOON, session_id="1", link_id=link.id, **kakao),
            Visit(at=late, session_id="1", cid="kakao", **kakao),
            Visit(at=NOON, session_id="2", link_id=link.id, cid="other", **kakao),
            Visit(at=NOON, cid="kakao", **kakao),
            Visit(at=NOON, session_id="1", cid="nowhere", **kakao),
            Visit(at=late + timedelta(minutes=2), session_id="1", cid="kakao", **kakao),
            Visit(at=NOON, session_id="9", link_id=other.id, campaign_id=campaign, utm_source="__null__"),
            Entry(at=NOON, cid="kakao", completed_at=NOON + timedelta(days=1), **kakao),
        )
        connection.execute("UPDATE campaign_link_meta SET name = cid")
        list(rebuild(database, [NOON.date(), NOON.date() + timedelta(days=1)]))
        yield Shop(database, connection, client, campaign, link.id)


def test_a_number_is_explained_in_words(call: Call, own: dict[str, str], shop: Shop) -> None:
    before = contents(own["EVENTFLOW_DATABASE_URL"])
    code, out, err = call("explain", "--client", "A client", *DAY, "--link", "KAKAO", **own)
    assert (code, err) == (0, "")
    assert contents(own["EVENTFLOW_DATABASE_URL"]) == before
    lines = [" ".join(line.split()) for line in out.splitlines()]
    for message in (
        "A client, 2026-03-04 (2026-03-04 00:00:00Z to 2026-03-05 00:00:00Z, days in UTC)",
        "the day 7 visit rows, 1 entry in 3 groups; 5 visits, 1 conversion",
        "the rollup 5 visits, 1 conversion; every group equals the facts",
        "verified never",
        '"c" / "KAKAO" / "kakao" / __null__ / __null__',
        "result the rollup equals the facts",
        "visits 3: 5 rows of 2 sessions and 1 without a session, a visit each; 1 session seen more than once "
        "(2 rows folded)",
        "entries 1; 1 completed on another day: created_at decides",
        "by the stored link id 2 facts",
        "by the visit's cid 3 facts",
        "by the entry's cid 1 fact",
        "disagreeing 1 fact: the cid names another link",
        "in other groups 2 visit rows, 0 entries of the day, of which",
        "1 visit row, 0 entries of sessions that are in this group too",
        "on 2026-03-05 1 session of this group there too (1 row), counted on that day as well; 1 visit row, 0 entries "
        "of the same key within an hour of midnight, counted there",
        '1 visit row, 0 entries "c" / __null__ / "kakao" / __null__ / __null__: differs in link_id; 1 of the sessions '
        "are in both groups and count once in each; 1 of its facts have a cid that names no link of the client",
    ):
        assert message in lines, out


def test_a_group_that_only_a_correction_knows_is_explained_without_empty_sections(
    call: Call, own: dict[str, str], shop: Shop
) -> None:
    group = ("--client", "A client", *DAY, "--source", "telephone")
    why = ("--conversions", "2", "--reason", "by phone", "--author", "Kim", "--execute")
    assert call("adjust", *group, *why, **own)[0] == 0
    code, out, err = call("explain", *group, **own)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert "  result               neither the rollup nor the facts have this group; only adjustments do" in lines
    assert lines[-2] == "Adjustments"
    # Readers get them, so the day does not do without a word of them.
    by_hand = "visits +0, conversions +2 by 1 adjustment in force, which readers get on top"
    assert f"  corrected by hand     {by_hand}" in lines
    _, out, _ = call("explain", "--client", "A client", *DAY, **own)
    assert f"  corrected by hand     {by_hand}" in out.splitlines()
    assert '0 visits, 0 conversions (by hand: +0 visits, +2 conversions): __null__ / __null__ / "telephone"' in out
    titles = [place for place, line in enumerate(lines) if not line.startswith(" ")]
    assert [lines[place] for place in titles if not lines[place + 1 : place + 2][0].startswith(" ")] == []


def test_groups_are_listed_each_with_the_options_that_explain_it(call: Call, own: dict[str, str], shop: Shop) -> None:
    code, out, _ = call("explain", "--client", str(shop.client), *DAY, **own)
    assert (code, "3 groups; add options to single one out:" in out) == (0, True)
    options = [line.strip() for line in out.splitlines() if line.startswith("    --campaign ")]
    assert len(options) == 3
    titles = set()
    for words in options:
        code, out, _ = call("explain", "--client", "A client", *DAY, *shlex.split(words), "--json", **own)
        answer = json.loads(out)
        assert (code, answer["matching"], answer["explanation"]["agrees"]) == (0, 1, True)
        titles.add(answer["groups"][0]["utm_source"])
    # The literal text is one of them, and another than the absent source.
    assert titles == {"kakao", "__null__"}

    # What is wrong is shown as stored beside measured, and ends the command with 1.
    shop.connection.execute("UPDATE marketing_stats_daily SET visits = 9 WHERE utm_source = '__null__'")
    code, out, _ = call("explain", "--client", "A client", *DAY, **own)
    assert (
        code,
        '1 visit, 0 conversions (the rollup: 9 visits, 0 conversions): "c" / "OTHER" / "__null__" / __null__' in out,
    ) == (1, True)
    code, out, _ = call("explain", "--client", "A client", *DAY, "--source", '"__null__"', **own)
    assert (code, "the row is wrong: it differs from facts that have not changed" in out) == (1, True)
    # A group that was not asked for does not count.
    assert call("explain", "--client", "A client", *DAY, "--source", "kakao", **own)[0] == 0
    code, out, _ = call("explain", "--client", "A client", "--day", "2026-03-09", **own)
    assert (code, out.splitlines()[-1]) == (0, "no group: neither facts nor numbers")


def test_a_group_that_is_not_there_is_answered_with_the_nearest(call: Call, own: dict[str, str], shop: Shop) -> None:
    for words, message in (
        (
            ("--source", "kako"),
            'A client has no group on 2026-03-04 with --source kako; nearest: "c" / "KAKAO" / "kakao"',
        ),
        (("--source", ""), "--source is ''; leave it out for any, give none for the absent one"),
        (("--source", "a\x1b[2J\nb"), r"with --source a\x1b[2J\nb; nearest"),
        (("--campaign", "c"), "--campaign is 'c'; it should be a campaign's id, or none"),
        (("--day", "yesterday"), "'yesterday' is no date"),
        (("--client", "Nobody"), "client 'Nobody' is unknown"),
        (("--day", "2026-03-09", "--link", "KAKAO"), "A client has no group at all on 2026-03-09"),
    ):
        code, out, err = call("explain", "--client", "A client", *DAY, *words, **own)
        assert (code, out, message in one_line(err)) == (2, "", True), err


ALLOWED = {
    "clients.name", "event_survey_campaigns.title", "campaign_link_meta.name",
    *(f"{table}.utm_{part}" for table in ("event_access_logs", "event_survey_entries", "campaign_link_meta")
      for part in ("source", "medium", "campaign")),
}  # fmt: skip
"""What an explanation may show of the product's texts: names of the client's own things, and the group's key."""


def test_no_personal_data_is_in_any_output(call: Call, own: dict[str, str], shop: Shop) -> None:
    planted = plant(shop.connection)
    assert {
        "event_access_logs.session_id", "event_access_logs.cid", "event_access_logs.referrer",
        "event_access_logs.user_agent", "event_survey_entries.name", "event_survey_entries.phone_norm",
        "event_survey_entries.company", "event_survey_entries.registration_data", "profiles.email",
    } <= planted  # fmt: skip
    shop.connection.execute(
        "INSERT INTO eventflow_stats.adjustments (client_id, bucket_date, visits_delta, reason, author) "
        "VALUES (%s, '2026-03-04', 1, 'a test', 'PLANTED author')",
        [shop.client],
    )
    member = uuid4()
    shop.connection.execute("INSERT INTO client_members VALUES (%s, %s, 'member')", [shop.client, member])
    said = []
    groups = json.loads(call("explain", "--client", str(shop.client), *DAY, "--json", **own)[1])["groups"]
    keys = [("--campaign", g["campaign_id"] or "none", "--link", g["link_id"] or "none") for g in groups]
    for words in ((), *keys):
        for form in ((), ("--json",)):
            code, out, err = call("explain", "--client", str(shop.client), *DAY, *words, *form, **own)
            assert code in (0, 1), err
            said.append(out + err)
    with request(shop.database, member) as reader:
        for _, campaign, _, link in [("", None, "", None), *keys]:
            row = reader.execute(
                "SELECT public.marketing_explain(%s, '2026-03-04', %s, %s)::text", [shop.client, campaign, link]
            ).fetchone()
            assert row is not None
            said.append(row[0])
    assert any("explanation" in text and "visit_rows" in text for text in said)
    assert [text for text in said if "PLANTED" in text] == []


def plant(connection: "psycopg.Connection[Any]") -> set[str]:
    """A recognizable value in every text and JSON column of the product that takes one, but for those allowed."""
    columns = connection.execute(
        "SELECT table_name, column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = 'public' AND data_type IN ('text', 'jsonb') AND is_generated = 'NEVER' "
        "AND table_name IN (SELECT tablename FROM pg_tables WHERE schemaname = 'public') "
        "AND table_name <> 'marketing_stats_daily'"
    ).fetchall()
    planted = set()
    for table, column, kind in columns:
        if f"{table}.{column}" in ALLOWED:
            continue
        value = "'PLANTED ' || md5(random()::text)"
        if kind == "jsonb":
            value = f"jsonb_build_object('cid', {value}, 'name', {value})"
        statement = sql.SQL("UPDATE {} SET {} = " + value).format(sql.Identifier(table), sql.Identifier(column))
        try:
            connection.execute(statement)
        except psycopg.errors.CheckViolation:
            continue
        planted.add(f"{table}.{column}")
    return planted


def test_what_facts_say_is_shown_and_not_obeyed(call: Call, own: dict[str, str], shop: Shop) -> None:
    source = "a\x1b[2J\n\u202eb \u200b"
    Product(shop.connection).add(Visit(at=NOON, session_id="5", campaign_id=shop.campaign, utm_source=source))
    shop.connection.execute("UPDATE clients SET name = %s WHERE id = %s", ["A\nclient\x9b", shop.client])
    shop.connection.execute("UPDATE event_survey_campaigns SET title = %s", ["none\r"])
    _, out, _ = call("explain", "--client", str(shop.client), *DAY, **own)

    assert out.startswith(r"A\nclient\u009b, 2026-03-04 (")
    assert r'"none\r" / __null__ / "a\u001b[2J\n\u202eb \u200b" / __null__ / __null__' in out
    assert not [line for line in out.splitlines() if not line.isprintable()]
    # The options that single it out can be pasted into a shell none the less.
    (options,) = [line for line in out.splitlines() if "202e" in line and line.startswith("    --campaign ")]
    split = subprocess.run(["bash", "-c", f"printf '%s\\0' {options}"], capture_output=True, check=True, text=True)
    words = split.stdout.rstrip("\0").split("\0")
    assert words[words.index("--source") + 1] == source
    code, out, err = call("explain", "--client", str(shop.client), *DAY, *words, "--json", **own)
    # 1: it came after the day was computed.
    assert (code, json.loads(out)["matching"], err) == (1, 1, "")
    assert out.removesuffix("\n").isprintable()
    assert json.loads(out)["client_name"] == "A\nclient\x9b"


def test_a_day_without_a_partition_is_said_to_be_none(call: Call, own: dict[str, str], shop: Shop) -> None:
    today = datetime.now(UTC).date()
    for day, next_day, message in (
        ("2011-12-31", "2012-01-01", "never, and it will not be: the first day is 2012-01-01 (EVENTFLOW_START_DATE)"),
        ("2026-02-01", "2026-02-02", "never"),
        ("9999-12-31", "10000-01-01", f"never; today is {today}, and its facts wait for their day"),
    ):
        code, out, err = call("explain", "--client", "A client", "--day", day, **own)
        assert (code, err) == (0, "")
        lines = [" ".join(line.split()) for line in out.splitlines()]
        assert f"computed {message}" in lines, out
        # Nothing was compared, so nothing is equal.
        assert "the rollup 0 visits, 0 conversions" in lines
        assert lines[0].startswith(f"A client, {day} ({day} 00:00:00Z to {next_day} 00:00:00Z, days in UTC)")
