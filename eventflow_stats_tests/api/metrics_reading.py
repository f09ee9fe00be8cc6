"""Helpers of the monitoring tests: read /metrics, get a summary, wait."""

import time
from collections.abc import Callable
from datetime import date

import httpx
from prometheus_client.parser import text_string_to_metric_families

from eventflow_stats_tests.api.serving import bearer
from eventflow_stats_tests.api.shop import COMPUTED, DAY, Shop

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
LEDGER = {
    "eventflow_freshness_seconds",
    "eventflow_stale_client_days",
    "eventflow_oldest_verification_age_seconds",
    "eventflow_unswept_changed_rows",
    "eventflow_unswept_changes_age_seconds",
    "eventflow_unswept_changes_overdue",
    "eventflow_open_discrepancies",
}


def scraped(http: httpx.Client) -> Samples:
    """Every sample of /metrics, read by Prometheus' own parser."""
    answer = http.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


def requests(samples: Samples) -> dict[tuple[str, str, str], float]:
    """Number of requests by route, method and status, without /metrics itself."""
    return {
        (found["route"], found["method"], found["status"]): number
        for (name, labels), number in samples.items()
        if name == "eventflow_http_requests_total" and (found := dict(labels))["route"] != "/metrics"
    }


def get_summary(http: httpx.Client, shop: Shop, first: date = COMPUTED[0], tag: str = "") -> httpx.Response:
    return http.get(
        f"/api/clients/{shop.ours}/campaigns/summary",
        params={"from": str(first), "to": str(DAY)},
        headers=bearer(shop.member) | ({"If-None-Match": tag} if tag else {}),
    )


def until(happened: Callable[[], object]) -> None:
    gives_up = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < gives_up
        time.sleep(0.02)
