"""seal, accept-deletion and backfill --unseal: decisions of an operator, shown before they are carried out."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.sweep import sweep
from eventflow_stats.engine.verification.sealing import seal
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats_tests.cli.command import eventflow
from eventflow_stats_tests.cli.conftest import Call
from eventflow_stats_tests.engine.many_facts import DAY, NEXT_DAY, BusyShop
from eventflow_stats_tests.facts import connect


@pytest.fixture
def busy(database: Database) -> Iterator[BusyShop]:
    with connect(database) as connection:
        yield BusyShop(database, connection)


def test_status_reports_a_held_day_and_its_deletion_is_accepted_only_with_execute(
    busy: BusyShop, own: dict[str, str], call: Call, tmp_path: Path
) -> None:
    busy.delete_visits(0.75)
    list(sweep(busy.database, [DAY]))
    code, out, _ = call("status", **own)
    assert code == 1
    assert "1 day held: 2026-03-04, 1,500 of 2,000 visit rows disappeared" in out

    before = busy.rows()
    code, out, _ = call("accept-deletion", "--day", str(DAY), **own)
    assert (code, busy.rows()) == (0, before)
    assert out.splitlines() == [
        "2026-03-04: 1,500 of 2,000 visit rows disappeared",
        "nothing was changed; add --execute to rebuild from the facts that are left",
    ]
    code, _, err = call("accept-deletion", "--day", str(NEXT_DAY), "--execute", **own)
    assert (code, busy.rows()) == (2, before)
    assert err == "eventflow-stats: 2026-03-05 is not held, so there is nothing to accept; held days: 2026-03-04\n"

    done = eventflow(tmp_path, "accept-deletion", "--day", str(DAY), "--execute", **own)
    assert done.returncode == 0, done.stderr
    assert busy.one("SELECT sum(visits) FROM marketing_stats_daily WHERE bucket_date = %s", DAY) == 500
    assert "at the command line (Dagster run" in busy.one("SELECT decided_by FROM eventflow_stats.day_decisions")
    code, out, _ = call("status", **own)
    assert "held                           none" in out


@pytest.mark.slow
def test_days_are_sealed_and_unsealed_only_after_the_loss_was_shown(
    busy: BusyShop, own: dict[str, str], call: Call, tmp_path: Path
) -> None:
    code, out, _ = call("seal", "--before", str(NEXT_DAY), **own)
    assert (code, out) == (0, "1 day sealed before 2026-03-05\n")
    code, out, _ = call("seal", "--before", "2999-01-01", **own)
    assert code == 2
    busy.delete_visits(0.25)
    code, out, _ = call("verify", "--from", str(DAY), "--to", str(NEXT_DAY), **own)
    assert (code, "1 of 2 days verified, 1 sealed and unchanged since" in out) == (0, True)

    before = busy.rows()
    code, out, err = call("backfill", "--from", str(DAY), "--to", str(DAY), "--unseal", **own)
    assert (code, busy.rows()) == (0, before)
    assert "its facts give 1,500 visits and 200 conversions now: the difference would be lost" in " ".join(err.split())
    assert out == "nothing was changed; add --execute to unseal these days and lose the difference\n"

    skipped = eventflow(tmp_path, "backfill", "--from", str(DAY), "--to", str(DAY), "--json", **own)
    assert skipped.returncode == 0, skipped.stderr
    assert "1 day sealed" in json.loads(skipped.stdout)["runs"][0]["check"]
    assert busy.rows() == before

    done = eventflow(tmp_path, "backfill", "--from", str(DAY), "--to", str(DAY), "--unseal", "--execute", **own)
    assert done.returncode == 0, done.stderr
    assert busy.one("SELECT sum(visits) FROM marketing_stats_daily WHERE bucket_date = %s", DAY) == 1_500


def test_a_day_that_does_not_verify_is_named_and_not_sealed(busy: BusyShop, own: dict[str, str], call: Call) -> None:
    busy.connection.execute("UPDATE marketing_stats_daily SET visits = 1 WHERE bucket_date = %s", [DAY])
    code, out, _ = call("seal", "--before", str(NEXT_DAY), **own)
    assert code == 1
    assert out.splitlines()[0] == "2026-03-04: not sealed, it is wrong"


def doctor(call: Call, own: dict[str, str]) -> dict[str, tuple[str, str]]:
    """The states and texts of the doctor's lines about days."""
    _, out, _ = call("doctor", "--json", **own)
    found = {each["name"]: each for each in json.loads(out)["checks"]}
    names = ("held days", "sealed days", "trust")
    return {name: (found[name]["state"], f"{found[name]['found']} {found[name].get('remedy') or ''}") for name in names}


def test_status_and_doctor_report_held_and_sealed_days_each_once(
    busy: BusyShop, own: dict[str, str], call: Call
) -> None:
    list(seal(busy.database, [DAY], "Kim"))
    message = doctor(call, own)
    assert (message["held days"], message["sealed days"]) == (("ok", "none "), ("ok", f"1 day, before {NEXT_DAY} "))
    busy.truncate()
    list(sweep(busy.database, [DAY, NEXT_DAY]))

    code, out, _ = call("status", **own)
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert code == 1
    assert f"held {NEXT_DAY}" in lines
    assert f"sealed 1 day, before {NEXT_DAY}" in lines
    assert lines[-1].startswith(f"not right: 1 day held: {NEXT_DAY}, 2,000 of 2,000 visit rows")
    message = doctor(call, own)
    assert message["held days"][0] == "fail"
    assert f"1 day held: {NEXT_DAY}" in message["held days"][1]
    assert "accept-deletion" in message["held days"][1]
    assert message["sealed days"][0] == "ok"
    assert "held" not in message["trust"][1]

    busy.connection.execute("UPDATE marketing_stats_daily SET visits = 1 WHERE bucket_date = %s", [DAY])
    list(verify(busy.database, [DAY]))
    code, out, _ = call("status", **own)
    assert (code, f"rows of 1 sealed day were edited: {DAY}" in out.splitlines()[-1]) == (1, True)
    code, out, _ = call("status", "--json", **own)
    answer = json.loads(out)
    assert answer["sealed"]["edited_days"] == [str(DAY)]
    assert [hold["day"] for hold in answer["held"]] == [str(NEXT_DAY)]
    message = doctor(call, own)
    assert message["trust"][0] == "fail"
    assert f"rows of 1 sealed day were edited: {DAY}" in message["trust"][1]
    assert "restore its rows" in message["trust"][1]


def test_status_and_doctor_report_facts_that_arrived_for_a_sealed_day(
    busy: BusyShop, own: dict[str, str], call: Call
) -> None:
    list(seal(busy.database, [DAY], "Kim"))
    busy.connection.execute(
        "INSERT INTO event_access_logs (campaign_id, session_id, accessed_at, created_at) "
        "VALUES (%s, 'x', %s, now() + interval '1 second')",
        [busy.campaigns[busy.small], DAY],
    )
    detect(busy.database)

    _, out, _ = call("status", **own)
    assert f"1 fact arrived for sealed days and are in no number: {DAY}" in out.splitlines()[-1]
    state, message = doctor(call, own)["sealed days"]
    assert (state, "--unseal" in message) == ("warn", True)
