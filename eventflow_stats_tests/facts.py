"""EventFlow's side of a test: its clients, campaigns, webinars, links, visits and entries.

A ``Product`` inserts through a plain connection and records every fact as a Python object in its ``World``. The oracle
counts from there. No part of the engine is used here.
"""

import itertools
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, TypeVar, cast
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus
from psycopg.types.json import Jsonb

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.local.product_tables import LOCAL_AUTHOR


@dataclass(frozen=True)
class Link:
    """A tracking link of a client. ``cid`` is the code that visits and entries have."""

    client_id: UUID
    cid: str | None
    id: UUID = field(default_factory=uuid4)


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One row of the access log.

    ``at`` is the time of the page view, ``link_id`` the stored link, ``entry_id`` the entry that the visit led to.
    ``ingested_at`` is the time when the row was written; None means the time of the page view.
    """

    at: datetime
    ingested_at: datetime | None = None
    campaign_id: UUID | None = None
    webinar_id: UUID | None = None
    session_id: str = ""
    link_id: UUID | None = None
    cid: str | None = None
    entry_id: UUID | None = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    id: UUID = field(default_factory=uuid4)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One submitted entry.

    ``cid`` is in its registration data, which is NULL without one. ``completed_at`` None means the time of its creation.
    """

    at: datetime
    completed_at: datetime | None = None
    campaign_id: UUID
    link_id: UUID | None = None
    cid: str | None = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    id: UUID = field(default_factory=uuid4)


Fact = TypeVar("Fact", bound=Visit | Entry)


@dataclass
class World:
    """Everything that the product's tables contain."""

    clients: list[UUID] = field(default_factory=list)
    campaigns: dict[UUID, UUID] = field(default_factory=dict)
    """The id of each campaign's client, by the id of the campaign."""
    webinars: dict[UUID, UUID | None] = field(default_factory=dict)
    """The id of each webinar's client, or None, by the id of the webinar."""
    links: list[Link] = field(default_factory=list)
    visits: dict[UUID, Visit] = field(default_factory=dict)
    entries: dict[UUID, Entry] = field(default_factory=dict)


def connect(database: Database) -> psycopg.Connection:
    """Return a plain connection as the URL's user, in autocommit: each statement is a transaction."""
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(url, autocommit=True)


_numbers = itertools.count(1)


class Product:
    """Writes to EventFlow's tables. Every call is committed when it returns (see ``connect``)."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection
        self.world = World()

    def client(self, name: str = "client") -> UUID:
        client_id = uuid4()
        self.connection.execute("INSERT INTO clients (id, name) VALUES (%s, %s)", [client_id, name])
        self.world.clients.append(client_id)
        return client_id

    def campaign(self, client_id: UUID) -> UUID:
        campaign_id = uuid4()
        self.connection.execute(
            "INSERT INTO event_survey_campaigns (id, client_id, title, public_path, created_by) "
            "VALUES (%s, %s, 'c', %s, %s)",
            [campaign_id, client_id, str(campaign_id), LOCAL_AUTHOR],
        )
        self.world.campaigns[campaign_id] = client_id
        return campaign_id

    def webinar(self, client_id: UUID | None) -> UUID:
        webinar_id = uuid4()
        self.connection.execute(
            "INSERT INTO webinars (id, client_id, title) VALUES (%s, %s, 'w')", [webinar_id, client_id]
        )
        self.world.webinars[webinar_id] = client_id
        return webinar_id

    def link(self, campaign_id: UUID, cid: str | None = None) -> Link:
        """Insert a link to a campaign, of that campaign's client."""
        made = Link(self.world.campaigns[campaign_id], cid)
        self.connection.execute(
            "INSERT INTO campaign_link_meta (id, client_id, name, target_campaign_id, cid) VALUES (%s, %s, %s, %s, %s)",
            [made.id, made.client_id, str(made.id), campaign_id, cid],
        )
        self.world.links.append(made)
        return made

    def add(self, *facts: Visit | Entry) -> None:
        """Insert facts. All are committed together, in the connection's open transaction if it has one."""
        visits = [fact for fact in facts if isinstance(fact, Visit)]
        entries = [fact for fact in facts if isinstance(fact, Entry)]
        is_open = self.connection.info.transaction_status != TransactionStatus.IDLE
        with nullcontext() if is_open else self.connection.transaction(), self.connection.cursor() as cursor:
            cursor.executemany(_insert(Entry), [_entry_row(entry) for entry in entries])
            cursor.executemany(_insert(Visit), [_visit_row(visit) for visit in visits])
        self.world.visits.update((visit.id, visit) for visit in visits)
        self.world.entries.update((entry.id, entry) for entry in entries)

    def change(self, fact: Fact, **values: Any) -> Fact:
        """Update a fact, as in ``change(visit, utm_source="kakao")``; returns the changed fact."""
        changed = replace(fact, **values)
        row = _visit_row(changed) if isinstance(changed, Visit) else _entry_row(changed)
        statement = sql.SQL("UPDATE {} SET {} WHERE id = {}").format(
            _table(type(fact)),
            sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(row[name]))
                for name in row
                if name not in ("id", "phone_norm", "survey_no", "code6")
            ),
            sql.Literal(fact.id),
        )
        self.connection.execute(statement)
        self._kept(type(fact))[fact.id] = changed
        return changed

    def delete(self, facts: Iterable[Visit | Entry]) -> None:
        for fact in list(facts):
            self.connection.execute(sql.SQL("DELETE FROM {} WHERE id = %s").format(_table(type(fact))), [fact.id])
            del self._kept(type(fact))[fact.id]

    def _kept(self, kind: type[Any]) -> dict[UUID, Any]:
        return cast("dict[UUID, Any]", self.world.visits if kind is Visit else self.world.entries)


