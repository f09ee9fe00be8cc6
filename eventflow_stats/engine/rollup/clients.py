"""Find the client, or the link of a client, that a person names."""

from collections.abc import Sequence
from uuid import UUID

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.errors import InvalidInput


def find_clients(database: Database, wanted: Sequence[str]) -> list[UUID] | None:
    """The ids of the clients given by id, slug or name; None (all clients) when none is given.

    Raises:
        InvalidInput: a client is unknown, or several clients match.
        Refused: no connection or not migrated.
    """
    if not wanted:
        return None
    found: list[UUID] = []
    with database.session() as connection:
        for name in wanted:
            matches = connection.execute(query("names/find_clients"), {"wanted": name}).mappings().all()
            if not matches:
                raise InvalidInput(f"client {name!r} is unknown; give a client's id, slug or exact name")
            if len(matches) > 1:
                ids = ", ".join(str(match["client_id"]) for match in matches)
                raise InvalidInput(f"client {name!r} could be any of {ids}; give the id")
            found.append(matches[0]["client_id"])
    return sorted(set(found))


def find_client(database: Database, wanted: str) -> UUID:
    """The id of the one client given by id, slug or name.

    Raises:
        InvalidInput: the client is unknown, or several clients match.
        Refused: no connection or not migrated.
    """
    return (find_clients(database, [wanted]) or [])[0]


def find_link(database: Database, client: UUID, wanted: str) -> UUID:
    """The id of a client's link given by id or exact name. An id is returned unchecked: the caller checks its client.

    Raises:
        InvalidInput: the client has no link of that name, or several.
        Refused: no connection or not migrated.
    """
    try:
        return UUID(wanted)
    except ValueError:
        pass
    with database.session() as connection:
        found = list(connection.scalars(query("names/find_links"), {"client_id": client, "wanted": wanted}))
    if not found:
        raise InvalidInput(f"link {wanted!r} is unknown; give the id or the exact name of a link of this client")
    if len(found) > 1:
        raise InvalidInput(f"link {wanted!r} could be any of {', '.join(map(str, found))}; give the id")
    return UUID(str(found[0]))
