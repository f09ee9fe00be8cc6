"""Bad input: one clear line, the right exit code, nothing changed."""

import socket
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from eventflow_stats_tests.cli.command import contents, eventflow, one_line
from eventflow_stats_tests.cli.conftest import Call
from eventflow_stats_tests.conftest import Cluster

MISUSED, REFUSED = 2, 3

WRONG_CALLS = {
    "a date that is none": (["verify", "--from", "2026-02-30"], "'2026-02-30' is no date"),
    "a word for a date": (["backfill", "--from", "today", "--to", "2026-01-01"], "'today' is no date"),
    "a range without its end": (["backfill", "--from", "2026-01-01"], "Missing option '--to'"),
    "from after to": (["verify", "--from", "2026-01-02", "--to", "2026-01-01"], "--from 2026-01-02 is after --to"),
    "backfill from after to": (["backfill", "--from", "2026-01-02", "--to", "2026-01-01"], "swap them"),
    "before the start date": (
        ["backfill", "--from", "2011-12-31", "--to", "2012-01-01"],
        "2011-12-31 has no partition",
    ),
    "in the future": (["backfill", "--from", "2026-01-01", "--to", "2999-01-01"], "2999-01-01 has no partition"),
    "verify in the future": (["verify", "--from", "2999-01-01"], "2999-01-01 has no partition"),
    "verify before the start": (["verify", "--from", "0001-01-01"], "0001-01-01 has no partition"),
    "an unknown client": (["verify", "--client", "Nobody"], "client 'Nobody' is unknown"),
    "backfill of an unknown client": (
        ["backfill", "--from", "2026-01-01", "--to", "2026-01-02", "--client", "Nobody"],
        "client 'Nobody' is unknown",
    ),
    "a report of another kind": (["verify", "--report", "report.pdf"], "a report is .html, .md or .csv"),
    "a sample of nothing": (["verify", "--sample", "0"], "0 is not in the range"),
    "a seed without a sample": (["verify", "--seed", "1"], "add --sample N"),
    "nothing to import": (["import"], "nothing to import"),
    "a missing file": (["import", "--visits", "nowhere.csv"], "'nowhere.csv' does not exist"),
    "a folder for a file": (["import", "--visits", "."], "'.' is a directory"),
    "no visits": (["sample", "--visits", "0"], "--visits is 0"),
    "more days than there are": (["sample", "--days", "999999999"], "--days is 999999999"),
    "no number": (["sample", "--visits", "many"], "'many' is not a valid integer"),
    "a word that is no UTF-8": (["verify", "--client", "\udcff"], r"'\udcff' is no text in UTF-8"),
    "no port": (["up", "--port", "70000"], "70000 is not in the range"),
    "an unknown command": (["roll-up"], "No such command 'roll-up'"),
    "an unknown option": (["status", "--verbose"], "No such option '--verbose'"),
}

