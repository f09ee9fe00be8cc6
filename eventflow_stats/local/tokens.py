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
    """The secret that tokens are signed with: setting EVENTFLOW_JWT_SECRET, else the embedded deployment's own, made
    the first time it is asked for and readable by its user alone.

    Raises:
        Refused: no secret is set and the database is not the embedded one, or public keys alone count; or the data
            folder cannot be written.
    """
    if settings.jwt_secret is not None:
        return settings.jwt_secret.get_secret_value()
    if settings.jwks_url is not None:
        raise Refused(
            "the read API takes no token signed here: EVENTFLOW_JWKS_URL is set and EVENTFLOW_JWT_SECRET is not; set "
            "both, or unset EVENTFLOW_JWKS_URL"
        )
    if settings.database_url is not None:
        raise Refused("setting EVENTFLOW_JWT_SECRET is missing: only the embedded server has a secret of its own")
    file = settings.data_dir.expanduser().resolve() / "jwt_secret"
    try:
        return _read_or_make(file)
    except OSError as error:
        raise Refused(f"cannot use {file}: {error.strerror}; set EVENTFLOW_DATA_DIR") from error


def development_token(database: Database, client: UUID, valid: timedelta) -> str:
    """A token of the local author, who becomes an analyst of the client if no member yet.

    Raises:
        Refused: the database is EventFlow's own, not one laid by this project; or no secret is to be had.
    """
    settings = database.settings
    if not is_local(database):
        raise Refused(
            "this database's members are EventFlow's own: a development token is only for a database laid by "
            "eventflow-stats; sign in to the product for a real one"
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
        # Whoever links first has made the secret; the other one takes it.
        try:
            os.link(made, file)
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return file.read_text(encoding="utf-8")
