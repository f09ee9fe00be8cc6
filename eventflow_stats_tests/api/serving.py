"""A real HTTP server of the read API, and tokens for it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import jwt
import uvicorn
from pydantic import SecretStr

from eventflow_stats.api.application import create_app
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.limited_connection import LimitedConnection
from eventflow_stats.settings import Settings

SECRET = "known to the tests alone, and long enough"


def settings_for(database: Database, **changes: Any) -> Settings:
    """The settings of an API on that database. It accepts tokens signed with SECRET."""
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    return database.settings.model_copy(update={"database_url": url, "jwt_secret": SecretStr(SECRET), **changes})


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """Run a server on a free port and yield its base URL."""
    config = uvicorn.Config(create_app(settings), host="127.0.0.1", port=0, log_level="warning", http=LimitedConnection)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        (port,) = {socket.getsockname()[1] for listener in server.servers for socket in listener.sockets}
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def token(sub: UUID | str | None, secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    """A token like those of Supabase, valid for a minute. A claim given as None is left out."""
    payload = {
        "sub": str(sub) if sub else None,
        "aud": "authenticated",
        "role": "authenticated",
        "iat": int(time.time()),
        "exp": int(time.time()) + 60,
        **claims,
    }
    return jwt.encode({key: value for key, value in payload.items() if value is not None}, secret, algorithm)


def bearer(sub: UUID | str | None, **claims: Any) -> dict[str, str]:
    """The Authorization header of that user."""
    return {"Authorization": f"Bearer {token(sub, **claims)}"}