WRONG_SETTINGS = {
    "another scheme": ({"EVENTFLOW_DATABASE_URL": "mysql://me:secret@host/db"}, "postgresql://USER:PASSWORD@HOST"),
    "no database": ({"EVENTFLOW_DATABASE_URL": "postgresql://me:secret@host"}, "postgresql://USER:PASSWORD@HOST"),
    "a port that is none": ({"EVENTFLOW_DATABASE_URL": "postgresql://me:secret@host:port/db"}, "HOST:PORT"),
    "a slash in the password": ({"EVENTFLOW_DATABASE_URL": "postgresql://me:x@y/secret@host/db"}, "percent-encoded"),
    "a hash in the password": ({"EVENTFLOW_DATABASE_URL": "postgresql://me:sec#ret@host/db"}, "percent-encoded"),
    "an unknown option": (
        {"EVENTFLOW_DATABASE_URL": "postgresql://me:secret@127.0.0.1:1/db?colour=red"},
        'invalid connection option "colour"',
    ),
    "a closed port": ({"EVENTFLOW_DATABASE_URL": "postgresql://me:secret@127.0.0.1:1/db"}, "Connection refused"),
    "an unknown host": ({"EVENTFLOW_DATABASE_URL": "postgresql://me:secret@db.invalid/db"}, "no connection to"),
    "an unknown time zone": ({"EVENTFLOW_BUCKET_TIMEZONE": "Mars/Base"}, "IANA time zone"),
    "no memory size": ({"EVENTFLOW_WORK_MEM": "lots"}, "memory size such as 256MB"),
    "less memory than PostgreSQL takes": ({"EVENTFLOW_WORK_MEM": "1kB"}, "from 64kB"),
    "a start that is no date": ({"EVENTFLOW_START_DATE": "soon"}, "EVENTFLOW_START_DATE is 'soon'"),
    "a webhook of another scheme": ({"EVENTFLOW_ALERT_WEBHOOK": "ftp://hooks.example/secret"}, "should be https://"),
    "a webhook without a host": ({"EVENTFLOW_ALERT_WEBHOOK": "https:///secret"}, "should be https://HOST/PATH"),
    "a webhook with a space": ({"EVENTFLOW_ALERT_WEBHOOK": "https://hooks.example/ secret"}, "should be https://"),
    "a webhook with a port that is none": ({"EVENTFLOW_ALERT_WEBHOOK": "https://hooks:secret/"}, "should be https://"),
    "no tick at all": ({"EVENTFLOW_TICK_MINUTES": "0"}, "EVENTFLOW_TICK_MINUTES is '0'"),
    "ticks rarer than fresh": ({"EVENTFLOW_TICK_MINUTES": "6"}, "less than or equal to 5"),
    "a cron for minutes": ({"EVENTFLOW_TICK_MINUTES": "*/2 * * * *"}, "should be a valid integer"),
    "a sensor without pause": ({"EVENTFLOW_SENSOR_SECONDS": "1"}, "greater than or equal to 5"),
    "a timeout that PostgreSQL would take for none": ({"EVENTFLOW_STATEMENT_TIMEOUT": "0.0001"}, "equal to 0.001"),
    "a wait without end": ({"EVENTFLOW_LOCK_TIMEOUT": "inf"}, "less than or equal to 604800"),
    "an age that no calendar has": ({"EVENTFLOW_MAX_DRIFT_AGE": "1e12"}, "less than or equal to 8760"),
    "facts kept for ever": ({"EVENTFLOW_FACTS_KEPT_DAYS": "1000000000"}, "less than or equal to 36500"),
    "a goal above all there is": ({"EVENTFLOW_MIN_LINKAGE_RATE": "101"}, "less than or equal to 100"),
    "a goal that is no number": ({"EVENTFLOW_MAX_UNKNOWN_RATE": "nan"}, "EVENTFLOW_MAX_UNKNOWN_RATE is 'nan'"),
    "a timeout of nothing": ({"EVENTFLOW_LOCK_TIMEOUT": "0"}, "EVENTFLOW_LOCK_TIMEOUT is '0'"),
}


@pytest.mark.parametrize(("words", "message"), WRONG_CALLS.values(), ids=WRONG_CALLS)
def test_a_wrong_call_is_reported_in_one_line_and_changes_nothing(
    call: Call, own: dict[str, str], words: list[str], message: str
) -> None:
    before = contents(own["EVENTFLOW_DATABASE_URL"])
    code, out, err = call(*words, **own)
    assert message in one_line(err)
    assert (code, out) == (MISUSED, "")
    assert contents(own["EVENTFLOW_DATABASE_URL"]) == before


@pytest.mark.parametrize(("settings", "message"), WRONG_SETTINGS.values(), ids=WRONG_SETTINGS)
def test_a_wrong_setting_is_reported_in_one_line_without_its_secrets(
    call: Call, tmp_path: Path, settings: dict[str, str], message: str
) -> None:
    code, out, err = call("status", **settings)
    assert message in one_line(err)
    assert "secret" not in err
    assert (code, out) == (REFUSED, "")
    # Not even an embedded server was made.
    assert not (tmp_path / "eventflow").exists()


def test_the_process_itself_ends_with_that_line_and_code(tmp_path: Path) -> None:
    misused = eventflow(tmp_path, "verify", "--from", "2026-02-30")
    refused = eventflow(tmp_path, "status", EVENTFLOW_DATABASE_URL="postgresql://me:secret@host:port/db")
    for done, code in ((misused, MISUSED), (refused, REFUSED)):
        one_line(done.stderr)
        assert (done.returncode, done.stdout) == (code, "")
    assert not list(tmp_path.iterdir())


