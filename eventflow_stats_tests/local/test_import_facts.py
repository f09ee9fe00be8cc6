"""Facts from CSV files: all or none, a second import adds nothing, and a bad line is named."""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.errors import InvalidInput
from eventflow_stats.local.import_facts import Imported, import_facts
from eventflow_stats_tests.cli.command import contents

VISITS = "session_id,accessed_at,campaign,utm_source"
ENTRIES = "entry_id,created_at,campaign"
GOOD = "s1,2026-03-01T09:00:00Z,toys,gsearch"

BAD_VISITS: dict[str, tuple[bytes, str]] = {
    "an empty file": (b"", "line 1: column campaign is missing"),
    "a missing column": (b"session_id,campaign\ns1,toys\n", "line 1: column accessed_at is missing"),
    "a column twice": (b"session_id,session_id,accessed_at,campaign\n", "line 1: a column name is there twice"),
    "no time": (b"%s\n%s\ns2,yesterday,toys,\n", "line 3: accessed_at is 'yesterday'; it should be ISO 8601"),
    "an empty time": (b"%s\n%s\ns2,,toys,\n", "line 3: accessed_at is ''"),
    "a time without offset": (
        b"%s\n%s\ns2,2026-03-01T09:00:00,toys,\n",
        "line 3: accessed_at is '2026-03-01T09:00:00'",
    ),
    "a day that is none": (b"%s\n%s\ns2,2026-02-30T09:00:00Z,toys,\n", "line 3: accessed_at is '2026-02-30T09:00:00Z'"),
    "an instant before year 1": (b"%s\n%s\ns2,0001-01-01T00:00:00+09:00,toys,\n", "line 3: accessed_at is '0001"),
    "a day before the first partition": (
        b"%s\n%s\ns2,2011-12-31T23:59:59Z,toys,\n",
        "line 3: accessed_at is on 2011-12-31; days go from 2012-01-01",
    ),
    "a day to come": (b"%s\n%s\ns2,2999-01-01T00:00:00Z,toys,\n", "line 3: accessed_at is on 2999-01-01; days"),
    "too few fields": (b"%s\n%s\ns2,2026-03-01T09:00:00Z,toys\n", "line 3: 3 fields where the header has 4"),
    "too many fields": (b"%s\n%s\ns2,2026-03-01T09:00:00Z,toys,a,b\n", "line 3: 5 fields where the header has 4"),
    "no campaign": (b"%s\n%s\ns2,2026-03-01T09:00:00Z,,a\n", "line 3: campaign is empty"),
    "text after a quote": (b'%s\n%s\ns2,2026-03-01T09:00:00Z,toys,"a"b\n', "line 3: not CSV"),
    "a quote left open": (b'%s\n%s\ns2,2026-03-01T09:00:00Z,toys,"a\nb\nc\n', "line 3: not CSV"),
    "bytes that are not UTF-8": (b"%s\n%s\ns2,2026-03-01T09:00:00Z,toys,\xb0\xa1\n", "line 3: not UTF-8"),
    "a NUL": (b"%s\n%s\ns2,2026-03-01T09:00:00Z,toys,a\x00b\n", "line 3: utm_source holds a NUL"),
    "a bad line after a long field": (b'%s\ns1,2026-03-01T09:00:00Z,toys,"a\nb"\ns2\n', "line 4: 1 fields"),
}
BAD_ENTRIES: dict[str, tuple[bytes, str]] = {
    "an entry twice": (
        b"1,2026-03-01T09:00:00Z,toys\n2,2026-03-01T09:00:00Z,toys\n1,2026-03-02T09:00:00Z,toys\n",
        "line 4: entry_id '1' is already on line 2",
    ),
    "an entry without id": (b",2026-03-01T09:00:00Z,toys\n", "line 2: entry_id is empty"),
}


@pytest.fixture
def url(database: Database) -> str:
    return database.url.set(drivername="postgresql").render_as_string(hide_password=False)


