"""Tokens signed with the secret: which of them authenticate a signed-in user, and how all others are refused."""

import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import httpx
import pytest

from eventflow_stats.api.auth import LEEWAY_SECONDS
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.settings import Settings
from eventflow_stats_tests.api.serving import SECRET, bearer, serving, settings_for, token
from eventflow_stats_tests.api.shop import COMPUTED, Shop
from eventflow_stats_tests.conftest import Cluster
from eventflow_stats_tests.facts import connect

USER = UUID("eeeeeeee-0000-4000-8000-000000000001")
INVALID, EXPIRED = "the token is not valid", "the token has expired; sign in again"
AUDIENCE, NO_JWT = "the token is made for another audience", "the token is not a JWT"
NO_KEY = "the token is signed by a key or an algorithm that is not accepted here"
NOT_SIGNED_IN, NO_USER = "the token is not that of a signed-in user", "the token names no user"
MISSING = "a token is missing: send `Authorization: Bearer TOKEN`"
RANGE = {"from": str(COMPUTED[0]), "to": str(COMPUTED[-1])}


@pytest.fixture(scope="module")
def shared_shop(cluster: Cluster) -> Iterator[Shop]:
    """A shop that no test in this module changes."""
    url = cluster.migrated("UTC")
    database = Database(url, Settings())
    with connect(database) as connection:
        yield Shop(database, connection)
    cluster.drop(url)


@pytest.fixture(scope="module")
def api(shared_shop: Shop) -> Iterator[httpx.Client]:
    with serving(settings_for(shared_shop.database)) as url, httpx.Client(base_url=url) as client:
        yield client


def asked(api: httpx.Client, client: UUID, headers: Any) -> httpx.Response:
    return api.get(f"/api/clients/{client}/campaigns/summary", params=RANGE, headers=headers)


def encoded(part: bytes | str | dict[str, Any]) -> bytes:
    raw = json.dumps(part).encode() if isinstance(part, dict) else part.encode() if isinstance(part, str) else part
    return urlsafe_b64encode(raw).rstrip(b"=")


def assembled(
    header: bytes | str | dict[str, Any],
    payload: bytes | str | dict[str, Any],
    digest: str = "",
    secret: bytes = SECRET.encode(),
) -> str:
    """A token assembled by hand, signed with that digest and the right secret, or with an empty signature."""
    signed = encoded(header) + b"." + encoded(payload)
    signature = hmac.new(secret, signed, digest).digest() if digest else b""
    return (signed + b"." + encoded(signature)).decode()


class In(NamedTuple):
    """A time relative to now."""

    seconds: int


def claims(**changes: Any) -> dict[str, Any]:
    """The claims of a valid token with changes. A claim given as None is left out."""
    now = int(time.time())
    made = {"sub": str(USER), "aud": "authenticated", "role": "authenticated", "exp": now + 60, **changes}
    moments = {key: now + value.seconds for key, value in made.items() if isinstance(value, In)}
    return {key: value for key, value in (made | moments).items() if value is not None}


NESTED = "[" * 20_000 + "]" * 20_000
BOMB = '{"sub": ' + NESTED + "}"

HS256 = {"alg": "HS256", "typ": "JWT"}
REFUSED_CLAIMS: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"exp": In(-3600)}, EXPIRED),
    "expired beyond the leeway": ({"exp": In(-LEEWAY_SECONDS - 1)}, EXPIRED),
    "expired in 1970": ({"exp": "0"}, EXPIRED),
    "not valid yet": ({"nbf": In(3600)}, INVALID),
    "issued in the future": ({"iat": In(3600)}, INVALID),
    "another audience": ({"aud": "anon"}, AUDIENCE),
    "other audiences": ({"aud": ["anon", "service"]}, AUDIENCE),
    "an audience that is no text": ({"aud": {"authenticated": True}}, AUDIENCE),
    "without audience": ({"aud": None}, INVALID),
    "without expiry": ({"exp": None}, INVALID),
    "an expiry that is no number": ({"exp": "never"}, INVALID),
    "an endless expiry": ({"exp": "Infinity"}, INVALID),
    "without user": ({"sub": None}, INVALID),
    "a user that is no UUID": ({"sub": "17"}, NO_USER),
    "an empty user": ({"sub": " "}, NO_USER),
    "a user that is SQL": ({"sub": "' OR true --"}, NO_USER),
    "a user with SQL behind": ({"sub": f"{USER}'; DROP TABLE clients; --"}, NO_USER),
    "a user that is a number": ({"sub": 17}, INVALID),
    "a user that is a list": ({"sub": [str(USER)]}, INVALID),
    "role anon": ({"role": "anon"}, NOT_SIGNED_IN),
    "role service_role": ({"role": "service_role"}, NOT_SIGNED_IN),
    "role of the owner": ({"role": "postgres"}, NOT_SIGNED_IN),
    "role in other letters": ({"role": "AUTHENTICATED"}, NOT_SIGNED_IN),
    "roles": ({"role": ["authenticated", "service_role"]}, NOT_SIGNED_IN),
    "without role": ({"role": None}, NOT_SIGNED_IN),
    "a role of one's own": ({"role": None, "user_metadata": {"role": "authenticated"}}, NOT_SIGNED_IN),
}


