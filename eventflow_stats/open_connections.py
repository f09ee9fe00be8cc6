"""The open connections of one server process: how many, of which address, and which one is closed for a new one."""

import asyncio
import ipaddress
import resource
from collections.abc import Hashable
from typing import Protocol

MOST_CONNECTIONS = 800
SHARE_OF_FILES = 0.75
"""Of the files that the process may open. The rest is for the database and for files that it reads."""
STALLED_SECONDS = 30.0
"""A peer that reads nothing of its answer for this time is disconnected."""


class Connection(Protocol):
    """What this module needs of a connection."""

    def evict(self) -> None: ...
    def __hash__(self) -> int: ...


class OpenConnections:
    """Counts connections by peer address. A full server closes a connection of the address that has most of them: the
    one that has waited longest for the rest of its request. So unfinished requests lock no caller out."""

    def __init__(self, most: int | None = None) -> None:
        self._most = most or min(MOST_CONNECTIONS, int(resource.getrlimit(resource.RLIMIT_NOFILE)[0] * SHARE_OF_FILES))
        self._count = 0
        self._open: dict[Hashable, dict[Connection, None]] = {}
        self._waiting: dict[Hashable, dict[Connection, None]] = {}

    def admit(self, address: Hashable, connection: Connection) -> bool:
        """Add a new connection, which waits for its first request. False: there is no room for it."""
        if self._count >= self._most and not self._make_room(address):
            return False
        self._count += 1
        self._open.setdefault(address, {})[connection] = None
        self.mark_waiting(address, connection)
        return True

    def mark_waiting(self, address: Hashable, connection: Connection) -> None:
        """The connection waits for a request, or for the rest of one."""
        if connection in self._open.get(address, ()):
            self._waiting.setdefault(address, {})[connection] = None

    def mark_answering(self, address: Hashable, connection: Connection) -> None:
        """The request was received completely and is being answered."""
        _discard(self._waiting, address, connection)

    def remove(self, address: Hashable, connection: Connection) -> None:
        """The connection is closed."""
        _discard(self._waiting, address, connection)
        self._count -= _discard(self._open, address, connection)

    def _make_room(self, newcomer: Hashable) -> bool:
        largest = max(self._open, key=lambda address: len(self._open[address]))
        waiting = self._waiting.get(largest)
        if waiting:
            victim = next(iter(waiting))
        elif len(self._open[largest]) > len(self._open.get(newcomer, ())):
            victim = next(reversed(self._open[largest]))
        else:
            return False
        self.remove(largest, victim)
        victim.evict()
        return True


class StalledPeer:
    """Disconnects a peer that reads nothing of its answer, so that answers do not pile up in memory."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._unsent = 0
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """Start to check: the peer reads slower than the answer is written."""
        unsent = self._transport.get_write_buffer_size()
        if self._unsent and unsent >= self._unsent:
            self._transport.abort()
            return
        self._unsent = unsent
        self._timer = self._loop.call_later(STALLED_SECONDS, self.watch)

    def stop(self) -> None:
        """Stop to check: the peer reads again, or the connection is closed."""
        if self._timer is not None:
            self._timer.cancel()
        self._unsent = 0


def peer_key(client: tuple[str, int] | None) -> Hashable:
    """The address by which the limits count a peer: its IPv4 address, or the network (/64) of its IPv6 address, because
    one host may use any address of it. None for a Unix socket, where all peers count as one."""
    if client is None or ":" not in client[0]:
        return client and client[0]
    try:
        address = ipaddress.IPv6Address(client[0].partition("%")[0])
    except ValueError:
        return client[0]
    return str(address.ipv4_mapped) if address.ipv4_mapped else address.packed[:8]


def _discard(connections: dict[Hashable, dict[Connection, None]], address: Hashable, connection: Connection) -> int:
    """Remove a connection, and the address with its last one; return how many were removed."""
    of_address = connections.get(address)
    if of_address is None or connection not in of_address:
        return 0
    del of_address[connection]
    if not of_address:
        del connections[address]
    return 1