def test_a_database_without_the_product_tables_is_refused_and_stays_empty(call: Call, cluster: Cluster) -> None:
    url = cluster.create()
    for words in (["migrate"], ["import", "--visits", __file__], ["sample"]):
        code, _, err = call(*words, EVENTFLOW_DATABASE_URL=url)
        assert (code, "lacks EventFlow's product tables" in one_line(err)) == (REFUSED, True)
    for words in (["status"], ["verify"], ["backfill", "--from", "2026-01-01", "--to", "2026-01-01"]):
        code, _, err = call(*words, EVENTFLOW_DATABASE_URL=url)
        assert (code, "is not migrated" in one_line(err)) == (REFUSED, True)
    assert contents(url) == {}
    cluster.drop(url)


@pytest.mark.parametrize("words", [["import", "--visits", __file__], ["sample", "--visits", "10"], ["demo"]])
def test_facts_never_go_into_a_database_that_is_not_of_our_laying(
    call: Call, own: dict[str, str], words: list[str]
) -> None:
    url = own["EVENTFLOW_DATABASE_URL"]
    with psycopg.connect(url) as connection:
        connection.execute("COMMENT ON SCHEMA auth IS NULL")
    before = contents(url)
    code, _, err = call(*words, **own)
    assert (code, "this database's facts are EventFlow's own" in one_line(err)) == (REFUSED, True)
    assert contents(url) == before


@pytest.mark.parametrize(
    "words",
    [
        ["migrate"],
        ["status"],
        ["verify"],
        ["sample", "--visits", "10"],
        ["backfill", "--from", "2026-01-01", "--to", "2026-01-01"],
    ],
    ids=lambda words: words[0],
)
def test_a_user_without_rights_is_refused(call: Call, own: dict[str, str], cluster: Cluster, words: list[str]) -> None:
    url = own["EVENTFLOW_DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP ROLE IF EXISTS stranger"))
        connection.execute(sql.SQL("CREATE ROLE stranger LOGIN"))
        before = contents(url)
        try:
            strange = {**own, "EVENTFLOW_DATABASE_URL": url.replace("//postgres:", "//stranger:")}
            code, out, err = call(*words, **strange)
        finally:
            connection.execute(sql.SQL("DROP ROLE stranger"))
    assert "permission denied" in one_line(err)
    assert (code, out) == (REFUSED, "")
    assert contents(url) == before


def test_a_bucket_time_zone_other_than_the_recorded_one_is_refused(
    call: Call, own: dict[str, str], tmp_path: Path
) -> None:
    visits = tmp_path / "visits.csv"
    visits.write_text("session_id,accessed_at,campaign\ns1,2026-03-01T09:00:00Z,toys\n")
    before = contents(own["EVENTFLOW_DATABASE_URL"])
    for words in (["status"], ["migrate"], ["verify"], ["import", "--visits", str(visits)], ["sample"]):
        code, _, err = call(*words, **own, EVENTFLOW_BUCKET_TIMEZONE="Asia/Seoul")
        assert "EVENTFLOW_BUCKET_TIMEZONE is 'Asia/Seoul', but this database was migrated with 'UTC'" in one_line(err)
        assert code == REFUSED
    assert contents(own["EVENTFLOW_DATABASE_URL"]) == before


def test_a_data_folder_that_cannot_be_written_is_refused(call: Call, tmp_path: Path) -> None:
    # A file in its place: root may write into any folder.
    (tmp_path / "taken").write_text("mine")
    for words in (["migrate"], ["status"], ["up"], ["demo"]):
        code, _, err = call(*words, EVENTFLOW_DATA_DIR=str(tmp_path / "taken"))
        assert (code, "set EVENTFLOW_DATA_DIR" in one_line(err)) == (REFUSED, True)
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_dagster_home_without_its_settings_is_refused(call: Call, own: dict[str, str], tmp_path: Path) -> None:
    for words in (["backfill", "--from", "2026-01-01", "--to", "2026-01-01"], ["up"]):
        code, _, err = call(*words, **own, DAGSTER_HOME=str(tmp_path))
        assert (code, "holds no dagster.yaml" in one_line(err)) == (REFUSED, True)
    assert contents(own["EVENTFLOW_DATABASE_URL"])["eventflow_stats.days"][0] == 0


def test_up_refuses_a_port_that_another_program_has(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = eventflow(tmp_path, "up", "--port", port)
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in one_line(done.stderr)
    assert done.returncode == REFUSED
    assert not (tmp_path / "data" / "postgres").exists()