def _visit_row(visit: Visit) -> dict[str, Any]:
    row = _columns(visit) | {"accessed_at": visit.at, "created_at": visit.ingested_at or visit.at}
    del row["ingested_at"]
    return row


def _entry_row(entry: Entry) -> dict[str, Any]:
    number = next(_numbers)
    row = _columns(entry) | {
        "created_at": entry.at,
        "completed_at": entry.completed_at or entry.at,
        "registration_data": None if entry.cid is None else Jsonb({"cid": entry.cid}),
        "phone_norm": f"phone {entry.id}",
        "survey_no": number,
        "code6": str(number),
    }
    del row["cid"]
    return row


def _columns(fact: Visit | Entry) -> dict[str, Any]:
    row = {item.name: getattr(fact, item.name) for item in fields(fact)}
    del row["at"]
    row["marketing_campaign_link_id"] = row.pop("link_id")
    return row


def _table(kind: type[Any]) -> sql.Identifier:
    return sql.Identifier("event_access_logs" if kind is Visit else "event_survey_entries")


def _insert(kind: type[Visit] | type[Entry]) -> sql.Composed:
    names = [
        *("id", "campaign_id", "marketing_campaign_link_id", "utm_source", "utm_medium", "utm_campaign"),
        *(
            ("webinar_id", "session_id", "cid", "entry_id", "accessed_at", "created_at")
            if kind is Visit
            else ("created_at", "completed_at", "registration_data", "phone_norm", "survey_no", "code6")
        ),
    ]
    return sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        _table(kind),
        sql.SQL(", ").join(map(sql.Identifier, names)),
        sql.SQL(", ").join(map(sql.Placeholder, names)),
    )


def forget_everything(connection: psycopg.Connection) -> None:
    """Empty the product's tables, the rollup and the ledger. This is many times faster than a new database."""
    for table in (
        *("event_access_logs", "event_survey_entries", "campaign_link_meta", "event_survey_campaigns"),
        *("webinars", "clients", "marketing_stats_daily"),
    ):
        connection.execute(sql.SQL("DELETE FROM public.{}").format(sql.Identifier(table)))
    for table in (
        "client_days",
        "days",
        "discrepancies",
        "unswept_changes",
        "marketing_data_quality_daily",
        "quality_days",
    ):
        connection.execute(sql.SQL("DELETE FROM eventflow_stats.{}").format(sql.Identifier(table)))
    connection.execute(
        "UPDATE eventflow_stats.progress "
        "SET detected_at = NULL, counters = NULL, row_changes_at = NULL, inserted_facts = NULL"
    )
