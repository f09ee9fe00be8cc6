"""An alert for every group found wrong, whoever found it, also when it is repaired a minute later: something else
writes the rollup.

Every verification records what it finds in the table ``discrepancies``; no other place knows of all of them. The alerts
are raised from there after the commit. A process killed in between leaves them owed (``alerted_at``), and they are
raised by whoever comes next: the next verification that finds something, or the next detection.
"""

from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from eventflow_stats.engine.alerts.delivery import deliver_alert
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.errors import EventflowError
from eventflow_stats.formatting import counted, format_group_key, printable

OWN_ALERTS = 20
"""So many wrong groups of a day have an alert of their own; the others are summed up in one."""
LONGEST_VALUE = 200
"""Characters of a text of the public web in an alert's details: a text of the facts may be of any length."""


def raise_owed_alerts(database: Database) -> None:
    """Raise the alerts of wrong groups that nobody was reported of yet. Raises no error: what fails stays owed."""
    with suppress(EventflowError, SQLAlchemyError, psycopg.Error), database.session() as connection:
        # Not REPEATABLE READ: noting what was reported must not fail over what a verification wrote meanwhile.
        connection.execution_options(isolation_level="READ COMMITTED")
        owed = connection.execute(query("alerts/owed_alerts"), {"most": OWN_ALERTS}).mappings().all()
        connection.rollback()
        may_post = True
        for _, rows in groupby(owed, key=lambda row: row["bucket_date"]):
            may_post = _raise_of_day(database, connection, [dict(row) for row in rows], may_post)
        if owed:
            connection.execute(query("alerts/delete_old_group_alerts"))
            connection.commit()


def _raise_of_day(database: Database, connection: Connection, groups: Sequence[dict[str, Any]], may_post: bool) -> bool:
    """Raise what is owed of one day; returns whether the webhook takes alerts. One that does not is asked once."""
    first = groups[0]
    alerts = [(f"wrong group {group['discrepancy_id']}", _text(group), _details(group)) for group in groups]
    more = first["owed"] - len(groups)
    if more:
        day = str(first["bucket_date"])
        text = (
            f"{counted(more, 'more wrong group')} of {day}, {first['owed']:,} in all: see table "
            f"eventflow_stats.discrepancies, and explain one with eventflow-stats explain --day {day}"
        )
        alerts.append((f"wrong groups to {first['last_id']}", text, {"day": day, "wrong_groups": first["owed"]}))
    owed = False
    for key, text, details in alerts:
        delivery = deliver_alert(database, key, text, details, may_post)
        owed |= delivery.owed
        may_post &= not delivery.owed
    if not owed:
        noted = {"bucket_date": first["bucket_date"], "last_id": first["last_id"]}
        connection.execute(query("alerts/record_alerted_groups"), noted)
        connection.commit()
    return may_post


def _text(group: dict[str, Any]) -> str:
    """The numbers first: what follows are texts of any length."""
    numbers = f"{_compared('visits', group)}, {_compared('conversions', group)}"
    client = printable(_cut(group["client_name"]) or str(group["client_id"]))
    utm = (_cut(group[name]) for name in ("utm_source", "utm_medium", "utm_campaign"))
    key = format_group_key(group["campaign_id"], group["link_id"], _cut(group["link_name"]), *utm)
    return f"Wrong group on {group['bucket_date']}: {numbers}; client {client}, {key}"


def _compared(measure: str, group: dict[str, Any]) -> str:
    stored, true = group[f"stored_{measure}"], group[f"true_{measure}"]
    if stored == true:
        return f"{measure} {stored:,}"
    return f"{measure} {_or_no_row(stored)}, should be {_or_no_row(true)}"


def _or_no_row(number: int | None) -> str:
    return "no row" if number is None else f"{number:,}"


def _details(group: dict[str, Any]) -> dict[str, Any]:
    numbers = ("stored_visits", "true_visits", "stored_conversions", "true_conversions")
    texts = ("utm_source", "utm_medium", "utm_campaign")
    return {
        "day": str(group["bucket_date"]),
        "client_id": group["client_id"],
        "client": _cut(group["client_name"]),
        "group": {
            "campaign_id": group["campaign_id"],
            "link_id": group["link_id"],
            **{name: _cut(group[name]) for name in texts},
        },
        **{name: group[name] for name in numbers},
        "found_at": group["found_at"],
        "repaired_at": group["repaired_at"],
    }


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"
