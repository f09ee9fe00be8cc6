"""status: every line and exit code, on a ledger made old by hand and beside transactions really left open."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from psycopg import sql

from eventflow_stats.engine.database import Database
from eventflow_stats.engine.detect import detect
from eventflow_stats.engine.prove import prove
from eventflow_stats.engine.rebuild import rebuild
from eventflow_stats.engine.refresh import refresh
from eventflow_stats.engine.upkeep import record_tick
from eventflow_stats_tests.cli.conftest import Call
from eventflow_stats_tests.facts import Product, Visit, connect

DAY, NEXT = date(2026, 3, 1), date(2026, 3, 2)
LEDGER_OLDER = "UPDATE eventflow_stats.upkeep SET detected_at = detected_at - %s, ticked_at = ticked_at - %s"


class Shop:
    """A client with two days, computed and proved; the schedule never ran."""

    def __init__(self, database: Database, product: Product, call: Call, own: dict[str, str]) -> None:
        self.database, self.product, self.connection = database, product, product.connection
        self.call, self.own = call, own
        self.campaign = product.campaign(product.client())
        product.add(*(self.visit(day) for day in (DAY, NEXT)))
        # The row counters would count the campaign later, as a change.
        self.connection.execute("SELECT pg_stat_force_next_flush()")
        list(rebuild(database, [DAY, NEXT]))
        list(prove(database, [DAY, NEXT]))

    def visit(self, day: date, session: str = "a") -> Visit:
        return Visit(
            at=datetime(day.year, day.month, day.day, 12, tzinfo=UTC),
            ingested_at=datetime.now(UTC),
            campaign_id=self.campaign,
            session_id=session,
        )

    def tick(self, ago: timedelta = timedelta(0)) -> None:
        """What a tick leaves behind that found nothing to do, so long ago."""
        detect(self.database)
        record_tick(self.database, datetime.now(UTC), "Nothing to refresh.")
        self.connection.execute(LEDGER_OLDER, [ago, ago])

    def dirty(self, ago: timedelta, *days: date) -> None:
        """New facts of these days, found so long ago and not refreshed since."""
        self.product.add(*(self.visit(day, "late") for day in days))
        detect(self.database)
        self.connection.execute(
            "UPDATE eventflow_stats.scopes SET dirty_since = dirty_since - %s, dirty_from = dirty_from - %s "
            "WHERE bucket_date = ANY(%s)",
            [ago, ago, list(days)],
        )

    def status(self, *words: str, **settings: str) -> tuple[int, str]:
        code, out, err = self.call("status", *words, **self.own, **settings)
        assert err == ""
        return code, out

    def told(self, **settings: str) -> tuple[int, dict[str, str], str]:
        """Exit code, the lines by their names, and the verdict."""
        code, out = self.status(**settings)
        lines = out.splitlines()
        assert [line for line in lines[1:-1] if not line.startswith("  ")] == [
            "Freshness",
            "Dirty scopes",
            "Proof",
            "Assumptions",
            "Hold-back",
        ]
        return code, {line[2:26].strip(): line[26:] for line in lines if line.startswith("  ")}, lines[-1]

    def answered(self) -> tuple[int, dict[str, Any]]:
        code, out = self.status("--json")
        return code, json.loads(out)


@pytest.fixture
def shop(database: Database, call: Call, own: dict[str, str]) -> Iterator[Shop]:
    with connect(database) as connection:
        yield Shop(database, Product(connection), call, own)


def test_where_the_schedule_never_ran_what_is_computed_and_proved_is_right(shop: Shop) -> None:
    code, lines, verdict = shop.told()

    assert code == 0
    assert lines["in the rollup"] == "never looked for new facts"
    assert lines["last look"] == lines["last tick"] == "never"
    assert lines["days"] == "2 computed, 2026-03-01 to 2026-03-02"
    assert lines[""] == "2 proved since, 0 not yet, 0 stale, 0 wrong"
    assert lines["all hold"].startswith("same table, ")
    assert (lines["none"], lines["open discrepancies"], lines["facts of no client"]) == ("", "none", "0")
    assert verdict == (
        "right: 2 days computed, nothing known wrong; the schedule never ran here, so nobody looks for new facts "
        "(eventflow-stats up)"
    )


def test_where_the_schedule_never_ran_whatever_waits_for_it_is_wrong_at_once(shop: Shop) -> None:
    shop.dirty(timedelta(0), DAY)
    list(rebuild(shop.database, [NEXT]))

    code, _, verdict = shop.told()

    assert code == 1
    assert "1 scope dirty, for up to " in verdict
    assert "1 day computed and not proved since (eventflow-stats backfill --from 2026-03-01" in verdict
    assert verdict.endswith("--to 2026-03-02 --missing)")


def test_scopes_that_a_proof_found_stale_are_told_apart_from_their_reason(shop: Shop) -> None:
    shop.product.delete(list(shop.product.world.visits.values())[:1])
    list(prove(shop.database, [DAY]))

    assert shop.told()[1]["found stale by a proof"].startswith("1 scope on 1 day, for ")


def test_a_database_where_nothing_was_computed_is_not_right(call: Call, own: dict[str, str]) -> None:
    code, out, _ = call("status", **own)

    assert code == 1
    assert out.splitlines()[-1] == "not right: no day was computed yet (run `eventflow-stats up`, or `backfill`)"


def test_after_a_tick_it_is_right_and_says_when_and_what_the_tick_did(shop: Shop) -> None:
    shop.tick(timedelta(minutes=4))

    code, lines, verdict = shop.told()
    answer = shop.answered()[1]

    assert (code, verdict) == (0, "right: 2 days computed, nothing known wrong")
    assert lines["in the rollup"] == "facts committed before 4 minutes ago"
    assert lines["last look"] == "4 minutes ago"
    assert lines["last tick"] == "4 minutes ago: Nothing to refresh."
    assert answer["last_tick"]["outcome"] == "Nothing to refresh."
    assert 240 <= answer["freshness"]["age_seconds"] < 600


@pytest.mark.parametrize(
    ("minutes", "code", "told"),
    [
        (9, 0, "right: 2 days computed, nothing known wrong"),
        (11, 0, "; watch: facts of the last 11 minutes are not all in yet (an alarm from 30 minutes on)"),
        (31, 1, "not right: no look for new facts for 31 minutes (is the daemon running, and the schedule"),
    ],
)
def test_the_age_of_the_last_look_is_right_then_watched_then_wrong(
    shop: Shop, minutes: int, code: int, told: str
) -> None:
    shop.tick(timedelta(minutes=minutes))

    assert told in shop.told()[2]
    assert shop.told()[0] == code


def test_dirty_scopes_are_told_by_reason_and_age_and_wrong_after_thirty_minutes(shop: Shop) -> None:
    shop.dirty(timedelta(minutes=12), DAY, NEXT)
    shop.tick()
    code, lines, _ = shop.told()
    assert (code, lines["new facts"]) == (0, "2 scopes on 2 days, for 12 minutes")

    shop.dirty(timedelta(minutes=19), DAY)
    code, lines, verdict = shop.told()
    (dirty,) = shop.answered()[1]["dirty"]

    assert (code, lines["new facts"]) == (1, "2 scopes on 2 days, for 31 minutes")
    assert verdict == (
        "not right: 2 scopes dirty, for up to 31 minutes (why do the runs in the UI fail? by hand: "
        "eventflow-stats backfill --from 2026-03-01 --to 2026-03-02)"
    )
    assert {name: dirty[name] for name in ("reach", "reason", "scopes", "days", "first_day", "last_day")} == {
        "reach": "due",
        "reason": "new facts",
        "scopes": 2,
        "days": 2,
        "first_day": "2026-03-01",
        "last_day": "2026-03-02",
    }
    assert 1860 <= dirty["oldest_age_seconds"] < 2200


def test_facts_found_after_a_pause_are_wrong_until_they_are_in(shop: Shop) -> None:
    shop.tick(timedelta(minutes=180))
    shop.connection.execute("UPDATE eventflow_stats.scopes SET computed_at = computed_at - interval '4 h'")
    shop.dirty(timedelta(0), DAY)

    code, lines, verdict = shop.told()

    assert code == 1
    assert lines["last look"].endswith(" s ago")
    assert lines["in the rollup"] == "facts committed before 3.0 hours ago"
    assert verdict == (
        "not right: facts of the last 3.0 hours are not all in (found after a pause: the next runs bring them in)"
    )
    list(refresh(shop.database, [DAY]))
    list(prove(shop.database, [DAY]))
    assert shop.told()[0] == 0


def test_dirty_scopes_that_no_run_can_reach_are_told_apart_and_alarm_nobody(shop: Shop) -> None:
    shop.dirty(timedelta(days=4), date(1999, 12, 31), datetime.now(UTC).date() + timedelta(days=9))
    shop.tick()

    code, out = shop.status()

    assert code == 0
    assert "1 scope on 1 day, for 4.0 days; before the start date 2012-01-01, out of reach" in out
    assert "1 scope on 1 day, for 4.0 days; in the future, waiting for the day" in out
    assert sorted(dirty["reach"] for dirty in shop.answered()[1]["dirty"]) == ["future", "past"]


def test_open_discrepancies_are_named_by_day_with_the_command_that_repairs_them(shop: Shop) -> None:
    shop.connection.execute("UPDATE marketing_stats_daily SET visits = visits + 1")
    list(prove(shop.database, [DAY, NEXT]))

    code, lines, verdict = shop.told()

    assert (code, lines["open discrepancies"]) == (1, "1 on 2026-03-01, 1 on 2026-03-02")
    assert lines[""] == "0 proved since, 0 not yet, 0 stale, 2 wrong"
    assert verdict == (
        "not right: 2 wrong groups on 2026-03-01, 2026-03-02 "
        "(repair: eventflow-stats backfill --from 2026-03-01 --to 2026-03-02)"
    )
    assert shop.answered()[1]["open_discrepancies"] == [
        {"day": "2026-03-01", "groups": 1},
        {"day": "2026-03-02", "groups": 1},
    ]


def test_a_day_wrong_by_its_last_proof_stays_wrong_until_it_is_proved_again(shop: Shop) -> None:
    shop.connection.execute("UPDATE marketing_stats_daily SET visits = visits + 1 WHERE bucket_date = %s", [DAY])
    list(prove(shop.database, [DAY]))
    list(rebuild(shop.database, [DAY], list(shop.product.world.clients)))
    shop.tick()

    code, _, verdict = shop.told()

    assert (code, verdict) == (
        1,
        "not right: 1 day wrong by the last proof "
        "(eventflow-stats backfill --from 2026-03-01 --to 2026-03-02 --missing)",
    )


def test_the_oldest_whole_proof_is_named_and_wrong_beyond_the_limit(shop: Shop) -> None:
    shop.connection.execute(
        "UPDATE eventflow_stats.days SET whole_proved_at = whole_proved_at - %s WHERE bucket_date = %s",
        [timedelta(hours=25), NEXT],
    )

    code, lines, verdict = shop.told()

    assert code == 1
    assert lines["oldest whole proof"] == "25.0 hours ago, 2026-03-02 (limit 24 hours)"
    assert verdict == (
        "not right: 2026-03-02 not proved whole for 25.0 hours (is the schedule rolling_proof on? "
        "by hand: eventflow-stats verify --from 2026-03-01 --to 2026-03-02)"
    )
    assert shop.told(EVENTFLOW_MAX_DRIFT_AGE="26")[0] == 0


def test_changed_rows_are_watched_until_the_sweeps_should_have_found_them_and_then_wrong(shop: Shop) -> None:
    shop.tick()
    assert shop.told()[1]["changed rows"] == "none that the sweeps have not looked for"
    shop.product.delete(list(shop.product.world.visits.values())[:1])
    shop.connection.execute("SELECT pg_stat_force_next_flush()")

    code, lines, verdict = shop.told()
    _, answer = shop.answered()
    assert code == 0
    assert lines["changed rows"].startswith("1 row of the product changed in the last ")
    assert "right: 2 days computed, nothing known wrong; watch: 1 row of the product changed in the last " in verdict
    assert verdict.endswith(" UTC at the latest (an alarm if later)")
    assert answer["unswept_changes"]["changed_rows"] == 1
    assert answer["unswept_changes"]["since"] < answer["at"] < answer["unswept_changes"]["found_by"]

    shop.tick()
    shop.connection.execute("UPDATE eventflow_stats.unswept_changes SET found_by = now()")
    code, _, verdict = shop.told()
    assert code == 1
    assert verdict.startswith("not right: 1 row of the product changed in the last ")
    assert "; the sweeps should have looked at every day by " in verdict
    assert verdict.endswith("by hand: eventflow-stats verify --from 2026-03-01 --to 2026-03-02)")

    assert shop.call("verify", "--from", str(DAY), "--to", str(NEXT), **shop.own)[0] == 1, "the day is stale"
    assert "changed in the last" not in shop.told()[2]
    assert shop.answered()[1]["unswept_changes"] is None


def test_facts_of_no_client_are_told_and_no_alarm(shop: Shop) -> None:
    shop.product.add(
        Visit(at=datetime(2026, 3, 1, 12, tzinfo=UTC), webinar_id=shop.product.webinar(None), session_id="x")
    )
    list(rebuild(shop.database, [DAY]))
    list(prove(shop.database, [DAY]))

    code, lines, verdict = shop.told()

    assert (code, lines["facts of no client"]) == (0, "1")
    assert verdict.endswith("; 1 fact of no client, in no number")


def test_an_open_transaction_is_named_and_watched_once_detection_no_longer_looks_back_that_far(shop: Shop) -> None:
    shop.tick()
    with connect(shop.database) as slow, slow.transaction():
        pid = slow.info.backend_pid
        slow.execute("SET application_name = 'slow import'")
        shop.product.add(shop.visit(DAY, "in the meantime"), shop.visit(NEXT, "in the meantime"))
        list(rebuild(shop.database, [DAY, NEXT]))
        code, lines, verdict = shop.told()
        late, _, late_verdict = shop.told(EVENTFLOW_DETECTION_OVERLAP="0.001")
        _, answer = shop.answered()
    assert (code, verdict) == (0, "right: 2 days computed, nothing known wrong")
    assert lines["open transactions"].startswith("1, the oldest for ")
    assert f"pid {pid}, postgres, slow import, idle in transaction" in lines["open transactions"]
    assert lines["prepared transactions"] == "none"

    assert late == 0, "facts that commit late are found later: no alarm"
    assert "; watch: 1 transaction not ended for up to " in late_verdict
    assert "what they commit is found by the sweep and the rolling proof alone; end them, oldest: pid " in late_verdict

    (transaction,) = answer["hold_back"]["transactions"]
    assert (transaction["kind"], transaction["name"]) == ("open", str(pid))
    assert transaction["age_seconds"] > 0
    assert shop.told()[1]["open transactions"] == "none"


def test_a_prepared_transaction_is_named_and_holds_ids_back(shop: Shop) -> None:
    shop.tick()
    with connect(shop.database) as two_phase:
        two_phase.autocommit = False
        two_phase.tpc_begin(two_phase.xid(1, "shop", "fact"))
        two_phase.execute(
            "INSERT INTO event_access_logs (campaign_id, session_id) VALUES (%s, 'prepared')", [shop.campaign]
        )
        two_phase.tpc_prepare()
        for number in range(3):
            shop.product.add(shop.visit(DAY, f"after it {number}"))
        _, lines, _ = shop.told()
        _, answer = shop.answered()
        two_phase.tpc_rollback()
    assert lines["prepared transactions"].startswith("1, the oldest for ")
    assert lines["prepared transactions"].endswith("postgres, prepared")
    (transaction,) = answer["hold_back"]["transactions"]
    assert (transaction["kind"], transaction["owner"]) == ("prepared", "postgres")
    assert answer["hold_back"]["held_back"] >= transaction["held_back"] >= 4
    assert shop.told()[1]["prepared transactions"] == "none"


def test_sessions_that_the_login_may_not_look_into_are_told(shop: Shop) -> None:
    name = f"monitor_{shop.database.url.database}"
    role = sql.Identifier(name)
    shop.connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
    shop.connection.execute(sql.SQL("GRANT eventflow_stats_engine TO {}").format(role))
    shop.connection.execute(sql.SQL("GRANT SELECT ON eventflow_stats.schema_version TO {}").format(role))
    url = shop.database.url.set(drivername="postgresql", username=name).render_as_string(hide_password=False)
    try:
        code, out, err = shop.call("status", **{**shop.own, "EVENTFLOW_DATABASE_URL": url})
    finally:
        shop.connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
        shop.connection.execute(sql.SQL("DROP ROLE {}").format(role))

    assert (code, err) == (0, "")
    assert "not visible             1 session of other users (GRANT pg_read_all_stats would show them)" in out


@pytest.mark.environment
def test_a_start_date_set_later_raises_no_alarm_for_days_that_no_command_may_touch(shop: Shop) -> None:
    shop.tick()
    shop.connection.execute(
        "UPDATE eventflow_stats.days SET whole_proved_at = whole_proved_at - interval '90 days', "
        "covered_at = covered_at - interval '90 days', proved_at = NULL WHERE bucket_date = %s",
        [DAY],
    )
    assert shop.told()[0] == 1

    code, lines, verdict = shop.told(EVENTFLOW_START_DATE=str(NEXT))

    assert (code, lines["days"]) == (0, f"1 computed, {NEXT} to {NEXT}")
    assert str(DAY) not in verdict


@pytest.mark.environment
def test_a_wrong_group_before_the_start_date_has_a_remedy_that_works(shop: Shop) -> None:
    shop.connection.execute("UPDATE marketing_stats_daily SET visits = visits + 1 WHERE bucket_date = %s", [DAY])
    list(prove(shop.database, [DAY]))

    _, _, verdict = shop.told(EVENTFLOW_START_DATE=str(NEXT))

    assert (
        f"set EVENTFLOW_START_DATE to {DAY} or earlier, then eventflow-stats backfill --from {DAY} --to {DAY}"
        in verdict
    )
