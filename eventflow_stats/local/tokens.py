"""Development tokens for the read API of a local database."""

import os
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import jwt

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.postgres.sql import query
from eventflow_stats.errors import Refused
from eventflow_stats.local.closed_folders import close_data_folder
from eventflow_stats.local.product_tables import LOCAL_AUTHOR, is_local
from eventflow_stats.settings import JWT_AUDIENCE, Settings


def signing_secret(settings: Settings) -> str:
    """The secret that signs tokens: setting EVENTFLOW_JWT_SECRET, else the embedded deployment's own.

    The embedded deployment's secret is made at the first call, in a file that only its user can read.

    Raises:
        Refused: no secret is set and the database is not the embedded one; only public keys are set; or the data folder
            cannot be written.
    """
    if settings.jwt_secret is not None:
        return settings.jwt_secret.get_secret_value()
    if settings.jwks_url is not None:
        raise Refused(
            "the read API accepts no token of this command: EVENTFLOW_JWKS_URL is set and EVENTFLOW_JWT_SECRET is not; "
            "set both, or unset EVENTFLOW_JWKS_URL"
        )
    if settings.database_url is not None:
        raise Refused("setting EVENTFLOW_JWT_SECRET is missing: only the embedded server has a secret of its own")
    file = settings.data_dir.expanduser().resolve() / "jwt_secret"
    try:
        return _read_or_make(file)
    except OSError as error:
        raise Refused(f"cannot use {file}: {error.strerror}; set EVENTFLOW_DATA_DIR") from error


def development_token(database: Database, client: UUID, valid: timedelta) -> str:
    """A token of the local author, who becomes an analyst of the client if not a member yet.

    Raises:
        Refused: this project did not create the database; or there is no secret.
    """
    settings = database.settings
    if not is_local(database):
        raise Refused(
            "this database's members are EventFlow's own: a development token is only for a database that "
            "eventflow-stats created; sign in to the product for a real one"
        )
    secret = signing_secret(settings)
    with database.login_session() as connection:
        connection.execute(query("import/add_local_member"), {"client_id": client, "user_id": UUID(LOCAL_AUTHOR)})
        connection.commit()
    now = datetime.now(UTC)
    claims = {
        "sub": LOCAL_AUTHOR,
        "aud": JWT_AUDIENCE,
        "role": "authenticated",
        "iat": now,
        "exp": now + valid,
    }
    return jwt.encode(claims, secret, "HS256")


def _read_or_make(file: Path) -> str:
    close_data_folder(file.parent)
    made = file.with_name(f"{file.name}.{os.getpid()}")
    if not file.exists():
        made.touch(mode=0o600)
        made.write_text(secrets.token_urlsafe(32), encoding="utf-8")
        # Of two processes, the first to link makes the secret; the other one reads it.
        try:
            os.link(made, file)
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return file.read_text(encoding="utf-8")
