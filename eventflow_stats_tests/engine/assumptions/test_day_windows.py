"""A day is computed only if it has the same hours for PostgreSQL and Python."""

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from eventflow_stats import setting_types
from eventflow_stats.engine.assumptions.assumptions import broken_for_any_day
from eventflow_stats.engine.assumptions.day_windows import day_start, day_window
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import Refused, Unverifiable
from eventflow_stats.settings import load_settings
from eventflow_stats_tests.facts import Product, Visit, connect
from eventflow_stats_tests.oracle import expected_groups
from eventflow_stats_tests.rollup import stored_groups

pytestmark = pytest.mark.environment

ZONES = ["UTC", "Asia/Seoul", "America/New_York", "Pacific/Apia", "America/Sao_Paulo", "Africa/Cairo", "Asia/Amman"]
SUMMER = date(2026, 7, 1)


@pytest.mark.parametrize("name", ["CET", "EET", "MET", "WET"])
def test_a_name_that_postgresql_reads_as_an_offset_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTFLOW_BUCKET_TIMEZONE", name)
    with pytest.raises(Refused, match="name of a region, such as Europe/"):
        load_settings()


@pytest.mark.parametrize("name", ["localtime", "Factory"])
def test_a_name_that_is_not_a_region_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python lists "localtime" where its machine has such a file; PostgreSQL may be on another machine."""
    monkeypatch.setattr(setting_types, "available_timezones", lambda: {name, "UTC"})
    monkeypatch.setenv("EVENTFLOW_BUCKET_TIMEZONE", name)
    with pytest.raises(Refused, match="IANA time zone"):
        load_settings()


@pytest.mark.parametrize("zone", ZONES)
def test_python_and_postgresql_agree_on_every_day_of_thirty_years(
    zone: str, new_database: Callable[[str], Database]
) -> None:
    """Pacific/Apia skipped a day; Sao_Paulo, Cairo and Amman set their clocks back or forward at midnight."""
    database = new_database(zone)
    with database.session() as connection:
        assert broken_for_any_day(connection, database.settings) == []
        for day in (date(2011, 12, 29), date(2011, 12, 30), date(2011, 12, 31), date(2018, 11, 4), SUMMER):
            assert day_window(connection, day)["window_start"] == day_start(day, zone)


def use_a_zone_read_as_an_offset(database: Database) -> None:
    """Give the database a zone name that PostgreSQL and Python read differently."""
    with connect(database) as connection:
        connection.execute("UPDATE eventflow_stats.deployment SET bucket_timezone = 'CET'")


def test_a_zone_that_is_read_differently_writes_nothing(database: Database) -> None:
    with connect(database) as connection:
        product = Product(connection)
        campaign = product.campaign(product.client())
        hours = [datetime(2026, 7, 1, hour, 30, tzinfo=UTC) for hour in (21, 22, 23)]
        product.add(*(Visit(at=at, campaign_id=campaign, session_id=str(at)) for at in hours))
        use_a_zone_read_as_an_offset(database)
        url = database.url.render_as_string(hide_password=False)
        misread = Database(url, database.settings.model_copy(update={"bucket_timezone": "CET"}))
        for work in (
            lambda: list(rebuild(misread, [SUMMER])),
            lambda: list(verify(misread, [SUMMER])),
            lambda: detect(misread),
        ):
            with pytest.raises(Unverifiable, match="time zone"):
                work()
        assert stored_groups(connection) == {}


def test_a_day_whose_window_changed_is_computed_again(database: Database) -> None:
    """As after an update of the zone database: facts near midnight then belong to another day."""
    day = SUMMER
    with connect(database) as connection:
        product = Product(connection)
        campaign = product.campaign(product.client())
        product.add(Visit(at=datetime(2026, 7, 1, 12, tzinfo=UTC), campaign_id=campaign, session_id="a"))
        list(rebuild(database, [day]))
        detect(database)
        connection.execute(
            "UPDATE eventflow_stats.days SET window_start = window_start - interval '1 hour' WHERE bucket_date = %s",
            [day],
        )
        detect(database)
        rows = connection.execute("SELECT rebuilt_at FROM eventflow_stats.days WHERE bucket_date = %s", [day])
        assert rows.fetchone() == (None,)
        list(rebuild(database, [day]))
        assert stored_groups(connection) == expected_groups(product.world, "UTC")
        detect(database)
        rows = connection.execute("SELECT rebuilt_at IS NULL FROM eventflow_stats.days WHERE bucket_date = %s", [day])
        assert rows.fetchone() == (False,)
