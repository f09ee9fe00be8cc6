"""Changes of the product that give facts another group without writing them, and facts that are committed late."""

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import replace
from itertools import count
from typing import Any, Literal
from uuid import UUID

from psycopg import Connection, sql

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats_tests.facts import Entry, Link, Product, Visit, connect

_names = count(1)


def move_campaign(product: Product, campaign_id: UUID, client_id: UUID) -> None:
    """Give a campaign to another client; its links stay with the old one."""
    product.connection.execute(
        "UPDATE event_survey_campaigns SET client_id = %s WHERE id = %s", [client_id, campaign_id]
    )
    product.world.campaigns[campaign_id] = client_id


def give_webinar(product: Product, webinar_id: UUID, client_id: UUID | None) -> None:
    """Give a webinar to another client, or to nobody."""
    product.connection.execute("UPDATE webinars SET client_id = %s WHERE id = %s", [client_id, webinar_id])
    product.world.webinars[webinar_id] = client_id


def change_cid(product: Product, link: Link, cid: str | None) -> None:
    """Give a link another code."""
    product.connection.execute("UPDATE campaign_link_meta SET cid = %s WHERE id = %s", [cid, link.id])
    product.world.links[product.world.links.index(link)] = replace(link, cid=cid)


def delete_link(product: Product, link: Link) -> None:
    """Delete a link. Its visits lose its id; entries still have it, because they have no foreign key."""
    product.connection.execute("DELETE FROM campaign_link_meta WHERE id = %s", [link.id])
    product.world.links.remove(link)
    for visit in product.world.visits.values():
        if visit.link_id == link.id:
            product.world.visits[visit.id] = replace(visit, link_id=None)


class SlowTransaction:
    """A transaction of the product that stays open. The world contains its facts only after the commit.

    Facts that it changed or deleted are locked until then; nobody else may write them.
    """

    def __init__(self, database: Database, product: Product) -> None:
        self._product = product
        self._connection: Connection | None = connect(database)
        self._prepared_as: str | None = None
        self._own = Product(self._connection)
        self._deleted: list[Visit | Entry] = []
        self.moves_facts = False
        """Whether it did more than add facts."""
        # The transaction begins, and gets its time, before it writes.
        self._connection.execute("BEGIN")
        self._connection.execute("SELECT now()")

    @property
    def is_prepared(self) -> bool:
        return self._prepared_as is not None

    @property
    def locked(self) -> set[UUID]:
        """Return the facts that it wrote."""
        return {*self._own.world.visits, *self._own.world.entries, *(fact.id for fact in self._deleted)}

    @property
    def links(self) -> set[UUID | None]:
        """Return the links that its facts name. They cannot be deleted before it ends."""
        facts: list[Visit | Entry] = [*self._own.world.visits.values(), *self._own.world.entries.values()]
        return {fact.link_id for fact in facts}

    def add(self, facts: Iterable[Visit | Entry], in_savepoint: bool) -> None:
        assert self._connection is not None
        with self._connection.transaction() if in_savepoint else nullcontext():
            self._own.add(*facts)

    def change(self, fact: Visit | Entry, **values: Any) -> None:
        self._own.change(fact, **values)
        self.moves_facts = True

    def delete(self, fact: Visit | Entry) -> None:
        self._kept(fact)[fact.id] = fact
        self._own.delete([fact])
        self._deleted.append(fact)
        self.moves_facts = True

    def prepare(self) -> None:
        """Prepare the transaction and close the session. It waits for its second phase."""
        assert self._connection is not None
        self._prepared_as = f"slow {next(_names)}"
        self._connection.execute(sql.SQL("PREPARE TRANSACTION {}").format(sql.Literal(self._prepared_as)))
        self._close()

    def commit(self) -> None:
        self._end("COMMIT")
        world, own = self._product.world, self._own.world
        world.visits.update(own.visits)
        world.entries.update(own.entries)
        for fact in self._deleted:
            (world.visits if isinstance(fact, Visit) else world.entries).pop(fact.id)

    def rollback(self) -> None:
        self._end("ROLLBACK")

    def _end(self, how: Literal["COMMIT", "ROLLBACK"]) -> None:
        if self._prepared_as is not None:
            self._product.connection.execute(
                sql.SQL("{} PREPARED {}").format(sql.SQL(how), sql.Literal(self._prepared_as))
            )
        elif self._connection is not None:
            self._connection.execute(how)
            self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _kept(self, fact: Visit | Entry) -> dict[UUID, Any]:
        return self._own.world.visits if isinstance(fact, Visit) else self._own.world.entries
