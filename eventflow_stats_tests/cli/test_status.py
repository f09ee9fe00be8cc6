"""status: every line and exit code, on a ledger made old by hand and beside transactions really left open."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from psycopg import sql

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.rollup.refresh import refresh
from eventflow_stats.engine.status.freshness import record_tick
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats_tests.cli.conftest import Call
from eventflow_stats_tests.facts import Product, Visit, connect

DAY, NEXT = date(2026, 3, 1), date(2026, 3, 2)
LEDGER_OLDER = "UPDATE eventflow_stats.progress SET detected_at = detected_at - %s, ticked_at = ticked_at - %s"


class Shop:
    """A client with two days, computed and verified; the schedule never ran."""

    def __init__(self, database: Database, product: Product, call: Call, own: dict[str, str]) -> None:
        self.database, self.product, self.connection = database, product, product.connection
        self.call, self.own = call, own
        self.campaign = product.campaign(product.client())
        product.add(*(self.visit(day) for day in (DAY, NEXT)))
        # The row counters would count the campaign later, as a change.
        self.connection.execute("SELECT pg_stat_force_next_flush()")
        list(rebuild(database, [DAY, NEXT]))
        list(verify(database, [DAY, NEXT]))

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

    def stale(self, ago: timedelta, *days: date) -> None:
        """New facts of these days, found so long ago and not refreshed since."""
        self.product.add(*(self.visit(day, "late") for day in days))
        detect(self.database)
        self.connection.execute(
            "UPDATE eventflow_stats.client_days SET stale_since = stale_since - %s, stale_from = stale_from - %s "
            "WHERE bucket_date = ANY(%s)",
            [ago, ago, list(days)],
        )

    def status(self, *words: str, **settings: str) -> tuple[int, str]:
        code, out, err = self.call("status", *words, **self.own, **settings)
        assert err == ""
        return code, out

    def message(self, **settings: str) -> tuple[int, dict[str, str], str]:
        """Exit code, the lines by their names, and the result."""
        code, out = self.status(**settings)
        lines = out.splitlines()
        assert [line for line in lines[1:-1] if not line.startswith("  ")] == [
            "Freshness",
            "Stale client-days",
            "Verification",
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


def test_where_the_schedule_never_ran_what_is_computed_and_verified_is_right(shop: Shop) -> None:
    code, lines, result = shop.message()

    assert code == 0
    assert lines["in the rollup"] == "detection never ran"
    assert lines["last look"] == lines["last tick"] == "never"
    assert lines["days"] == "2 computed, 2026-03-01 to 2026-03-02"
    assert lines[""] == "2 verified since, 0 not yet, 0 stale, 0 wrong"
    assert lines["all hold"].startswith("same table, ")
    assert (lines["none"], lines["open discrepancies"], lines["facts of no client"]) == ("", "none", "0")
    assert result == (
        "right: 2 days computed, nothing known wrong; the schedule never ran here, so new facts are not detected "
        "(eventflow-stats up)"
    )


def test_where_the_schedule_never_ran_whatever_waits_for_it_is_wrong_at_once(shop: Shop) -> None:
    shop.stale(timedelta(0), DAY)
    list(rebuild(shop.database, [NEXT]))

    code, _, result = shop.message()

    assert code == 1
    assert "1 client-day stale, for up to " in result
    assert "1 day computed and not verified since (eventflow-stats backfill --from 2026-03-01" in result
    assert result.endswith("--to 2026-03-02 --missing)")


def test_client_days_that_a_verification_found_stale_are_reported_apart_from_their_reason(shop: Shop) -> None:
    shop.product.delete(list(shop.product.world.visits.values())[:1])
    list(verify(shop.database, [DAY]))

    assert shop.message()[1]["found stale by a verification"].startswith("1 client-day on 1 day, for ")


def test_a_database_where_nothing_was_computed_is_not_right(call: Call, own: dict[str, str]) -> None:
    code, out, _ = call("status", **own)

    assert code == 1
    assert out.splitlines()[-1] == "not right: no day was computed yet (run `eventflow-stats up`, or `backfill`)"


def test_after_a_tick_it_is_right_and_says_when_and_what_the_tick_did(shop: Shop) -> None:
    shop.tick(timedelta(minutes=4))

    code, lines, result = shop.message()
    answer = shop.answered()[1]

    assert (code, result) == (0, "right: 2 days computed, nothing known wrong")
    assert lines["in the rollup"] == "facts committed before 4 minutes ago"
    assert lines["last look"] == "4 minutes ago"
    assert lines["last tick"] == "4 minutes ago: Nothing to refresh."
    assert answer["last_tick"]["outcome"] == "Nothing to refresh."
    assert 240 <= answer["freshness"]["age_seconds"] < 600


@pytest.mark.parametrize(
    ("minutes", "code", "message"),
    [
        (9, 0, "right: 2 days computed, nothing known wrong"),
        (11, 0, "; watch: facts of the last 11 minutes are not all in the rollup yet (an alarm from 30 minutes on)"),
        (31, 1, "not right: no detection for 31 minutes (is the daemon running, and the schedule"),
    ],
)
def test_the_age_of_the_last_look_is_right_then_watched_then_wrong(
    shop: Shop, minutes: int, code: int, message: str
) -> None:
    shop.tick(timedelta(minutes=minutes))

    assert message in shop.message()[2]
    assert shop.message()[0] == code


def test_stale_client_days_are_reported_by_reason_and_age_and_wrong_after_thirty_minutes(shop: Shop) -> None:
    shop.stale(timedelta(minutes=12), DAY, NEXT)
    shop.tick()
    code, lines, _ = shop.message()
    assert (code, lines["new facts"]) == (0, "2 client-days on 2 days, for 12 minutes")

    shop.stale(timedelta(minutes=19), DAY)
    code, lines, result = shop.message()
    (stale,) = shop.answered()[1]["stale"]

    assert (code, lines["new facts"]) == (1, "2 client-days on 2 days, for 31 minutes")
    assert result == (
        "not right: 2 client-days stale, for up to 31 minutes (why do the runs in the UI fail? by hand: "
        "eventflow-stats backfill --from 2026-03-01 --to 2026-03-02)"
    )
    assert {name: stale[name] for name in ("reach", "reason", "client_days", "days", "first_day", "last_day")} == {
        "reach": "due",
        "reason": "new facts",
        "client_days": 2,
        "days": 2,
        "first_day": "2026-03-01",
        "last_day": "2026-03-02",
    }
    assert 1860 <= stale["oldest_age_seconds"] < 2200


def test_facts_found_after_a_pause_are_wrong_until_they_are_in(shop: Shop) -> None:
    shop.tick(timedelta(minutes=180))
    shop.connection.execute("UPDATE eventflow_stats.client_days SET computed_at = computed_at - interval '4 h'")
    shop.stale(timedelta(0), DAY)

    code, lines, result = shop.message()

    assert code == 1
    assert lines["last look"].endswith(" s ago")
    assert lines["in the rollup"] == "facts committed before 3.0 hours ago"
    assert result == (
        "not right: facts of the last 3.0 hours are not all in the rollup (detected after a pause: the next runs add them)"
    )
    list(refresh(shop.database, [DAY]))
    list(verify(shop.database, [DAY]))
    assert shop.message()[0] == 0


def test_stale_client_days_that_no_run_can_reach_are_reported_apart_and_alarm_nobody(shop: Shop) -> None:
    shop.stale(timedelta(days=4), date(1999, 12, 31), datetime.now(UTC).date() + timedelta(days=9))
    shop.tick()

    code, out = shop.status()

    assert code == 0
    assert "1 client-day on 1 day, for 4.0 days; before the start date 2012-01-01, out of reach" in out
    assert "1 client-day on 1 day, for 4.0 days; in the future, waiting for the day" in out
    assert sorted(stale["reach"] for stale in shop.answered()[1]["stale"]) == ["future", "past"]


def test_open_discrepancies_are_named_by_day_with_the_command_that_repairs_them(shop: Shop) -> None:
    shop.connection.execute("UPDATE marketing_stats_daily SET visits = visits + 1")
    list(verify(shop.database, [DAY, NEXT]))

    code, lines, result = shop.message()

    assert (code, lines["open discrepancies"]) == (1, "1 on 2026-03-01, 1 on 2026-03-02")
    assert lines[""] == "0 verified since, 0 not yet, 0 stale, 2 wrong"
    assert result == (
        "not right: 2 wrong groups on 2026-03-01, 2026-03-02 "
        "(repair: eventflow-stats backfill --from 2026-03-01 --to 2026-03-02)"
    )
    assert shop.answered()[1]["open_discrepancies"] == [
        {"day": "2026-03-01", "groups": 1},
        {"day": "2026-03-02", "groups": 1},
    ]


def test_a_day_wrong_by_its_last_verification_stays_wrong_until_it_is_verified_again(shop: Shop) -> None:
    shop.connection.execute("UPDATE marketing_stats_daily SET visits = visits + 1 WHERE bucket_date = %s", [DAY])
    list(verify(shop.database, [DAY]))
    list(rebuild(shop.database, [DAY], list(shop.product.world.clients)))
    shop.tick()

    code, _, result = shop.message()

    assert (code, result) == (
        1,
        "not right: 1 day wrong by the last verification "
        "(eventflow-stats backfill --from 2026-03-01 --to 2026-03-02 --missing)",
    )


def test_the_oldest_whole_verification_is_named_and_wrong_beyond_the_limit(shop: Shop) -> None:
    shop.connection.execute(
        "UPDATE eventflow_stats.days SET whole_verified_at = whole_verified_at - %s WHERE bucket_date = %s",
        [timedelta(hours=25), NEXT],
    )

    code, lines, result = shop.message()

    assert code == 1
    assert lines["oldest whole verification"] == "25.0 hours ago, 2026-03-02 (limit 24 hours)"
    assert result == (
        "not right: 2026-03-02 not verified whole for 25.0 hours (is the schedule rolling_verification on? "
        "by hand: eventflow-stats verify --from 2026-03-01 --to 2026-03-02)"
    )
    assert shop.message(EVENTFLOW_MAX_DRIFT_AGE="26")[0] == 0


def test_changed_rows_are_watched_until_the_sweeps_should_have_found_them_and_then_wrong(shop: Shop) -> None:
    shop.tick()
    assert shop.message()[1]["changed rows"] == "none that the sweeps have not looked for"
    shop.product.delete(list(shop.product.world.visits.values())[:1])
    shop.connection.execute("SELECT pg_stat_force_next_flush()")

    code, lines, result = shop.message()
    _, answer = shop.answered()
    assert code == 0
    assert lines["changed rows"].startswith("1 row of the product changed in the last ")
    assert "right: 2 days computed, nothing known wrong; watch: 1 row of the product changed in the last " in result
    assert result.endswith(" UTC at the latest (an alarm after that time)")
    assert answer["unswept_changes"]["changed_rows"] == 1
    assert answer["unswept_changes"]["since"] < answer["at"] < answer["unswept_changes"]["found_by"]

    shop.tick()
    shop.connection.execute("UPDATE eventflow_stats.unswept_changes SET found_by = now()")
    code, _, result = shop.message()
    assert code == 1
    assert result.startswith("not right: 1 row of the product changed in the last ")
    assert "; every day should have been swept by " in result
    assert result.endswith("by hand: eventflow-stats verify --from 2026-03-01 --to 2026-03-02)")

    assert shop.call("verify", "--from", str(DAY), "--to", str(NEXT), **shop.own)[0] == 1, "the day is stale"
    assert "changed in the last" not in shop.message()[2]
    assert shop.answered()[1]["unswept_changes"] is None


def test_facts_of_no_client_are_reported_and_no_alarm(shop: Shop) -> None:
    shop.product.add(
        Visit(at=datetime(2026, 3, 1, 12, tzinfo=UTC), webinar_id=shop.product.webinar(None), session_id="x")
    )
    list(rebuild(shop.database, [DAY]))
    list(verify(shop.database, [DAY]))

    code, lines, result = shop.message()

    assert (code, lines["facts of no client"]) == (0, "1")
    assert result.endswith("; 1 fact of no client, in no number")


def test_an_open_transaction_is_named_and_watched_once_detection_no_longer_looks_back_that_far(shop: Shop) -> None:
    shop.tick()
    with connect(shop.database) as slow, slow.transaction():
        pid = slow.info.backend_pid
        slow.execute("SET application_name = 'slow import'")
        shop.product.add(shop.visit(DAY, "in the meantime"), shop.visit(NEXT, "in the meantime"))
        list(rebuild(shop.database, [DAY, NEXT]))
        code, lines, result = shop.message()
        late, _, late_result = shop.message(EVENTFLOW_DETECTION_OVERLAP="0.001")
        _, answer = shop.answered()
    assert (code, result) == (0, "right: 2 days computed, nothing known wrong")
    assert lines["open transactions"].startswith("1, the oldest for ")
    assert f"pid {pid}, postgres, slow import, idle in transaction" in lines["open transactions"]
    assert lines["prepared transactions"] == "none"

    assert late == 0, "facts that commit late are found later: no alarm"
    assert "; watch: 1 transaction not ended for up to " in late_result
    assert (
        "only the sweep and the rolling verification find what they commit; end them, the oldest is pid " in late_result
    )

    (transaction,) = answer["open_transactions"]["transactions"]
    assert (transaction["kind"], transaction["name"]) == ("open", str(pid))
    assert transaction["age_seconds"] > 0
    assert shop.message()[1]["open transactions"] == "none"


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
        _, lines, _ = shop.message()
        _, answer = shop.answered()
        two_phase.tpc_rollback()
    assert lines["prepared transactions"].startswith("1, the oldest for ")
    assert lines["prepared transactions"].endswith("postgres, prepared")
    (transaction,) = answer["open_transactions"]["transactions"]
    assert (transaction["kind"], transaction["owner"]) == ("prepared", "postgres")
    assert answer["open_transactions"]["held_back_ids"] >= transaction["held_back_ids"] >= 4
    assert shop.message()[1]["prepared transactions"] == "none"


def test_sessions_that_the_login_may_not_look_into_are_reported(shop: Shop) -> None:
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
        "UPDATE eventflow_stats.days SET whole_verified_at = whole_verified_at - interval '90 days', "
        "rebuilt_at = rebuilt_at - interval '90 days', verified_at = NULL WHERE bucket_date = %s",
        [DAY],
    )
    assert shop.message()[0] == 1

    code, lines, result = shop.message(EVENTFLOW_START_DATE=str(NEXT))

    assert (code, lines["days"]) == (0, f"1 computed, {NEXT} to {NEXT}")
    assert str(DAY) not in result


@pytest.mark.environment
def test_a_wrong_group_before_the_start_date_has_a_remedy_that_works(shop: Shop) -> None:
    shop.connection.execute("UPDATE marketing_stats_daily SET visits = visits + 1 WHERE bucket_date = %s", [DAY])
    list(verify(shop.database, [DAY]))

    _, _, result = shop.message(EVENTFLOW_START_DATE=str(NEXT))

    assert (
        f"set EVENTFLOW_START_DATE to {DAY} or earlier, then eventflow-stats backfill --from {DAY} --to {DAY}" in result
    )
