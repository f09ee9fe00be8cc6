"""A real HTTP server of public keys (JWKS) that can fail in every way, and keys to sign with."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

RSA = rsa.generate_private_key(65537, 2048)
ANOTHER_RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED25519 = ed25519.Ed25519PrivateKey.generate()
PRIVATE = {"RS256": RSA, "ES256": EC, "EdDSA": ED25519}


def public(key: Any, key_id: str, **changes: Any) -> dict[str, Any]:
    """The public key as an entry of a JWKS. A member given as None is left out."""
    kind = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    made: dict[str, Any] = (OKPAlgorithm if isinstance(key, ed25519.Ed25519PrivateKey) else kind).to_jwk(
        key.public_key(), as_dict=True
    )
    made = made | {"kid": key_id, "use": "sig"} | changes
    return {name: value for name, value in made.items() if value is not None}


class KeyServer(ThreadingHTTPServer):
    """Answers with ``body`` and ``status`` when ``may_answer`` is set, and counts the requests."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.body, self.status, self.fetched = b"", 200, 0
        self.was_asked, self.may_answer = threading.Event(), threading.Event()
        self.may_answer.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/auth/v1/.well-known/jwks.json"

    def publish(self, *keys: dict[str, Any]) -> None:
        self.status, self.body = 200, json.dumps({"keys": keys}).encode()


class _Handler(BaseHTTPRequestHandler):
    server: KeyServer

    def do_GET(self) -> None:
        self.server.fetched += 1
        self.server.was_asked.set()
        self.server.may_answer.wait()
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("Location", self.server.url)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_args: object) -> None:
        """Log nothing."""


@contextmanager
def key_server() -> Iterator[KeyServer]:
    with KeyServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.may_answer.set()
            server.shutdown()
            thread.join()