def file_of(folder: Path, name: str, *lines: str) -> Path:
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / name


def rows(url: str, statement: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


@pytest.mark.parametrize(("content", "message"), BAD_VISITS.values(), ids=BAD_VISITS)
def test_a_bad_line_names_file_and_line_and_nothing_is_loaded(
    database: Database, url: str, tmp_path: Path, content: bytes, message: str
) -> None:
    before = contents(url)
    bad = tmp_path / "bad.csv"
    bad.write_bytes(content.replace(b"%s", VISITS.encode(), 1).replace(b"%s", GOOD.encode(), 1))
    entries = file_of(tmp_path, "entries.csv", ENTRIES, "1,2026-03-01T09:00:00Z,toys")
    with pytest.raises(InvalidInput) as refused:
        import_facts(database, "Shop", bad, entries)
    assert str(refused.value).startswith(f"{bad}, {message}")
    assert "\n" not in str(refused.value)
    assert contents(url) == before


@pytest.mark.parametrize(("content", "message"), BAD_ENTRIES.values(), ids=BAD_ENTRIES)
def test_after_a_bad_entry_no_visit_is_loaded_either(
    database: Database, url: str, tmp_path: Path, content: bytes, message: str
) -> None:
    before = contents(url)
    bad = tmp_path / "entries.csv"
    bad.write_bytes(ENTRIES.encode() + b"\n" + content)
    with pytest.raises(InvalidInput) as refused:
        import_facts(database, "Shop", file_of(tmp_path, "visits.csv", VISITS, GOOD), bad)
    assert str(refused.value).startswith(f"{bad}, {message}")
    assert contents(url) == before


def test_the_same_files_again_add_nothing_and_change_nothing(database: Database, url: str, tmp_path: Path) -> None:
    visits = file_of(
        tmp_path, "visits.csv", VISITS, GOOD, GOOD, ",2026-03-01T09:00:00Z,toys,", "s2,2026-03-01T09:00:00+09:00,more,"
    )
    entries = file_of(tmp_path, "entries.csv", ENTRIES, "1,2026-03-01T09:00:00Z,toys", "1,2026-03-01T09:00:00Z,more")
    # Equal page views of one file are separate facts; an entry id counts once in each campaign.
    assert import_facts(database, "Shop", visits, entries) == Imported(4, 4, 2, 2)
    before = contents(url)
    assert import_facts(database, "Shop", visits, entries) == Imported(4, 0, 2, 0)
    assert contents(url) == before


def test_a_later_file_with_more_rows_adds_the_new_ones_only(database: Database, url: str, tmp_path: Path) -> None:
    first = file_of(tmp_path, "one.csv", VISITS, GOOD)
    # Another order, other columns, the same instant in another notation, a third equal page view.
    later = file_of(
        tmp_path,
        "two.csv",
        "utm_source,campaign,accessed_at,session_id,remark",
        "naver,toys,2026-03-02T00:00:00Z,s9,new",
        "gsearch,toys,2026-03-01T18:00:00+09:00,s1,the same as before",
        "gsearch,toys,20260301T090000Z,s1,a second one",
    )
    import_facts(database, "Shop", first)
    known = rows(url, "SELECT id, xmin FROM event_access_logs")
    assert import_facts(database, "Shop", later) == Imported(3, 2, 0, 0)
    assert set(known) <= set(rows(url, "SELECT id, xmin FROM event_access_logs"))
    assert rows(url, "SELECT session_id, count(*) FROM event_access_logs GROUP BY 1 ORDER BY 1") == [
        ("s1", 2),
        ("s9", 1),
    ]


@pytest.mark.parametrize(
    "time",
    ["2026-03-01T08:30:00.5Z", "2026-03-01T08:30:00,500Z", "2026-W09-7T08:30:00.5Z", "20260301T173000.5+0900",
     "2026-03-02T08:00:00.500000+23:30", "2026-03-01 08:30:00.5+00:00"],
)  # fmt: skip
def test_every_iso_8601_notation_of_an_instant_is_that_instant(
    database: Database, url: str, tmp_path: Path, time: str
) -> None:
    visits = file_of(tmp_path, "visits.csv", VISITS, f's1,"{time}",toys,')
    import_facts(database, "Shop", visits)
    assert rows(
        url, "SELECT to_char(accessed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS') FROM event_access_logs"
    ) == [("2026-03-01 08:30:00.500",)]


def test_an_empty_field_is_an_absent_value_and_text_is_not_changed(
    database: Database, url: str, tmp_path: Path
) -> None:
    sources = ["", "봄|행사 🎈", 'a "b", c', "\\N", "line\nbreak", " padded "]
    visits = file_of(
        tmp_path, "visits.csv", "\ufeff" + VISITS, *(
            f'{number},2026-03-01T09:00:00Z,toys,"{source.replace(chr(34), chr(34) * 2)}"'
            for number, source in enumerate(sources)
        ),
    )  # fmt: skip
    import_facts(database, "Shop", visits)
    found = rows(url, "SELECT utm_source FROM event_access_logs ORDER BY session_id")
    assert [source for (source,) in found] == [None, *sources[1:]]


def test_campaigns_are_created_once_under_the_named_client(database: Database, url: str, tmp_path: Path) -> None:
    visits = file_of(tmp_path, "visits.csv", VISITS, GOOD, "s2,2026-03-01T09:00:00Z,books,")
    entries = file_of(tmp_path, "entries.csv", ENTRIES, "1,2026-03-01T09:00:00Z,toys", "2,2026-03-01T09:00:00Z,games")
    import_facts(database, "Shop", visits, entries)
    import_facts(database, "Shop", visits)
    # The same campaign names under another client are other campaigns, and their facts other facts.
    assert import_facts(database, "Rival", visits) == Imported(2, 2, 0, 0)
    campaigns = rows(
        url,
        "SELECT k.name, c.public_path FROM event_survey_campaigns AS c JOIN clients AS k ON k.id = c.client_id "
        "ORDER BY 1, 2",
    )
    assert campaigns == [("Rival", "books"), ("Rival", "toys"), ("Shop", "books"), ("Shop", "games"), ("Shop", "toys")]
    assert rows(url, "SELECT count(*) FROM clients") == [(2,)]


def test_a_client_name_that_two_clients_have_is_refused(database: Database, url: str, tmp_path: Path) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO clients (name) VALUES ('Shop'), ('Shop')")
    before = contents(url)
    for name, message in (("Shop", "2 clients are named 'Shop'"), (" ", "the client's name is empty")):
        with pytest.raises(InvalidInput, match=message):
            import_facts(database, name, file_of(tmp_path, "visits.csv", VISITS, GOOD))
    assert contents(url) == before


def test_survey_numbers_continue_from_the_last_one_and_codes_do_not_repeat(
    database: Database, url: str, tmp_path: Path
) -> None:
    import_facts(database, "Shop", None, file_of(tmp_path, "one.csv", ENTRIES, *(
        f"{number},2026-03-01T09:00:00Z,toys" for number in (7, 3)
    )))  # fmt: skip
    with psycopg.connect(url) as connection:
        connection.execute(
            "UPDATE event_survey_entries SET survey_no = 999999, code6 = '999999' WHERE phone_norm = 'import:3'"
        )
    import_facts(database, "Shop", None, file_of(tmp_path, "two.csv", ENTRIES, *(
        f"{number},2026-03-01T09:00:00Z,toys" for number in (7, 3, 8, 9, 10)
    )))  # fmt: skip
    assert rows(url, "SELECT phone_norm, survey_no, code6 FROM event_survey_entries ORDER BY survey_no") == [
        ("import:7", 1, "000001"),
        ("import:3", 999_999, "999999"),
        ("import:8", 1_000_000, "1000000"),
        ("import:9", 1_000_001, "1000001"),
        ("import:10", 1_000_002, "1000002"),
    ]
