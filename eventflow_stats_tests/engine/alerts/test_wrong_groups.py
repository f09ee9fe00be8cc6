"""Every group found wrong raises one alert with the stored and the true value, whatever found and repaired it."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from eventflow_stats.engine.alerts import sent_alerts, webhook
from eventflow_stats.engine.alerts.delivery import WEBHOOK_FAILED
from eventflow_stats.engine.alerts.wrong_groups import OWN_ALERTS
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.sample import draw_sample, verify_drawn, verify_sample
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats_tests.engine.two_clients import DAY, Shop, noon
from eventflow_stats_tests.facts import Product, Visit, connect
from eventflow_stats_tests.webhook_receiver import Receiver, receiving

pytestmark = pytest.mark.environment

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def no_alert_sent_yet() -> None:
    sent_alerts._sent.clear()


@pytest.fixture
def shop(database: Database) -> Iterator[Shop]:
    with connect(database) as connection:
        yield Shop(database, Product(connection))


def tamper(shop: Shop, client: UUID | None = None) -> None:
    """Write the rollup as somebody else: one visit too many in every group of the day."""
    shop.product.connection.execute(
        "UPDATE marketing_stats_daily SET visits = visits + 1 WHERE bucket_date = %s AND client_id = %s",
        [DAY, client or shop.ours],
    )


def printed_alerts(output: Output) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.readouterr().out.splitlines()]


FINDERS: dict[str, Callable[[Database], object]] = {
    "verification of the day": lambda database: list(verify(database, [DAY])),
    "check of a refresh run": lambda database: list(verify(database, [DAY], only_unverified=True)),
    "sample of a tick": lambda database: list(verify_sample(database, seed=1)),
    "sample of the command line": lambda database: list(
        verify_drawn(database, draw_sample(database, DAY, DAY, None, "groups", 100, seed=1))
    ),
}


@pytest.mark.parametrize("finder", FINDERS)
def test_a_wrong_group_raises_one_alert_whatever_found_it_and_although_it_is_repaired(
    shop: Shop, capsys: Output, finder: str
) -> None:
    shop.product.connection.execute("UPDATE clients SET name = 'Café \x1b[2J & <Söhne>' WHERE id = %s", [shop.ours])
    tamper(shop)
    FINDERS[finder](shop.database)
    (alert,) = printed_alerts(capsys)
    list(rebuild(shop.database, [DAY]))
    for find in FINDERS.values():
        find(shop.database)
    detect(shop.database)
    assert printed_alerts(capsys) == []

    assert alert["alert"].startswith("wrong group ")
    assert alert["text"].startswith(f"Wrong group on {DAY}: visits 2, should be 1, conversions 0; client Café \\x1b[2J")
    assert str(shop.campaign) in alert["text"]
    assert (alert["day"], alert["client_id"]) == (str(DAY), str(shop.ours))
    assert (alert["stored_visits"], alert["true_visits"]) == (2, 1)
    assert alert["group"]["campaign_id"] == str(shop.campaign)


def test_a_group_wrong_again_after_its_repair_raises_an_alert_again(shop: Shop, capsys: Output) -> None:
    for _ in range(2):
        tamper(shop)
        list(verify(shop.database, [DAY]))
        list(verify(shop.database, [DAY]))
        list(rebuild(shop.database, [DAY]))
    assert len(printed_alerts(capsys)) == 2


def test_an_alert_is_not_lost_with_the_process_that_found_the_group(
    shop: Shop, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    tamper(shop)
    with monkeypatch.context() as killed:
        killed.setattr("eventflow_stats.engine.verification.verify.raise_owed_alerts", lambda _: None)
        list(verify(shop.database, [DAY]))
    list(rebuild(shop.database, [DAY]))
    assert printed_alerts(capsys) == []
    detect(shop.database)
    detect(shop.database)
    assert [alert["true_visits"] for alert in printed_alerts(capsys)] == [1]


def test_of_many_wrong_groups_twenty_have_their_own_alert_and_one_counts_the_others(shop: Shop, capsys: Output) -> None:
    shop.product.add(*(Visit(at=noon(DAY), campaign_id=shop.campaign, utm_source=f"s{n}") for n in range(24)))
    list(rebuild(shop.database, [DAY]))
    tamper(shop)
    list(verify(shop.database, [DAY]))
    *own, rest = printed_alerts(capsys)
    assert len({alert["alert"] for alert in own}) == 20 == OWN_ALERTS
    assert rest["text"] == (
        f"5 more wrong groups of {DAY}, 25 in all: see table eventflow_stats.discrepancies, and explain one with "
        f"eventflow-stats explain --day {DAY}"
    )
    list(verify(shop.database, [DAY]))
    assert printed_alerts(capsys) == []


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def test_a_webhook_that_was_away_gets_every_alert_later_and_is_asked_once_meanwhile(
    shop: Shop, receiver: Receiver, capsys: Output
) -> None:
    shop.product.add(*(Visit(at=noon(DAY), campaign_id=shop.campaign, utm_source=f"s{n}") for n in range(2)))
    list(rebuild(shop.database, [DAY]))
    watched = shop.with_settings(alert_webhook=SecretStr(receiver.url))
    receiver.status = 500
    tamper(shop)
    list(verify(watched, [DAY]))
    assert 1 <= receiver.refused <= webhook.TRIES
    assert len([alert for alert in printed_alerts(capsys) if alert["alert"] != WEBHOOK_FAILED]) == 3
    receiver.status = 200
    detect(watched)
    assert len(set(receiver.texts)) == len(receiver.texts) == 3
    assert printed_alerts(capsys) == []