@pytest.mark.parametrize("case", REFUSED_CLAIMS)
def test_a_token_with_wrong_claims_is_refused(api: httpx.Client, shared_shop: Shop, case: str) -> None:
    changes, message = REFUSED_CLAIMS[case]
    made = claims(**{"sub": str(shared_shop.member), **changes})
    assert_refused(api, shared_shop, assembled(HS256, made, "sha256"), message)


FORGED: dict[str, tuple[str, str]] = {
    "another secret": (token(USER, SECRET[::-1]), INVALID),
    "HS512 and the right secret": (token(USER, algorithm="HS512", secret=SECRET * 2), NO_KEY),
    "HS512 by hand": (assembled({"alg": "HS512"}, claims(), "sha512"), NO_KEY),
    "HS384 by hand": (assembled({"alg": "HS384"}, claims(), "sha384"), NO_KEY),
    "none": (assembled({"alg": "none"}, claims()), NO_KEY),
    "none in other letters": (assembled({"alg": "nOnE"}, claims()), NO_KEY),
    "none, signed": (assembled({"alg": "none"}, claims(), "sha256"), NO_KEY),
    "HS256 without signature": (assembled(HS256, claims()), INVALID),
    "no algorithm": (assembled({"typ": "JWT"}, claims(), "sha256"), NO_KEY),
    "two algorithms": (assembled({"alg": ["HS256", "none"]}, claims(), "sha256"), NO_KEY),
    "RS256, no key of that kind": (assembled({"alg": "RS256", "kid": "a"}, claims(), "sha256"), NO_KEY),
    "a key of its own": (assembled({"alg": "HS256", "jwk": {"kty": "oct", "k": "YQ"}}, claims()), INVALID),
    "a key by path": (assembled({"alg": "HS256", "kid": "../../dev/null"}, claims()), INVALID),
    "a key that is no text": (assembled({"alg": "HS256", "kid": {"a": 1}}, claims(), "sha256"), NO_JWT),
    "a critical extension": (assembled(HS256 | {"crit": ["x"], "x": 1}, claims(), "sha256"), NO_JWT),
    "detached payload": (assembled(HS256 | {"crit": ["b64"], "b64": False}, claims(), "sha256"), NO_JWT),
    "claims that are a list": (assembled(HS256, "[]", "sha256"), INVALID),
    "claims that are no JSON": (assembled(HS256, "{", "sha256"), INVALID),
    "claims that are no UTF-8": (assembled(HS256, b'{"sub": "\xff"}', "sha256"), INVALID),
    "claims nested too deep": (assembled(HS256, BOMB, "sha256"), INVALID),
    "a header nested too deep": (assembled(BOMB, claims(), "sha256"), NO_JWT),
    "a header that is a list": (assembled("[]", claims(), "sha256"), NO_JWT),
    "a header that is no JSON": (assembled("alg", claims(), "sha256"), NO_JWT),
    "a word": ("x", NO_JWT),
    "two parts": ("a.b", NO_JWT),
    "three parts": ("a.b.c", NO_JWT),
    "four parts": (token(USER) + ".x", NO_JWT),
    "only dots": ("..", NO_JWT),
    "a quoted token": (f'"{token(USER)}"', NO_JWT),
    "a huge word": ("A" * 40_000, NO_JWT),
    "a huge token": (assembled(HS256, claims(x="A" * 40_000)), INVALID),
}


@pytest.mark.parametrize("case", FORGED)
def test_a_token_with_a_foreign_signature_is_refused(api: httpx.Client, shared_shop: Shop, case: str) -> None:
    assert_refused(api, shared_shop, *FORGED[case])


def assert_refused(api: httpx.Client, shop: Shop, made: str, message: str) -> None:
    """401 with that detail, for any client."""
    answers = [asked(api, client, {"Authorization": f"Bearer {made}"}) for client in (shop.ours, shop.theirs, uuid4())]
    for answer in answers:
        assert (answer.status_code, answer.headers.get("www-authenticate")) == (401, "Bearer")
        assert answer.json() == {"error": "unauthorized", "detail": message}


def test_a_token_is_valid_within_the_leeway_and_for_one_of_several_audiences(
    api: httpx.Client, shared_shop: Shop
) -> None:
    for changes in ({"exp": In(0)}, {"nbf": In(0)}, {"aud": ["other", "authenticated"]}):
        made = assembled(HS256, claims(sub=str(shared_shop.member), **changes), "sha256")
        assert asked(api, shared_shop.ours, {"Authorization": f"Bearer {made}"}).status_code == 200
        assert asked(api, shared_shop.theirs, {"Authorization": f"Bearer {made}"}).status_code == 404


