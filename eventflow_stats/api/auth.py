"""Who asks: a Supabase-style JWT, verified, and of it only what decides who may read (read_api.md, Who may read).

The algorithm is pinned by the key: the secret verifies HS256 alone, a public key only the algorithm of its kind. A
token speaks for a signed-in user (role ``authenticated``) or for nobody; what it says beyond the user and the
super admin's claim never reaches the database.
"""

import asyncio
import json
import time
from typing import Annotated, Any
from uuid import UUID

import httpx
import jwt
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from eventflow_stats.api.errors import Unauthorized, Unavailable
from eventflow_stats.settings import JWT_AUDIENCE, Settings

LEEWAY_SECONDS = 10
"""By how much the clocks of who signs and who verifies may differ."""
KEYS_STAY_SECONDS = 600
KEYS_AGAIN_SECONDS = 15
"""A token with an unknown key makes the keys be fetched again, not more often than this."""
FETCH_SECONDS = 5
ASYMMETRIC = ("RS256", "ES256", "EdDSA")


class PublicKeys:
    """The keys of a JWKS URL, fetched when first needed and again when they are old or one is unknown."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched_at = -float("inf")
        self._fetching = asyncio.Lock()
        self._away = False

    async def get(self, key_id: str | None) -> jwt.PyJWK | None:
        """The key of that id; None: there is no such key.

        Raises:
            Unavailable: the keys cannot be fetched and this one is not known.
        """
        # A key in hand does not wait for what another request fetches; an unknown one does: it may be among them.
        if self._is_due(key_id) and not (key_id in self._keys and self._fetching.locked()):
            async with self._fetching:
                if self._is_due(key_id):
                    await self._fetch()
        if self._away and key_id not in self._keys:
            # It may be a new one: not the caller's fault.
            raise Unavailable("the public keys of the tokens cannot be fetched; see EVENTFLOW_JWKS_URL")
        return self._keys.get(key_id)

    def _is_due(self, key_id: str | None) -> bool:
        age = time.monotonic() - self._fetched_at
        return age > KEYS_STAY_SECONDS or (key_id not in self._keys and age > KEYS_AGAIN_SECONDS)

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS), httpx.AsyncClient(timeout=FETCH_SECONDS) as client:
                answer = await client.get(self._url)
            answer.raise_for_status()
            self._keys = _usable(answer.json()["keys"])
            self._away = False
        # Whatever a wrong address answers: no JSON, or another shape of it.
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, LookupError, TypeError, RecursionError):
            self._away = True
        self._fetched_at = time.monotonic()


def _usable(listed: list[Any]) -> dict[str | None, jwt.PyJWK]:
    """The public keys for signatures in a JWKS, by id.

    Raises:
        ValueError: there is none.
    """
    found: dict[str | None, jwt.PyJWK] = {}
    for entry in listed:
        try:
            key = jwt.PyJWK(entry)
        except (jwt.PyJWTError, NotImplementedError, ValueError, TypeError, AttributeError):
            continue
        # A shared secret (oct) in a public list is known to everybody.
        if key.algorithm_name in ASYMMETRIC and isinstance(key.key_id, str | None) and key.public_key_use != "enc":
            found[key.key_id] = key
    if not found:
        raise ValueError("no public key for signatures")
    return found


class Tokens:
    """Verifies tokens by the settings of the deployment."""

    def __init__(self, settings: Settings) -> None:
        self._secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else None
        self._public_keys = PublicKeys(settings.jwks_url) if settings.jwks_url else None

    async def claims(self, token: str) -> str:
        """The claims that the database decides by, as JSON: ``sub``, ``role`` and the super admin's.

        Raises:
            Unauthorized: the token is malformed, forged, expired, for another audience or not a signed-in user's.
            Unavailable: the public keys cannot be fetched.
        """
        key, algorithm = await self._key_for(token)
        try:
            payload = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=JWT_AUDIENCE,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthorized("the token has expired; sign in again") from None
        except jwt.InvalidAudienceError:
            raise Unauthorized("the token is made for another audience") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise Unauthorized("the token is not valid") from None
        if payload.get("role") != "authenticated":
            raise Unauthorized("the token is not that of a signed-in user")
        return json.dumps(_deciding(payload))

    async def _key_for(self, token: str) -> tuple[Any, str]:
        if self._secret is None and self._public_keys is None:
            raise Unauthorized("no token can be verified: neither EVENTFLOW_JWT_SECRET nor EVENTFLOW_JWKS_URL is set")
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise Unauthorized("the token is not a JWT") from None
        if header.get("alg") == "HS256" and self._secret is not None:
            return self._secret, "HS256"
        if header.get("alg") in ASYMMETRIC and self._public_keys is not None:
            key = await self._public_keys.get(header.get("kid"))
            if key is not None:
                return key, str(key.algorithm_name)
        raise Unauthorized("the token is signed by a key or an algorithm that is not accepted here")


def _deciding(payload: dict[str, Any]) -> dict[str, Any]:
    try:
        user = UUID(str(payload["sub"]))
    except ValueError:
        raise Unauthorized("the token names no user") from None
    claims: dict[str, Any] = {"sub": str(user), "role": "authenticated"}
    app_metadata = payload.get("app_metadata")
    if isinstance(app_metadata, dict) and app_metadata.get("is_super_admin") is True:
        claims["app_metadata"] = {"is_super_admin": True}
    return claims


_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="A Supabase-style token of a signed-in user.")


def one_authorization(request: Request) -> None:
    """Raises Unauthorized for two tokens: what stands in front of the API may have looked at the other one."""
    if len(request.headers.getlist("authorization")) > 1:
        raise Unauthorized("send one `Authorization` header")


async def caller(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> str:
    """The claims of who asks, as JSON."""
    one_authorization(request)
    if credentials is None:
        raise Unauthorized("a token is missing: send `Authorization: Bearer TOKEN`")
    tokens: Tokens = request.app.state.tokens
    return await tokens.claims(credentials.credentials)


Claims = Annotated[str, Depends(caller)]
