"""Sends alerts: one JSON line on stdout (on stderr for commands) and a message to a webhook where one is set.

The key of an alert names the problem. An alert of the same key is sent at most once an hour, by all processes together:
the table ``eventflow_stats.alerts`` records when it was last sent. While the table cannot be used, a file in
EVENTFLOW_DATA_DIR does that for one machine (``sent_alerts.py``).
"""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from eventflow_stats.engine.alerts.sent_alerts import (
    RECENT,
    DueAlert,
    claim_alert,
    note_recorded,
    note_sent,
    share_sent,
    unrecorded_times,
)
from eventflow_stats.engine.alerts.webhook import post
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.errors import EventflowError, ReadOnly, Refused
from eventflow_stats.redaction import without_secrets
from eventflow_stats.settings import Settings, load_settings

LONGEST = 1000
READ_ONLY = "read_only"
"""The one alert of a database that cannot be written."""
WEBHOOK_FAILED = "alert_webhook_failed"

_to_stderr = threading.Event()


@dataclass(frozen=True)
class Delivery:
    """``sent``: the alert was printed or posted just now. ``owed``: the webhook has not accepted it yet, or another
    process is sending it just now."""

    sent: bool
    owed: bool


@contextmanager
def alerts_on_stderr() -> Iterator[None]:
    """Print the alerts of this process on stderr: a program may read the stdout of a command."""
    _to_stderr.set()
    try:
        yield
    finally:
        _to_stderr.clear()


def raise_alert(database: Database | None, key: str, text: str, **details: Any) -> bool:
    """Send an alert unless the same was sent within the hour; returns whether it was printed or posted.

    ``key`` names the problem; ``text`` is one line for people; ``details`` go into the JSON line: ``alert`` (the key),
    ``text``, ``at`` (UTC), ``raised`` (how often since the alert was last sent, this time included) and the details.
    Where EVENTFLOW_ALERT_WEBHOOK is set, ``{"text": ...}`` is posted there too. A webhook that refuses is reported on
    stdout, and gets the alert when it is raised next. ``database`` is None where there is none.

    Raises nothing: the caller already handles a problem. Where the table could not be used, the line has the reason
    (``not_recorded``).
    """
    return deliver_alert(database, key, text, details).sent


def deliver_alert(
    database: Database | None, key: str, text: str, details: dict[str, Any], may_post: bool = True
) -> Delivery:
    """As ``raise_alert``; the webhook is left out unless ``may_post``, and is then owed the alert."""
    settings = _settings(database)
    webhook = None
    if settings is not None and settings.alert_webhook is not None:
        webhook = settings.alert_webhook.get_secret_value()
    text = " ".join(text.split())[:LONGEST]
    delivery: Delivery | None = None
    if database is not None:
        try:
            with database.session() as connection:
                # Not REPEATABLE READ: the next holder of the lock must see what the last one wrote.
                connection.execution_options(isolation_level="READ COMMITTED")
                # Sent within the transaction that records it: if the process is killed in between, it is sent again.
                with connection.begin():
                    due = _due_by_table(connection, key, text, webhook)
                    if due is None:
                        return Delivery(sent=False, owed=True)
                    delivery = _send(key, text, details, due, webhook, may_post)
                    if delivery.sent:
                        ways = {"printed": due.to_print, "posted": due.to_post and not delivery.owed}
                        connection.execute(query("alerts/record_sent_alert"), {"alert_key": key, **ways})
            note_recorded(key)
        except (EventflowError, SQLAlchemyError, psycopg.Error) as error:
            details = {**details, "not_recorded": str(error).splitlines()[0]}
            if isinstance(error, ReadOnly):
                # Everything fails now for this one reason: one alert, not one for each failure.
                key, text, details = READ_ONLY, f"{error}; noticed by: {text}"[:LONGEST], {"of": key}
    if delivery is None:
        folder = settings.data_dir.expanduser().resolve() if settings is not None else None
        delivery = _send(key, text, details, claim_alert(key, webhook is not None, folder), webhook, may_post)
        share_sent(key, folder)
    return delivery


def _settings(database: Database | None) -> Settings | None:
    with suppress(Refused):
        return database.settings if database is not None else load_settings()
    return None


def _due_by_table(connection: Connection, key: str, text: str, webhook: str | None) -> DueAlert | None:
    """What is due by all processes' records; None while another process is sending this alert."""
    if not connection.execute(query("alerts/lock_alert"), {"alert_key": key}).mappings().one()["is_locked"]:
        return None
    raised = {"alert_key": key, "text": without_secrets(text, webhook), "recent": RECENT, **unrecorded_times(key)}
    row = connection.execute(query("alerts/raise_alert"), raised).one()
    return DueAlert(row.raised, not row.printed_recently, webhook is not None and not row.posted_recently)


def _send(key: str, text: str, details: dict[str, Any], due: DueAlert, webhook: str | None, may_post: bool) -> Delivery:
    """Print and post what is due."""
    if due.to_print:
        _print({"alert": key, "text": text, "raised": due.raised, **details}, webhook)
    posted = False
    if due.to_post and may_post and webhook is not None:
        again = f" (raised {due.raised} times since it was last sent)" if due.raised > 1 else ""
        failure = post(webhook, without_secrets(text, webhook) + again)
        posted = failure is None
        if failure is not None:
            _report_webhook(key, failure, webhook)
    note_sent(key, due, posted)
    return Delivery(sent=due.to_print or posted, owed=due.to_post and not posted)


def _report_webhook(key: str, failure: str, webhook: str) -> None:
    """Print once an hour for each alert and process that the webhook failed: it may be away for days."""
    if claim_alert(f"{WEBHOOK_FAILED} {key}", has_webhook=False, folder=None).to_print:
        text = f"The webhook of setting EVENTFLOW_ALERT_WEBHOOK did not accept the alert: {failure}"
        _print({"alert": WEBHOOK_FAILED, "text": text, "of": key}, webhook)


def _print(line: dict[str, Any], webhook: str | None) -> None:
    line = {**line, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    # A stdout that is closed or full must not fail the caller; ASCII can be printed in every locale.
    with suppress(OSError, ValueError):
        stream = sys.stderr if _to_stderr.is_set() else sys.stdout
        stream.write(without_secrets(json.dumps(line, default=str), webhook) + "\n")
        stream.flush()
