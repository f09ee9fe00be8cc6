"""A minimal pooler in transaction mode: a client has a server session during a transaction, and the next client gets
that session in the same state."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

STARTUP = struct.pack("!i", 3 << 16)
AUTHENTICATED = b"R" + struct.pack("!ii", 8, 0)
READY = b"Z" + struct.pack("!i", 5) + b"I"
ENCRYPTION = (80877103, 80877104)


class Server:
    """One session with the real server, behind its Unix socket, logged in by trust."""

    def __init__(self, path: str, user: str, database: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        words = b"\0".join(word.encode() for word in ("user", user, "database", database)) + b"\0\0"
        self.socket.sendall(struct.pack("!i", 8 + len(words)) + STARTUP + words)
        self.parameters = b""
        while (message := read_message(self.socket))[:1] != b"Z":
            if message[:1] == b"S":
                self.parameters += message


def read_exactly(source: socket.socket, size: int) -> bytes:
    read = b""
    while len(read) < size:
        part = source.recv(size - len(read))
        if not part:
            raise ConnectionError
        read += part
    return read


def read_message(source: socket.socket) -> bytes:
    head = read_exactly(source, 5)
    return head + read_exactly(source, struct.unpack("!i", head[1:])[0] - 4)


class Pooler:
    """Gives sessions to clients, first the one that was returned last."""

    def __init__(self, path: str, user: str, database: str) -> None:
        self.about = path, user, database
        self.free: list[Server] = []
        self.made: list[Server] = []
        self.lock = threading.Lock()

    def take(self) -> Server:
        with self.lock:
            if not self.free:
                self.free.append(Server(*self.about))
                self.made.append(self.free[-1])
            return self.free.pop()

    def serve(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            size = struct.unpack("!i", read_exactly(client, 4))[0]
            while struct.unpack("!i", (rest := read_exactly(client, size - 4))[:4])[0] in ENCRYPTION:
                client.sendall(b"N")
                size = struct.unpack("!i", read_exactly(client, 4))[0]
            assert rest
            server = self.take()
            self.free.append(server)
            client.sendall(AUTHENTICATED + server.parameters + READY)
            held: Server | None = None
            while True:
                message = read_message(client)
                if message[:1] == b"X":
                    return
                held = held or self.take()
                held.socket.sendall(message)
                # A simple query, or the end of an extended one: the server answers until it is ready.
                if message[:1] in (b"Q", b"S"):
                    while (answer := read_message(held.socket))[:1] != b"Z":
                        client.sendall(answer)
                    if answer[5:] == b"I":
                        self.free.append(held)
                        held = None
                    client.sendall(answer)


@contextmanager
def transaction_pooler(path: str, user: str, database: str) -> Iterator[int]:
    """Yield the port of a pooler before the server whose Unix socket is ``path``."""
    pooler = Pooler(path, user, database)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listening.accept()
                    threading.Thread(target=pooler.serve, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield int(listening.getsockname()[1])
    for server in pooler.made:
        server.socket.close()
