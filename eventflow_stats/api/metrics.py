"""What Prometheus is reported: requests by route template, answers by source, and how the rollup stands.

No label comes from outside: routes are templates, methods and sources are known words. Each application has a
registry of its own; of several processes, each tells of itself.
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

from eventflow_stats.engine.status.answer_counts import Source
from eventflow_stats.engine.status.health import Status

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds: from an answer that still holds to EVENTFLOW_API_TIMEOUT."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SOURCES: tuple[Source, ...] = ("aggregated", "raw")
UNKNOWN = "unknown"
# Of what the client can write, the text format that every scraper reads.
_encode, CONTENT_TYPE = choose_encoder("")


class Metrics:
    """The metrics of one application; ``note_answer`` is reported of each answer's source as well."""

    def __init__(self, note_answer: Callable[[Source], None]) -> None:
        self._note_answer = note_answer
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._requests = Counter(
            "eventflow_http_requests_total",
            "Requests by template of the route, method and status.",
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
            "Answers by source: aggregated, up to today from the rollup alone; raw, at least one of these days "
            "measured from facts. An answer of days still to come alone is counted as neither.",
            ("source",),
            registry=self._registry,
        )
        for source in SOURCES:
            self._answers.labels(source)
        self._pages: dict[object, str] | None = None

    def note_request(self, scope: Scope, status: int, seconds: float) -> None:
        """One more request, as its client-day stands after it was routed."""
        route = self._template(scope)
        method = scope["method"] if scope["method"] in METHODS else UNKNOWN
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route, method).observe(seconds)
        source = scope.get("state", {}).get("source")
        if source in SOURCES:
            self._answers.labels(source).inc()
            self._note_answer(source)

    def _template(self, scope: Scope) -> str:
        route = scope.get("route")
        if route is not None:
            return str(route.path)
        # Only FastAPI's own routes are named in the client-day; those of its documentation are reported by their endpoint.
        if self._pages is None:
            self._pages = {found.endpoint: found.path for found in scope["app"].routes if isinstance(found, Route)}
        return self._pages.get(scope.get("endpoint"), UNKNOWN)

    def text(self, status: Status | None) -> bytes:
        """Everything in Prometheus' text format; None: the database is away."""
        return _encode(self._registry) + _encode(_rollup(status))


def _rollup(status: Status | None) -> CollectorRegistry:
    """What the ledger says; what cannot be known is left out, never nought."""
    registry = CollectorRegistry()

    def report(name: str, text: str, value: float) -> None:
        Gauge(name, text, registry=registry).set(value)

    report("eventflow_rollup_up", "Whether the ledger of the rollup could be asked.", status is not None)
    if status is None:
        return registry
    progress = status.progress
    if progress.age is not None:
        report(
            "eventflow_freshness_seconds",
            "Age of the newest state of the facts that the rollup is known to show.",
            progress.age.total_seconds(),
        )
    report("eventflow_stale_client_days", "Clients' days due for a refresh.", progress.stale_client_days)
    if progress.drift_age is not None:
        report(
            "eventflow_oldest_verification_age_seconds",
            "For how long the day longest not verified was not compared whole with its facts.",
            progress.drift_age.total_seconds(),
        )
    changed = 0 if progress.changed_since is None else progress.changed_rows
    if changed is not None:
        report(
            "eventflow_unswept_changed_rows",
            "Rows of the product that changed and that not every day was swept after; absent: an unknown number.",
            changed,
        )
    report(
        "eventflow_unswept_changes_age_seconds",
        "For how long rows have been changed that not every day was swept after.",
        0 if progress.changed_since is None else (progress.at - progress.changed_since).total_seconds(),
    )
    report(
        "eventflow_unswept_changes_overdue",
        "Whether the sweeps should have looked at every day by now after rows changed.",
        progress.changes_overdue,
    )
    report(
        "eventflow_broken_assumptions",
        "Assumptions that do not hold: above nought, facts may be hidden and nothing can be verified.",
        len(status.unverifiable),
    )
    report(
        "eventflow_open_discrepancies",
        "Groups that a verification found wrong and nothing has repaired yet.",
        sum(status.open_discrepancies.values()),
    )
    report("eventflow_held_days", "Days that wait for a person: too many of their facts disappeared.", len(status.held))
    report(
        "eventflow_sealed_days", "Days that keep their numbers, whatever happens to their facts.", status.sealed.days
    )
    report("eventflow_edited_sealed_days", "Sealed days whose rows were edited.", len(status.sealed.edited_days))
    report(
        "eventflow_late_facts_of_sealed_days",
        "Facts that arrived after their day was sealed.",
        status.sealed.late_facts,
    )
    report("eventflow_facts_of_no_client", "Facts whose client cannot be resolved.", status.days.unresolved_facts)
    if progress.visits_of_no_day is not None:
        report(
            "eventflow_facts_of_no_day",
            "Facts without a time, or of one that no calendar has.",
            progress.facts_of_no_day,
        )
    report(
        "eventflow_unverifiable_days",
        "Days of which the views of facts lose or double some, so that nothing of them can be verified.",
        status.days.unverifiable_days,
    )
    return registry


class RequestMetrics:
    """Middleware around everything: counts each request and measures how long it took."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        # What raises before it answered is answered with 500, further out.
        status, noted = 500, False

        def note() -> None:
            nonlocal noted
            if not noted:
                noted = True
                self._metrics.note_request(scope, status, time.perf_counter() - began)

        async def passed_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body" and not message.get("more_body", False):
                # Before it is sent: who has the answer finds it counted.
                note()
            await send(message)

        try:
            await self._app(scope, receive, passed_on)
        finally:
            note()
