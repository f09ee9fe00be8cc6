"""Alerts: what a person must hear of, on stdout (of commands on stderr) always and by a webhook where one is set, never
twice an hour.

An alert has a key that says which trouble it is. The table ``eventflow_stats.alerts`` remembers for all processes
when each was last told; where the table cannot be used, a file in EVENTFLOW_DATA_DIR does, for this machine.
"""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from eventflow_stats.engine.alerts.sent_alerts import shared_memory
from eventflow_stats.engine.alerts.webhook import post
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.errors import EventflowError, ReadOnly, Refused
from eventflow_stats.redaction import without_secrets
from eventflow_stats.settings import Settings, load_settings

LATELY = timedelta(hours=1)
LONGEST = 1000
READ_ONLY = "read_only"
"""The one alert of a database that cannot be written."""
WEBHOOK_FAILED = "alert_webhook_failed"


@dataclass
class _Recorded:
    """What this process told of one alert, and whether the table knows."""

    raised: int = 0
    printed_at: datetime | None = None
    posted_at: datetime | None = None
    unrecorded: bool = False

    def printed_lately(self) -> bool:
        return self.printed_at is not None and datetime.now(UTC) - self.printed_at < LATELY

    def posted_lately(self) -> bool:
        return self.posted_at is not None and datetime.now(UTC) - self.posted_at < LATELY


@dataclass(frozen=True)
class _Due:
    """One raise of an alert: how often it was raised since it was last told, and which ways it has to go."""

    raised: int
    to_print: bool
    to_post: bool


_message: dict[str, _Recorded] = {}
_guard = threading.Lock()
_to_stderr = threading.Event()


@contextmanager
def alerts_on_stderr() -> Iterator[None]:
    """In this process: its stdout is the answer of a command, which a program may read."""
    _to_stderr.set()
    try:
        yield
    finally:
        _to_stderr.clear()


def raise_alert(database: Database | None, key: str, text: str, **details: Any) -> bool:
    """Tell of a trouble unless the same was reported within the hour.

    ``key`` says which trouble it is; ``text`` is one line for people; ``details`` go into the JSON line on stdout:
    ``alert`` (the key), ``text``, ``at`` (UTC), ``raised`` (how often since it was last told, this time included) and
    the details. Where EVENTFLOW_ALERT_WEBHOOK is set, ``{"text": ...}`` is posted there too; a webhook that does not
    take it is reported of on stdout, and tried again when the alert is raised next. ``database`` is None where there is
    none to be had.

    Returns True when the alert was printed or posted, False when it was reported within the hour, or is being sent by
    another process just now. Raises nothing, the caller has trouble enough; where the table could not be used, the
    line says why (``not_recorded``).
    """
    return deliver_alert(database, key, text, details).message


@dataclass(frozen=True)
class Delivery:
    """``told``: the alert was printed or posted just now. ``owed``: the webhook has not taken it, or another process
    is sending it just now."""

    message: bool
    owed: bool


def deliver_alert(
    database: Database | None, key: str, text: str, details: dict[str, Any], may_post: bool = True
) -> Delivery:
    """As ``raise_alert``, and whether the webhook is owed the alert still; without ``may_post`` it is not asked."""
    settings = _settings(database)
    webhook = _webhook(settings)
    text = " ".join(text.split())[:LONGEST]
    sent: Delivery | None = None
    if database is not None:
        try:
            with database.session() as connection:
                # Not REPEATABLE READ: whoever has the lock must see what its last holder wrote.
                connection.execution_options(isolation_level="READ COMMITTED")
                # Told within the transaction that notes it: killed in between, it is reported again.
                with connection.begin():
                    due = _due_by_table(connection, key, text, webhook)
                    if due is None:
                        return Delivery(message=False, owed=True)
                    sent = _deliver(key, text, details, due, webhook, may_post)
                    if sent.message:
                        done = {"alert_key": key, "printed": due.to_print, "posted": due.to_post and not sent.owed}
                        connection.execute(query("alerts/record_sent_alert"), done)
            with _guard:
                _message.setdefault(key, _Recorded()).unrecorded = False
        except (EventflowError, SQLAlchemyError, psycopg.Error) as error:
            details = {**details, "not_recorded": str(error).splitlines()[0]}
            if isinstance(error, ReadOnly):
                # Whatever fails now fails for this one reason: one alert, and not one for each.
                key, text, details = READ_ONLY, f"{error}; noticed by: {text}"[:LONGEST], {"of": key}
    if sent is not None:
        # Where the connection was lost after sending, this process remembers it.
        return sent
    folder = settings.data_dir.expanduser().resolve() if settings is not None else None
    due = _due_without_table(key, webhook, folder)
    delivery = _deliver(key, text, details, due, webhook, may_post)
    with shared_memory(folder) as memory, _guard:
        memory[key] = {"printed_at": _message[key].printed_at, "posted_at": _message[key].posted_at}
    return delivery


