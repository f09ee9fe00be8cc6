"""Tokens signed with a private key, verified with the public keys of a JWKS URL: rotation, outages, confusion."""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from eventflow_stats.api import auth as callers
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats_tests.api.key_server import ANOTHER_RSA, EC, ED25519, PRIVATE, RSA, KeyServer, key_server, public
from eventflow_stats_tests.api.serving import SECRET, serving, settings_for, token
from eventflow_stats_tests.api.test_tokens import assembled, claims

UNFETCHED = "the public keys of the tokens cannot be fetched; see EVENTFLOW_JWKS_URL"
OCT = {"kty": "oct", "k": urlsafe_b64encode(SECRET.encode()).rstrip(b"=").decode(), "kid": "a"}


@pytest.fixture
def keys() -> Iterator[KeyServer]:
    with key_server() as server:
        server.publish(public(RSA, "a"))
        yield server


@contextmanager
def verifying(database: Database, keys: KeyServer, **changes: Any) -> Iterator[httpx.Client]:
    """An API that accepts tokens of those keys only, unless ``changes`` add others."""
    settings = settings_for(database, jwks_url=keys.url, **{"jwt_secret": None, **changes})
    with serving(settings) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def status(api: httpx.Client, made: str) -> int:
    """404 if the token is valid, because the client does not exist; otherwise 401 or 503."""
    answer = api.get(f"/api/clients/{uuid4()}/campaigns/summary", headers={"Authorization": f"Bearer {made}"})
    if answer.status_code == 503:
        assert answer.json() == {"error": "unavailable", "detail": UNFETCHED}
        assert answer.headers["retry-after"]
    return answer.status_code


def signed(key: Any, algorithm: str, key_id: str | None = "a", **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm, {"kid": key_id} if key_id else None)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown key always causes a fetch."""
    monkeypatch.setattr(callers, "KEYS_REFETCH_SECONDS", -1)


@pytest.fixture
def never_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit does not expire during the test, even on a slow machine."""
    monkeypatch.setattr(callers, "KEYS_REFETCH_SECONDS", 3600)
    monkeypatch.setattr(callers, "KEYS_VALID_SECONDS", 3600)


@pytest.mark.parametrize("algorithm", PRIVATE)
@pytest.mark.parametrize("named", [True, False])
def test_a_token_of_each_kind_of_key_is_valid(database: Database, keys: KeyServer, algorithm: str, named: bool) -> None:
    keys.publish(public(PRIVATE[algorithm], "a", alg=algorithm if named else None))
    with verifying(database, keys) as api:
        assert status(api, signed(PRIVATE[algorithm], algorithm)) == 404
        for changes in ({"exp": int(time.time()) - 60}, {"aud": "anon"}, {"role": "service_role"}, {"sub": "17"}):
            assert status(api, signed(PRIVATE[algorithm], algorithm, **changes)) == 401
        assert status(api, signed(PRIVATE[algorithm], algorithm)[:-8] + "AAAAAAAA") == 401


@pytest.mark.parametrize(
    ("key", "algorithm", "key_id"),
    [
        (ANOTHER_RSA, "RS256", "a"),
        (RSA, "RS256", None),
        (RSA, "RS384", "a"),
        (RSA, "PS256", "a"),
        (EC, "ES256", "a"),
        (ED25519, "EdDSA", "a"),
    ],
)
def test_a_key_verifies_only_its_own_algorithm_and_id(
    database: Database, keys: KeyServer, key: Any, algorithm: str, key_id: str | None
) -> None:
    with verifying(database, keys) as api:
        assert status(api, signed(key, algorithm, key_id)) == 401
        assert status(api, signed(RSA, "RS256")) == 404


@pytest.mark.parametrize("with_secret", [False, True])
def test_a_public_key_is_no_secret(database: Database, keys: KeyServer, with_secret: bool) -> None:
    numbers = RSA.public_key()
    with verifying(
        database, keys, **({} if not with_secret else {"jwt_secret": settings_for(database).jwt_secret})
    ) as api:
        assert status(api, signed(RSA, "RS256")) == 404
        for form in (PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1):
            for encoding in (Encoding.PEM, Encoding.DER):
                stolen = numbers.public_bytes(encoding, form)
                for secret in (stolen, stolen.rstrip(b"\n")):
                    for algorithm in ("HS256", "RS256"):
                        forged = assembled({"alg": algorithm, "kid": "a"}, claims(), "sha256", secret)
                        assert status(api, forged) == 401


def test_secret_and_public_keys_work_together(database: Database, keys: KeyServer) -> None:
    with verifying(database, keys, jwt_secret=settings_for(database).jwt_secret) as api:
        assert status(api, token(uuid4())) == 404
        assert keys.fetched == 0
        assert status(api, signed(RSA, "RS256")) == 404
        assert status(api, signed(ANOTHER_RSA, "RS256")) == 401
        assert status(api, token(uuid4(), SECRET[::-1])) == 401


def test_without_a_secret_its_tokens_are_refused(database: Database, keys: KeyServer) -> None:
    with verifying(database, keys) as api:
        assert status(api, token(uuid4())) == 401
    with serving(settings_for(database)) as url, httpx.Client(base_url=url) as api:
        assert status(api, signed(RSA, "RS256")) == 401
    assert keys.fetched == 0


