"""Facts without a time, or with a time outside the calendar, are in no number. They are counted and shown."""

from collections.abc import Iterator
from datetime import date

import pytest

from eventflow_stats.engine.doctor.rollup import of_no_day
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.rollup.sweep import sweep
from eventflow_stats.engine.status.freshness import read_freshness
from eventflow_stats.engine.status.health import format_summary, read_status
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats_tests.engine.two_clients import DAY, LONG_AGO, Shop
from eventflow_stats_tests.facts import Product, connect

pytestmark = pytest.mark.environment

TIMES = ("NULL", "'infinity'", "'-infinity'", "'0044-03-15 12:00Z BC'", "'9999-12-31 12:00Z'")


@pytest.fixture
def shop(database: Database) -> Iterator[Shop]:
    with connect(database) as connection:
        shop = Shop(database, Product(connection))
        connection.execute(
            "ALTER TABLE event_access_logs ALTER accessed_at DROP NOT NULL, ALTER created_at DROP NOT NULL"
        )
        connection.execute("ALTER TABLE event_survey_entries ALTER created_at DROP NOT NULL")
        yield shop


def add_facts_of_no_day(shop: Shop) -> None:
    run = shop.product.connection.execute
    for number, time in enumerate(TIMES):
        run(
            "INSERT INTO event_access_logs (campaign_id, session_id, accessed_at, created_at) "
            f"VALUES (%s, 'x', {time}, {'NULL' if time == 'NULL' else 'now()'})".encode(),
            [shop.campaign],
        )
        if number < 3:
            run(
                "INSERT INTO event_survey_entries (campaign_id, client_id, phone_norm, survey_no, code6, created_at) "
                f"VALUES (%s, %s, %s, %s, %s, {time})".encode(),
                [shop.campaign, shop.ours, str(number), number, str(number)],
            )


def tick(shop: Shop) -> None:
    shop.product.connection.execute("SELECT pg_stat_force_next_flush()")
    detect(shop.database, [date.today()])  # noqa: DTZ011 (any day will do)


def counted(shop: Shop) -> tuple[int | None, int | None]:
    progress = read_freshness(shop.database, DAY)
    return progress.visits_of_no_day, progress.entries_of_no_day


def test_facts_of_no_day_are_counted_by_a_tick_and_shown_and_in_no_number(shop: Shop) -> None:
    tick(shop)
    assert counted(shop) == (0, 0)
    assert of_no_day(read_status(shop.database)).state == "ok"
    add_facts_of_no_day(shop)
    tick(shop)
    assert counted(shop) == (5, 3)
    status = read_status(shop.database)
    assert "8 facts of no day, in no number" in format_summary(status, [])
    shown = of_no_day(status)
    assert (shown.state, "8 facts of no day (visits 5, entries 3)" in shown.found) == ("warn", True)
    list(sweep(shop.database, [DAY, LONG_AGO]))
    list(rebuild(shop.database, [DAY, LONG_AGO]))
    assert [day.result for day in verify(shop.database, [DAY, LONG_AGO])] == ["verified", "verified"]
    assert shop.is_right()


def test_they_are_counted_again_only_when_the_row_counters_changed(shop: Shop) -> None:
    add_facts_of_no_day(shop)
    tick(shop)
    shop.product.connection.execute("UPDATE eventflow_stats.progress SET visits_of_no_day = 99")
    detect(shop.database, [DAY])
    assert counted(shop) == (99, 3)
    shop.product.connection.execute("DELETE FROM event_access_logs WHERE accessed_at = 'infinity'")
    tick(shop)
    assert counted(shop) == (4, 3)
