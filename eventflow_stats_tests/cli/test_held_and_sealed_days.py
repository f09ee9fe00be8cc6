"""seal, accept-deletion and backfill --unseal: what a person decides of days, shown before it is done."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.sweep import sweep
from eventflow_stats_tests.cli.command import eventflow
from eventflow_stats_tests.cli.conftest import Call
from eventflow_stats_tests.engine.many_facts import DAY, NEXT_DAY, BusyShop
from eventflow_stats_tests.facts import connect


@pytest.fixture
def busy(database: Database) -> Iterator[BusyShop]:
    with connect(database) as connection:
        yield BusyShop(database, connection)


def test_a_held_day_is_reported_by_status_and_accepted_only_when_reported_to(
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
    assert "held                    none" in out


def test_days_are_sealed_and_unsealed_only_where_the_loss_was_shown(
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
    assert out == "nothing was changed; add --execute to unseal these days all the same\n"

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
