"""The OpenAPI document describes every answer: schemathesis sends random requests with and without a token.

The operations come from the document of the running service, so a new one is tested too.
"""

from collections.abc import Iterator
from typing import Any

import httpx
import hypothesis
import jsonschema_rs
import pytest
import schemathesis
from pydantic import BaseModel, SecretStr
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from eventflow_stats.api.application import create_app
from eventflow_stats.api.schemas.explanation import Explanation
from eventflow_stats.api.schemas.numbers import Links, LinkStats, Overview, Summary
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.settings import Settings
from eventflow_stats_tests.api.serving import serving, settings_for, token
from eventflow_stats_tests.api.shop import COMPUTED, MISSING, Shop
from eventflow_stats_tests.conftest import Cluster
from eventflow_stats_tests.facts import connect
from eventflow_stats_tests.running import free_port

CRON_SECRET = SecretStr("known to the scheduler alone")


def did_not_fail(_context: Any, response: Any, _case: Any) -> None:
    """503 is a valid answer: /healthz reports that no schedule runs for this shop. Other 5xx are failures."""
    assert response.status_code < 500 or response.status_code == 503


CHECKS: list[Any] = [
    did_not_fail,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    unsupported_method,
]


@pytest.fixture(scope="module")
def served(cluster: Cluster) -> Iterator[tuple[str, Shop]]:
    url = cluster.migrated("UTC")
    database = Database(url, Settings())
    with connect(database) as connection:
        shop = Shop(database, connection)
        # Dagster is away, so that the cron route launches nothing.
        away = f"http://127.0.0.1:{free_port()}/graphql"
        with serving(settings_for(database, cron_secret=CRON_SECRET, dagster_graphql_url=away)) as base:
            yield base, shop
    cluster.drop(url)


# The document needs no database; each call gets its base URL.
schema = schemathesis.openapi.from_dict(create_app(Settings(database_url="postgresql://localhost/none")).openapi())


@schema.parametrize()
@hypothesis.settings(max_examples=50, deadline=None, database=None, derandomize=True)
def test_every_answer_is_documented(case: schemathesis.Case[Any], served: tuple[str, Shop]) -> None:
    url, shop = served
    key = CRON_SECRET.get_secret_value() if case.operation.path.startswith("/api/cron/") else token(shop.member)
    member = {"Authorization": f"Bearer {key}"}
    for headers in ({}, member):
        case.call_and_validate(base_url=url, checks=CHECKS, headers=headers)
    # An existing client and link, and a valid range, to get answers other than 400 and 404.
    ids = {"client_id": str(shop.ours), "link_id": str(shop.link)}
    case.path_parameters = {name: ids.get(name, value) for name, value in (case.path_parameters or {}).items()}
    case.call_and_validate(base_url=url, checks=CHECKS, headers=member)
    if case.operation.query:
        for first in (MISSING, COMPUTED[0]):
            days = {"from": str(first), "to": str(COMPUTED[-1]), "day": str(COMPUTED[-1])}
            known = {parameter.name for parameter in case.operation.query}
            case.query = {**case.query, **{name: day for name, day in days.items() if name in known}}
            case.call_and_validate(base_url=url, checks=CHECKS, headers=member)


@pytest.mark.parametrize("answer", [Summary, Links, LinkStats, Overview, Explanation])
def test_each_answer_has_a_valid_example(answer: type[BaseModel]) -> None:
    described = create_app(Settings(database_url="postgresql://localhost/none")).openapi()
    component = described["components"]["schemas"][answer.__name__]
    (example,) = component["examples"]
    validator = jsonschema_rs.validator_for({**described, **component}, validate_formats=True)
    assert [error.message for error in validator.iter_errors(example)] == []
    # The example has every field except those of adjustments and sealed days, which are rare. Parts add up to totals.
    assert set(component["properties"]) - set(example) == {"_adjusted", "_sealed"} & set(component["properties"])
    for name, items in example.items():
        if name.startswith("conversions_by_"):
            assert sum(item["count"] for item in items) == example["total_conversions"]
            assert sum(item["visits"] for item in items) == example["total_visits"]


def test_an_example_has_the_fields_of_the_answer(served: tuple[str, Shop]) -> None:
    url, shop = served
    described = httpx.get(f"{url}/openapi.json").json()["components"]["schemas"]
    member = {"Authorization": f"Bearer {token(shop.member)}"}
    for name, route in (
        ("Summary", "campaigns/summary"),
        ("Links", "campaigns/links"),
        ("LinkStats", f"campaigns/links/{shop.link}/stats"),
        ("Overview", "statistics/overview"),
    ):
        days = {"from": str(COMPUTED[0]), "to": str(COMPUTED[-1])}
        answer = httpx.get(f"{url}/api/clients/{shop.ours}/{route}", params=days, headers=member).json()
        assert keys(described[name]["examples"][0]) <= keys(answer)
        assert set(answer) == set(described[name]["examples"][0])


def keys(value: Any) -> set[str]:
    """The names of all fields at every depth."""
    if isinstance(value, dict):
        return set(value).union(*map(keys, value.values()))
    return set().union(*map(keys, value)) if isinstance(value, list) else set()