def _deliver(key: str, text: str, details: dict[str, Any], due: _Due, webhook: str | None, may_post: bool) -> Delivery:
    posted = _send(key, text, details, due if may_post else replace(due, to_post=False), webhook)
    return Delivery(message=due.to_print or posted, owed=due.to_post and not posted)


def _settings(database: Database | None) -> Settings | None:
    with suppress(Refused):
        return database.settings if database is not None else load_settings()
    return None


def _webhook(settings: Settings | None) -> str | None:
    found = settings.alert_webhook if settings is not None else None
    return found.get_secret_value() if found is not None else None


def _due_by_table(connection: Connection, key: str, text: str, webhook: str | None) -> _Due | None:
    """What is due by what all processes told; None while another one is sending this alert."""
    if not connection.execute(query("alerts/lock_alert"), {"alert_key": key}).mappings().one()["mine"]:
        return None
    raised = {"alert_key": key, "text": without_secrets(text, webhook), "lately": LATELY, **_unrecorded(key)}
    row = connection.execute(query("alerts/raise_alert"), raised).one()
    return _Due(row.raised, not row.printed_lately, webhook is not None and not row.posted_lately)


def _unrecorded(key: str) -> dict[str, datetime | None]:
    with _guard:
        message = _message.get(key)
        if message is None or not message.unrecorded:
            return {"printed_at": None, "posted_at": None}
        return {"printed_at": message.printed_at, "posted_at": message.posted_at}


def _due_without_table(key: str, webhook: str | None, folder: Path | None) -> _Due:
    with shared_memory(folder) as memory, _guard:
        message, known = _message.setdefault(key, _Recorded()), memory.get(key, {})
        message.raised += 1
        message.printed_at = message.printed_at or known.get("printed_at")
        message.posted_at = message.posted_at or known.get("posted_at")
        due = _Due(message.raised, not message.printed_lately(), webhook is not None and not message.posted_lately())
        # Claimed before it is sent: another thread may raise the same at this moment.
        now = datetime.now(UTC)
        message.printed_at = now if due.to_print else message.printed_at
        message.posted_at = now if due.to_post else message.posted_at
        memory[key] = {"printed_at": message.printed_at, "posted_at": message.posted_at}
        return due


def _send(key: str, text: str, details: dict[str, Any], due: _Due, webhook: str | None) -> bool:
    """Print and post what is due; returns whether the webhook took it."""
    if due.to_print:
        _print({"alert": key, "text": text, "raised": due.raised, **details}, webhook)
    posted = False
    if due.to_post and webhook is not None:
        again = f" (raised {due.raised} times since last told)" if due.raised > 1 else ""
        why = post(webhook, without_secrets(text, webhook) + again)
        posted = why is None
        if why is not None:
            _report_webhook(key, why, webhook)
    now = datetime.now(UTC)
    with _guard:
        message = _message.setdefault(key, _Recorded())
        if due.to_print:
            message.printed_at = now
        if due.to_post:
            message.posted_at = now if posted else None
        if due.to_print or posted:
            message.raised, message.unrecorded = 0, True
    return posted


def _report_webhook(key: str, why: str, webhook: str) -> None:
    """Once an hour for each alert, in this process: the webhook may be away for days."""
    with _guard:
        message = _message.setdefault(f"{WEBHOOK_FAILED} {key}", _Recorded())
        if message.printed_lately():
            return
        message.printed_at = datetime.now(UTC)
    text = f"The webhook of setting EVENTFLOW_ALERT_WEBHOOK did not take the alert: {why}"
    _print({"alert": WEBHOOK_FAILED, "text": text, "of": key}, webhook)


def _print(line: dict[str, Any], webhook: str | None) -> None:
    line = {**line, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    # A stdout that is closed or full must not fail the caller; ASCII prints in every locale.
    with suppress(OSError, ValueError):
        stream = sys.stderr if _to_stderr.is_set() else sys.stdout
        stream.write(without_secrets(json.dumps(line, default=str), webhook) + "\n")
        stream.flush()
