"""Authentication: verifies a Supabase-style JWT and extracts the claims that decide who may read.

The key determines the algorithm: the secret verifies HS256 alone, a public key only the algorithm of its kind. A valid
token belongs to a signed-in user (role ``authenticated``). Only the user's id and the super admin's claim reach the
database.
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
"""Maximum difference between the clocks of the issuer and of this machine."""
KEYS_VALID_SECONDS = 600
KEYS_REFETCH_SECONDS = 15
"""Minimum time between fetches that tokens with an unknown key cause."""
FETCH_SECONDS = 5
ASYMMETRIC = ("RS256", "ES256", "EdDSA")


class PublicKeys:
    """The keys of a JWKS URL. They are fetched when first needed, when they are old, and when a key is unknown."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched_at = -float("inf")
        self._fetching = asyncio.Lock()
        self._away = False

    async def get(self, key_id: str | None) -> jwt.PyJWK | None:
        """Return the key with that id, or None if it does not exist.

        Raises:
            Unavailable: the key is unknown and the keys cannot be fetched.
        """
        # A known key does not wait for a fetch of another request. An unknown key does: the fetch may find it.
        if self._is_due(key_id) and not (key_id in self._keys and self._fetching.locked()):
            async with self._fetching:
                if self._is_due(key_id):
                    await self._fetch()
        if self._away and key_id not in self._keys:
            # The key may be new, so this is not the caller's fault.
            raise Unavailable("the public keys of the tokens cannot be fetched; see EVENTFLOW_JWKS_URL")
        return self._keys.get(key_id)

    def _is_due(self, key_id: str | None) -> bool:
        age = time.monotonic() - self._fetched_at
        return age > KEYS_VALID_SECONDS or (key_id not in self._keys and age > KEYS_REFETCH_SECONDS)

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS), httpx.AsyncClient(timeout=FETCH_SECONDS) as client:
                answer = await client.get(self._url)
            answer.raise_for_status()
            self._keys = _public_keys(answer.json()["keys"])
            self._away = False
        # A wrong address may answer anything.
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, LookupError, TypeError, RecursionError):
            self._away = True
        self._fetched_at = time.monotonic()


def _public_keys(listed: list[Any]) -> dict[str | None, jwt.PyJWK]:
    """Return the public keys for signatures of a JWKS, by id.

    Raises:
        ValueError: the JWKS has none.
    """
    found: dict[str | None, jwt.PyJWK] = {}
    for entry in listed:
        try:
            key = jwt.PyJWK(entry)
        except (jwt.PyJWTError, NotImplementedError, ValueError, TypeError, AttributeError):
            continue
        # A shared secret (oct) in a public list is no secret.
        if key.algorithm_name in ASYMMETRIC and isinstance(key.key_id, str | None) and key.public_key_use != "enc":
            found[key.key_id] = key
    if not found:
        raise ValueError("no public key for signatures")
    return found


class TokenVerifier:
    """Verifies tokens with the keys of the deployment."""

    def __init__(self, settings: Settings) -> None:
        self._secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else None
        self._public_keys = PublicKeys(settings.jwks_url) if settings.jwks_url else None

    async def claims(self, token: str) -> str:
        """Return the claims for row-level security as JSON: ``sub``, ``role`` and the super admin's claim.

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
        return json.dumps(_access_claims(payload))

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


def _access_claims(payload: dict[str, Any]) -> dict[str, Any]:
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


def require_one_authorization(request: Request) -> None:
    """Raise Unauthorized for two tokens: a proxy in front of the API may have checked the other one."""
    if len(request.headers.getlist("authorization")) > 1:
        raise Unauthorized("send one `Authorization` header")


async def caller(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> str:
    """Return the claims of the caller as JSON."""
    require_one_authorization(request)
    if credentials is None:
        raise Unauthorized("a token is missing: send `Authorization: Bearer TOKEN`")
    tokens: TokenVerifier = request.app.state.tokens
    return await tokens.claims(credentials.credentials)


Claims = Annotated[str, Depends(caller)]