@pytest.mark.parametrize("named", [{}, {"alg": "HS256"}, {"alg": "RS256"}, {"alg": "none"}])
def test_a_shared_secret_among_the_public_keys_is_not_used(
    database: Database, keys: KeyServer, named: dict[str, str]
) -> None:
    keys.publish(OCT | named, public(EC, "b"))
    with verifying(database, keys) as api:
        assert status(api, signed(EC, "ES256", "b")) == 404
        for algorithm in ("HS256", "RS256", "none"):
            assert status(api, assembled({"alg": algorithm, "kid": "a"}, claims(), "sha256")) == 401


def test_a_new_key_is_fetched_and_a_withdrawn_one_is_refused(
    database: Database, keys: KeyServer, at_once: None
) -> None:
    with verifying(database, keys) as api:
        assert status(api, signed(RSA, "RS256")) == 404
        keys.publish(public(EC, "b"))
        assert status(api, signed(EC, "ES256", "b")) == 404
        assert status(api, signed(RSA, "RS256")) == 401


def test_unknown_keys_cause_no_more_fetches_than_the_limit(
    database: Database, keys: KeyServer, never_again: None
) -> None:
    with verifying(database, keys) as api:
        for number in range(20):
            assert status(api, signed(RSA, "RS256", f"unknown {number}")) == 401
        assert status(api, signed(RSA, "RS256")) == 404
    assert keys.fetched == 1


def test_tokens_wait_for_keys_that_are_being_fetched(database: Database, keys: KeyServer, never_again: None) -> None:
    keys.may_answer.clear()
    made = signed(RSA, "RS256")
    with verifying(database, keys) as api, ThreadPoolExecutor(8) as pool:
        first = pool.submit(status, api, made)
        assert keys.was_asked.wait(30)
        others = [pool.submit(status, api, made) for _ in range(6)]
        # A request without a key is answered while the six others wait.
        assert status(api, "x") == 401
        keys.may_answer.set()
        assert {answer.result() for answer in (first, *others)} == {404}
    assert keys.fetched == 1


def test_without_any_key_the_service_is_unavailable_until_the_keys_are_there(
    database: Database, keys: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callers, "KEYS_REFETCH_SECONDS", 3600)
    keys.status = 500
    with verifying(database, keys) as api:
        for _ in range(3):
            assert status(api, signed(RSA, "RS256")) == 503
        assert keys.fetched == 1
        # These tokens cannot be signed with a key of this server.
        assert status(api, token(UUID(int=1))) == 401
        keys.status = 200
        monkeypatch.setattr(callers, "KEYS_REFETCH_SECONDS", -1)
        assert status(api, signed(RSA, "RS256")) == 404


GARBAGE = (
    b"", b"[]", b"null", b"7", b'"keys"', b"{", b"<html>", b"\xff\xfe", b"{}", b'{"keys": null}', b'{"keys": 7}',
    b'{"keys": {}}', b'{"keys": []}', b'{"keys": [7, null, "x", []]}', b'{"keys": [{}]}', b'{"keys": [{"kty": "RSA"}]}',
    b'{"keys": [{"kty": "RSA", "n": 7, "e": 7}]}', b'{"keys": [{"kty": ["RSA"]}]}', b"[" * 100_000,
    b'{"keys": [{"kty": "RSA", "alg": {}}]}', b'{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AQ"}]}',
)  # fmt: skip


def test_known_keys_stay_valid_while_the_url_is_away_or_answers_garbage(
    database: Database, keys: KeyServer, at_once: None
) -> None:
    good = keys.body
    with verifying(database, keys) as api:
        assert status(api, signed(RSA, "RS256")) == 404
        for status_code, body in ((500, good), (404, good), (302, b""), *((200, garbage) for garbage in GARBAGE)):
            keys.status, keys.body = status_code, body
            before = keys.fetched
            assert status(api, signed(RSA, "RS256", "unknown")) == 503
            assert keys.fetched == before + 1, body[:40]
            assert status(api, signed(RSA, "RS256")) == 404


def test_garbage_instead_of_the_first_keys_is_503(database: Database, keys: KeyServer, at_once: None) -> None:
    with verifying(database, keys) as api:
        for body in (*GARBAGE, json.dumps({"keys": [OCT]}).encode()):
            keys.body = body
            assert status(api, signed(RSA, "RS256")) == 503, body[:40]
        keys.publish(public(RSA, "a"))
        assert status(api, signed(RSA, "RS256")) == 404


def test_an_unusable_key_is_ignored(database: Database, keys: KeyServer) -> None:
    keys.publish(public(RSA, "a", kid=["a"]), public(EC, "b"), public(ANOTHER_RSA, "c", use="enc"))
    with verifying(database, keys) as api:
        assert status(api, signed(EC, "ES256", "b")) == 404
        assert status(api, signed(RSA, "RS256")) == 401
        assert status(api, signed(ANOTHER_RSA, "RS256", "c")) == 401


def test_old_keys_are_fetched_again_and_stay_valid_while_that_fails(
    database: Database, keys: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callers, "KEYS_VALID_SECONDS", -1)
    with verifying(database, keys) as api:
        for expected in (1, 2):
            assert status(api, signed(RSA, "RS256")) == 404
            assert keys.fetched == expected
        keys.status = 503
        assert status(api, signed(RSA, "RS256")) == 404
        assert keys.fetched == 3
