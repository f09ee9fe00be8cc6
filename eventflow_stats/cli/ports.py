"""Free ports of this machine."""

import socket
import time

from eventflow_stats.errors import Refused


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def require_free_port(host: str, port: int, seconds: float, remedy: str) -> None:
    """Refuse a port that is in use for longer than some seconds; a process just killed holds its port for a moment."""
    deadline = time.monotonic() + seconds
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                if time.monotonic() >= deadline:
                    raise Refused(f"cannot listen on {host}:{port}: {error.strerror}; {remedy}") from None
            else:
                return
        time.sleep(0.1)
