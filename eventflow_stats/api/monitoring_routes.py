"""The routes for monitors, which need no token: /healthz (can the rollup be trusted?) and /metrics (Prometheus)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Literal

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from eventflow_stats.api.answer_counts import AnswerCounts
from eventflow_stats.api.database_status import DatabaseAway, StatusReader, monitoring_database
from eventflow_stats.api.metrics import CONTENT_TYPE, Metrics, RequestMetrics
from eventflow_stats.api.schemas.companions import UnsweptChanges
from eventflow_stats.engine.status.freshness import TOO_OLD, RollupFreshness
from eventflow_stats.engine.status.health import HealthProblem, ProblemKind, Status, find_problems
from eventflow_stats.formatting import format_duration
from eventflow_stats.settings import Settings

router = APIRouter(tags=["monitoring"])
WORST_FIRST: tuple[ProblemKind, ...] = ("unverifiable", "wrong", "held", "read_only", "stale")
UNCACHED = {"Cache-Control": "no-store"}


class Health(BaseModel):
    """The rollup can be trusted."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    status: Literal["ok"]
    fresh_through: datetime | None = Field(description="Every fact committed before this time (UTC) is in the rollup.")
    age_seconds: float | None = Field(description="Age of `fresh_through`.")
    stale_client_days: int | None = Field(description="Client-days whose facts changed since they were computed.")
    open_discrepancies: int | None = Field(
        description="Groups that a verification found wrong and that are not repaired yet."
    )
    oldest_verification_age_seconds: float | None = Field(description="Age of the oldest verification of a day.")
    held_days: int | None = Field(
        description="Days that wait for an operator, because too many of their facts disappeared."
    )
    sealed_days: int | None = Field(description="Days whose numbers do not change, because their facts may be deleted.")
    unswept_changes: UnsweptChanges | None = Field(
        description="Changed rows that no sweep has checked yet. null: none."
    )


class Unhealthy(Health):
    """The rollup cannot be trusted. Unknown values are null."""

    status: Literal["stale", "held", "wrong", "unverifiable", "read_only", "unavailable"] = Field(  # type: ignore[assignment]
        description="stale: facts that arrived more than 30 minutes ago are not in the rollup or not detected, or a "
        "sweep or a verification is late. held: too many facts of a day disappeared; the day keeps its numbers and "
        "cannot be verified. wrong: a number differs from the facts. unverifiable: facts may be hidden, so nothing can "
        "be computed or verified. read_only: the database cannot be written. unavailable: the status cannot be read."
    )
    detail: str = Field(description="One line for people: the reason and what to do.")


class Monitoring:
    """The monitoring of one application: the status of the rollup, the metrics and the counts of answers."""

    def __init__(self, url: str, settings: Settings) -> None:
        database = monitoring_database(url, settings)
        self.status_reader = StatusReader(database)
        self._counts = AnswerCounts(database)
        self.metrics = Metrics(self._counts.add)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write the counts of answers to the database while the context is open."""
        async with self._counts.written():
            yield


def add_monitoring(app: FastAPI, url: str, settings: Settings) -> Monitoring:
    """Add the routes and count every request. Call it last, so that its middleware is around all other middleware.

    Parameters: ``url`` of the database, with a login that may take the engine's role.
    """
    monitoring = Monitoring(url, settings)
    app.state.monitoring = monitoring
    app.add_middleware(RequestMetrics, metrics=monitoring.metrics)
    app.include_router(router)
    return monitoring


@router.head("/healthz", include_in_schema=False)
@router.get(
    "/healthz",
    response_model=Health,
    responses={503: {"model": Unhealthy, "description": "The rollup cannot be trusted."}},
    summary="Whether the rollup can be trusted",
)
async def healthz(request: Request) -> Response:
    """200 means that the numbers of the rollup can be trusted now. The rules are those of `eventflow-stats status`. In
    addition new facts must have been detected within the last 30 minutes."""
    monitoring: Monitoring = request.app.state.monitoring
    try:
        status = await monitoring.status_reader.status()
    except DatabaseAway as away:
        unknown = dict.fromkeys(name for name in Health.model_fields if name != "status")
        message: Health = Unhealthy(status="unavailable", detail=str(away), **unknown)
    else:
        message = health_of(status)
    code = 200 if message.status == "ok" else 503
    return JSONResponse(message.model_dump(mode="json"), code, UNCACHED)


@router.head("/metrics", include_in_schema=False)
@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    summary="Metrics for Prometheus",
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request) -> Response:
    """Requests, latency and answers by source of this process; freshness, stale client-days, oldest verification and
    open discrepancies of the rollup. While the database is away the latter are absent and `eventflow_rollup_up` is 0.
    """
    monitoring: Monitoring = request.app.state.monitoring
    try:
        status = await monitoring.status_reader.status()
    except DatabaseAway:
        status = None
    return Response(monitoring.metrics.text(status), headers={**UNCACHED, "Content-Type": CONTENT_TYPE})


def health_of(status: Status) -> Health:
    """Return the body of /healthz for that status."""
    freshness = status.freshness
    known = {
        "fresh_through": freshness.fresh_through,
        "age_seconds": _seconds(freshness.age),
        "stale_client_days": freshness.stale_client_days,
        "open_discrepancies": sum(status.open_discrepancies.values()),
        "oldest_verification_age_seconds": _seconds(freshness.drift_age),
        "held_days": len(status.held),
        "sealed_days": status.sealed.days,
        "unswept_changes": _unswept_changes(freshness),
    }
    found = [*find_problems(status), *_schedule_problems(status)]
    if not found:
        return Health(status="ok", **known)
    kinds = {problem.kind for problem in found}
    worst = next(kind for kind in WORST_FIRST if kind in kinds)
    return Unhealthy(status=worst, detail="; ".join(map(str, found)), **known)


def _unswept_changes(freshness: RollupFreshness) -> UnsweptChanges | None:
    if freshness.changed_since is None or freshness.changes_found_by is None:
        return None
    return UnsweptChanges(
        changed_rows=freshness.changed_rows, since=freshness.changed_since, found_by=freshness.changes_found_by
    )


def _schedule_problems(status: Status) -> list[HealthProblem]:
    """Report that facts were not detected lately and the schedule never ran. `eventflow-stats status` does not report
    this, because an operator at the command line may rebuild days by hand."""
    age = status.freshness.age
    if status.ticked or (age is not None and age < TOO_OLD):
        return []
    message = "detection never ran" if age is None else f"facts of the last {format_duration(age)} may be missing"
    return [HealthProblem(message, "the schedule every_five_minutes never ran: eventflow-stats up")]


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()
