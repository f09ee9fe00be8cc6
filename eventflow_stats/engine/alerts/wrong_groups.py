"""Raises alerts for the groups that a verification found wrong: one each for the first 20 of a day, one for the rest.

An alert is raised although the group is repaired a minute later: a wrong group means that something else writes the
rollup. Every verification records its wrong groups in table ``discrepancies``, and the alerts are raised from there
after the commit. A process that is killed in between leaves them owed (``alerted_at`` is NULL). The next verification
that finds a wrong group, or the next detection, raises them.
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
from eventflow_stats.formatting import escape_unprintable, format_count, format_group_key

OWN_ALERTS = 20
"""So many wrong groups of a day get an alert of their own. One more alert counts the others."""
LONGEST_VALUE = 200
"""Characters of a text in an alert's details. The texts come from the public web and may have any length."""


def raise_owed_alerts(database: Database) -> None:
    """Raise the alerts of wrong groups that were not raised yet. Raises no error: an alert that fails stays owed."""
    with suppress(EventflowError, SQLAlchemyError, psycopg.Error), database.session() as connection:
        # Not REPEATABLE READ: recording the alerts must not fail because a verification wrote meanwhile.
        connection.execution_options(isolation_level="READ COMMITTED")
        owed = connection.execute(query("alerts/owed_alerts"), {"most": OWN_ALERTS}).mappings().all()
        connection.rollback()
        may_post = True
        for _, rows in groupby(owed, key=lambda row: row["bucket_date"]):
            may_post = _raise_alerts_of_day(database, connection, [dict(row) for row in rows], may_post)
        if owed:
            connection.execute(query("alerts/delete_old_group_alerts"))
            connection.commit()


def _raise_alerts_of_day(
    database: Database, connection: Connection, groups: Sequence[dict[str, Any]], may_post: bool
) -> bool:
    """Raise the alerts owed for one day; returns whether the webhook accepts alerts. One that fails is asked once."""
    first = groups[0]
    alerts = [(f"wrong group {group['discrepancy_id']}", _message(group), _details(group)) for group in groups]
    more = first["owed"] - len(groups)
    if more:
        day = str(first["bucket_date"])
        text = (
            f"{format_count(more, 'more wrong group')} of {day}, {first['owed']:,} in all: see table "
            f"eventflow_stats.discrepancies, and explain one with eventflow-stats explain --day {day}"
        )
        alerts.append((f"wrong groups to {first['last_id']}", text, {"day": day, "wrong_groups": first["owed"]}))
    owed = False
    for key, text, details in alerts:
        delivery = deliver_alert(database, key, text, details, may_post)
        owed |= delivery.owed
        may_post &= not delivery.owed
    if not owed:
        recorded = {"bucket_date": first["bucket_date"], "last_id": first["last_id"]}
        connection.execute(query("alerts/record_alerted_groups"), recorded)
        connection.commit()
    return may_post


def _message(group: dict[str, Any]) -> str:
    """The alert's line for people; the numbers come first, because the texts after them have any length."""
    numbers = f"{_format_measure('visits', group)}, {_format_measure('conversions', group)}"
    client = escape_unprintable(_shorten(group["client_name"]) or str(group["client_id"]))
    utm = (_shorten(group[name]) for name in ("utm_source", "utm_medium", "utm_campaign"))
    campaign, link = _shorten(group["campaign_name"]), _shorten(group["link_name"])
    key = format_group_key(group["campaign_id"], campaign, group["link_id"], link, *utm)
    return f"Wrong group on {group['bucket_date']}: {numbers}; client {client}, {key}"


def _format_measure(measure: str, group: dict[str, Any]) -> str:
    stored, true = group[f"stored_{measure}"], group[f"true_{measure}"]
    if stored == true:
        return f"{measure} {stored:,}"
    return f"{measure} {_format_number(stored)}, should be {_format_number(true)}"


def _format_number(number: int | None) -> str:
    return "no row" if number is None else f"{number:,}"


def _details(group: dict[str, Any]) -> dict[str, Any]:
    numbers = ("stored_visits", "true_visits", "stored_conversions", "true_conversions")
    texts = ("utm_source", "utm_medium", "utm_campaign")
    return {
        "day": str(group["bucket_date"]),
        "client_id": group["client_id"],
        "client": _shorten(group["client_name"]),
        "group": {
            "campaign_id": group["campaign_id"],
            "link_id": group["link_id"],
            **{name: _shorten(group[name]) for name in texts},
        },
        **{name: group[name] for name in numbers},
        "found_at": group["found_at"],
        "repaired_at": group["repaired_at"],
    }


def _shorten(text: str | None) -> str | None:
    return text if text is None or len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"