@pytest.mark.parametrize("scheme", ["", "Basic ", "Token ", "JWT ", "Bearer", "bearer-token ", "Bearer\u00a0"])
def test_without_a_bearer_token_the_answer_says_what_to_send(api: httpx.Client, shared_shop: Shop, scheme: str) -> None:
    header = f"{scheme}{token(shared_shop.member)}".encode("latin-1")
    answer = asked(api, shared_shop.ours, {"Authorization": header})
    assert (answer.status_code, answer.json()["detail"]) == (401, MISSING)


@pytest.mark.parametrize("header", [b"", b"Bearer", b"\xff\xfe", b"Bearer \xc3\x28.b.c"])
def test_an_empty_or_unreadable_header_is_refused(api: httpx.Client, shared_shop: Shop, header: bytes) -> None:
    answer = asked(api, shared_shop.ours, {"Authorization": header})
    assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized")


def test_the_scheme_may_be_in_upper_or_lower_case(api: httpx.Client, shared_shop: Shop) -> None:
    for scheme in ("Bearer", "bearer", "BEARER"):
        header = {"Authorization": f"{scheme} {token(shared_shop.member)}"}
        assert asked(api, shared_shop.ours, header).status_code == 200


def test_two_authorization_headers_are_refused(api: httpx.Client, shared_shop: Shop) -> None:
    good, forged = (f"Bearer {token(shared_shop.member, secret=secret)}" for secret in (SECRET, SECRET[::-1]))
    for pair in ((good, forged), (forged, good), (good, good)):
        answer = asked(api, shared_shop.ours, [("Authorization", value) for value in pair])
        assert (answer.status_code, answer.json()["detail"]) == (401, "send one `Authorization` header")


def test_a_token_is_valid_in_the_authorization_header_only(api: httpx.Client, shared_shop: Shop) -> None:
    made = token(shared_shop.member)
    for name in ("apikey", "x-api-key", "proxy-authorization", "x-authorization", "cookie"):
        value = f"access_token={made}; sb-access-token={made}" if name == "cookie" else f"Bearer {made}"
        assert asked(api, shared_shop.ours, {name: value}).status_code == 401
    for name in ("access_token", "token", "jwt", "apikey"):
        answer = api.get(f"/api/clients/{shared_shop.ours}/campaigns/summary", params=RANGE | {name: made})
        assert answer.status_code == 401


NO_POWER: tuple[dict[str, Any], ...] = (
    {"user_metadata": {"is_super_admin": True}},
    {"user_metadata": {"role": "service_role", "app_metadata": {"is_super_admin": True}}},
    {"app_metadata": {"is_super_admin": "true"}},
    {"app_metadata": {"is_super_admin": 1}},
    {"app_metadata": {"is_super_admin": [True]}},
    {"app_metadata": [{"is_super_admin": True}]},
    {"app_metadata": '{"is_super_admin": true}'},
    {"app_metadata": {"role": "service_role", "claims_admin": True}},
    {"is_super_admin": True},
    {"user_role": "service_role", "roles": ["service_role"]},
    {"request.jwt.claim.sub": "00000000-0000-0000-0000-000000000000"},
)


@pytest.mark.parametrize("more", NO_POWER)
def test_other_claims_of_a_token_give_no_access(api: httpx.Client, shared_shop: Shop, more: dict[str, Any]) -> None:
    assert asked(api, shared_shop.ours, bearer(shared_shop.member, **more)).status_code == 200
    for sub, client in ((shared_shop.member, shared_shop.theirs), (uuid4(), shared_shop.ours)):
        assert asked(api, client, bearer(sub, **more)).status_code == 404


def test_a_super_admin_reads_every_client(api: httpx.Client, shared_shop: Shop) -> None:
    header = bearer(uuid4(), app_metadata={"is_super_admin": True, "provider": "email"})
    for client in (shared_shop.ours, shared_shop.theirs):
        assert asked(api, client, header).json()["_source"] == "aggregated"
    unknown = asked(api, uuid4(), header)
    assert (unknown.status_code, unknown.json()["error"]) == (404, "not_found")


def test_without_a_secret_and_without_keys_every_token_is_refused(shared_shop: Shop) -> None:
    with serving(settings_for(shared_shop.database, jwt_secret=None)) as url, httpx.Client(base_url=url) as api:
        for made in (token(shared_shop.member), assembled({"alg": "none"}, claims(sub=str(shared_shop.member)))):
            answer = asked(api, shared_shop.ours, {"Authorization": f"Bearer {made}"})
            assert (answer.status_code, answer.json()["detail"]) == (
                401,
                "no token can be verified: neither EVENTFLOW_JWT_SECRET nor EVENTFLOW_JWKS_URL is set",
            )
