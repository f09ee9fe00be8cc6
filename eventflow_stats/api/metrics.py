"""The metrics for Prometheus: requests by route, answers by source, and the status of the rollup.

No label comes from a request: routes are templates, methods and sources are fixed words. Each application has its own
registry, so of several processes each reports its own requests.
"""

import time
from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import choose_encoder
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eventflow_stats.engine.status.answer_counts import AnswerSource
from eventflow_stats.engine.status.health import Status

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds: from a 304 to EVENTFLOW_API_TIMEOUT."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SOURCES: tuple[AnswerSource, ...] = ("aggregated", "raw")
UNKNOWN = "unknown"
# The text format that every scraper reads.
_encode, CONTENT_TYPE = choose_encoder("")


class Metrics:
    """The metrics of one application. ``count_answer`` is called with the source of each answer."""

    def __init__(self, count_answer: Callable[[AnswerSource], None]) -> None:
        self._count_answer = count_answer
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._requests = Counter(
            "eventflow_http_requests_total",
            "Requests by route template, method and status.",
            ("route", "method", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "eventflow_http_request_duration_seconds",
            "Seconds from a request to the end of its answer.",
            ("route", "method"),
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._answers = Counter(
            "eventflow_answers_total",
            "Answers by source. aggregated: every day up to today came from the rollup; raw: at least one of them was "
            "measured from facts. An answer for future days alone is not counted.",
            ("source",),
            registry=self._registry,
        )
        for source in SOURCES:
            self._answers.labels(source)
        self._pages: dict[object, str] | None = None

    def count_request(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request. ``scope`` is the ASGI scope after routing."""
        route = self._template(scope)
        method = scope["method"] if scope["method"] in METHODS else UNKNOWN
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route, method).observe(seconds)
        source = scope.get("state", {}).get("source")
        if source in SOURCES:
            self._answers.labels(source).inc()
            self._count_answer(source)

    def _template(self, scope: Scope) -> str:
        route = scope.get("route")
        if route is not None:
            return str(route.path)
        # The scope names FastAPI's own routes only; the pages of the documentation are found by their endpoint.
        if self._pages is None:
            self._pages = {found.endpoint: found.path for found in scope["app"].routes if isinstance(found, Route)}
        return self._pages.get(scope.get("endpoint"), UNKNOWN)

    def text(self, status: Status | None) -> bytes:
        """Return all metrics in Prometheus' text format. ``status`` is None while the database is away."""
        return _encode(self._registry) + _encode(_rollup(status))


def _rollup(status: Status | None) -> CollectorRegistry:
    """Return the metrics of the rollup. An unknown value is left out; it is never reported as 0."""
    registry = CollectorRegistry()

    def report(name: str, text: str, value: float) -> None:
        Gauge(name, text, registry=registry).set(value)

    report("eventflow_rollup_up", "Whether the status of the rollup could be read.", status is not None)
    if status is None:
        return registry
    freshness = status.freshness
    if freshness.age is not None:
        report(
            "eventflow_freshness_seconds",
            "Age of the newest time up to which every fact is in the rollup.",
            freshness.age.total_seconds(),
        )
    report(
        "eventflow_stale_client_days",
        "Client-days whose facts changed since they were computed.",
        freshness.stale_client_days,
    )
    if freshness.drift_age is not None:
        report(
            "eventflow_oldest_verification_age_seconds",
            "Age of the oldest verification of a day.",
            freshness.drift_age.total_seconds(),
        )
    changed = 0 if freshness.changed_since is None else freshness.changed_rows
    if changed is not None:
        report(
            "eventflow_unswept_changed_rows",
            "Changed rows of the product that no sweep has checked yet; absent: unknown.",
            changed,
        )
    report(
        "eventflow_unswept_changes_age_seconds",
        "Age of the oldest changed rows that no sweep has checked yet.",
        0 if freshness.changed_since is None else (freshness.at - freshness.changed_since).total_seconds(),
    )
    report(
        "eventflow_unswept_changes_overdue",
        "Whether the sweeps should have checked every day by now after rows changed.",
        freshness.changes_overdue,
    )
    report(
        "eventflow_broken_assumptions",
        "Assumptions of the verification that do not hold. Above 0 facts may be hidden and nothing can be verified.",
        len(status.unverifiable),
    )
    report(
        "eventflow_open_discrepancies",
        "Groups that a verification found wrong and that are not repaired yet.",
        sum(status.open_discrepancies.values()),
    )
    report(
        "eventflow_held_days",
        "Days that wait for an operator, because too many of their facts disappeared.",
        len(status.held),
    )
    report(
        "eventflow_sealed_days",
        "Days whose numbers do not change, because their facts may be deleted.",
        status.sealed.days,
    )
    report("eventflow_edited_sealed_days", "Sealed days whose rows were edited.", len(status.sealed.edited_days))
    report(
        "eventflow_late_facts_of_sealed_days",
        "Facts that arrived after their day was sealed.",
        status.sealed.late_facts,
    )
    report("eventflow_facts_of_no_client", "Facts that belong to no client.", status.days.unresolved_facts)
    if freshness.visits_of_no_day is not None:
        report(
            "eventflow_facts_of_no_day",
            "Facts without a time, or with a time outside the calendar.",
            freshness.facts_of_no_day,
        )
    report(
        "eventflow_unverifiable_days",
        "Days that cannot be verified, because the views of facts lose or duplicate some of their facts.",
        status.days.unverifiable_days,
    )
    return registry


class RequestMetrics:
    """Middleware around everything: counts each request and measures its duration."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        # An exception before the answer becomes a 500 in an outer middleware.
        status, counted = 500, False

        def count() -> None:
            nonlocal counted
            if not counted:
                counted = True
                self._metrics.count_request(scope, status, time.perf_counter() - began)

        async def forward(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body" and not message.get("more_body", False):
                # Before it is sent, so that an answer that was received is counted.
                count()
            await send(message)

        try:
            await self._app(scope, receive, forward)
        finally:
            count()
