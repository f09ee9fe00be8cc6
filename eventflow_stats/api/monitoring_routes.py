"""What monitors ask, without a token: /healthz, whether the rollup can be trusted; /metrics, for Prometheus."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Literal

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from eventflow_stats.api.answer_counts import AnswerCounts
from eventflow_stats.api.database_status import Away, Watch, of_monitoring
from eventflow_stats.api.metrics import CONTENT_TYPE, RequestMetrics, Metrics
from eventflow_stats.engine.status.health import Problem, ProblemKind, Status, find_problems
from eventflow_stats.engine.status.progress import TOO_OLD, Progress
from eventflow_stats.formatting import lasting
from eventflow_stats.settings import Settings

router = APIRouter(tags=["monitoring"])
WORST_FIRST: tuple[ProblemKind, ...] = ("unverifiable", "wrong", "held", "read_only", "stale")
UNCACHED = {"Cache-Control": "no-store"}


class UnsweptChanges(BaseModel):
    """Changes that are known and not found yet: updated and deleted rows, by PostgreSQL's counters."""

    changed_rows: int | None = Field(description="How many rows; null: an unknown number.")
    since: datetime = Field(description="The rows changed after this time (UTC).")
    found_by: datetime = Field(description="When every day will have been swept at the latest (UTC).")


class Health(BaseModel):
    """The rollup can be trusted."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    status: Literal["ok"]
    fresh_through: datetime | None = Field(description="Every fact committed before is in the rollup (UTC).")
    age_seconds: float | None = Field(description="Age of the newest state of the facts that the rollup shows.")
    stale_client_days: int | None = Field(description="Clients' days due for a refresh.")
    open_discrepancies: int | None = Field(description="Groups found wrong by a verification and not repaired yet.")
    oldest_verification_age_seconds: float | None = Field(
        description="Since when the day longest not verified was not compared."
    )
    held_days: int | None = Field(description="Days that wait for a person, because too many facts disappeared.")
    sealed_days: int | None = Field(description="Days that keep their numbers, whatever happens to their facts.")
    unswept_changes: UnsweptChanges | None = Field(
        description="Rows of the product that changed and that not every day was swept after; null: none."
    )


class Unhealthy(Health):
    """The rollup cannot be trusted; what is not known is null."""

    status: Literal["stale", "held", "wrong", "unverifiable", "read_only", "unavailable"] = Field(  # type: ignore[assignment]
        description="stale: facts of 30 minutes ago are not looked for or not in, changed rows were not swept "
        "for in time, or days are not verified in time; held: too many facts of a day disappeared, so its numbers stay "
        "and nobody can verify them; wrong: a number is known not to equal the facts; unverifiable: facts may be "
        "hidden, so nothing can be computed or verified; read_only: the database cannot be written, so nothing "
        "can be computed or recorded; unavailable: the database cannot be asked."
    )
    detail: str = Field(description="One line for people: why, and what to do.")


class Monitoring:
    """What the process knows of itself, and its look at the ledger."""

    def __init__(self, url: str, settings: Settings) -> None:
        database = of_monitoring(url, settings)
        self.watch = Watch(database)
        self._counts = AnswerCounts(database)
        self.metrics = Metrics(self._counts.note)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While this lasts, answers are counted into the database."""
        async with self._counts.written():
            yield


def monitor(app: FastAPI, url: str, settings: Settings) -> Monitoring:
    """Add the routes, and count every request; call it last, so that it is around all other middleware.

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
    """Healthy is a rollup whose numbers can be trusted now, not a process that runs: the same judgement as
    `eventflow-stats status`, and facts must have been looked for within 30 minutes, whoever looks."""
    monitoring: Monitoring = request.app.state.monitoring
    try:
        status = await monitoring.watch.status()
    except Away as away:
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
    """Requests, latency and answers by source of this process; freshness, stale client-days, oldest verification and open
    discrepancies of the rollup. With the database away the latter are absent and `eventflow_rollup_up` is 0."""
    monitoring: Monitoring = request.app.state.monitoring
    try:
        status = await monitoring.watch.status()
    except Away:
        status = None
    return Response(monitoring.metrics.text(status), headers={**UNCACHED, "Content-Type": CONTENT_TYPE})


def health_of(status: Status) -> Health:
    progress = status.progress
    known = {
        "fresh_through": progress.fresh_through,
        "age_seconds": _seconds(progress.age),
        "stale_client_days": progress.stale_client_days,
        "open_discrepancies": sum(status.open_discrepancies.values()),
        "oldest_verification_age_seconds": _seconds(progress.drift_age),
        "held_days": len(status.held),
        "sealed_days": status.sealed.days,
        "unswept_changes": _unswept(progress),
    }
    found = [*find_problems(status), *_nothing_runs(status)]
    if not found:
        return Health(status="ok", **known)
    kinds = {problem.kind for problem in found}
    worst = next(kind for kind in WORST_FIRST if kind in kinds)
    return Unhealthy(status=worst, detail="; ".join(map(str, found)), **known)


def _unswept(progress: Progress) -> UnsweptChanges | None:
    if progress.changed_since is None or progress.changes_found_by is None:
        return None
    return UnsweptChanges(
        changed_rows=progress.changed_rows, since=progress.changed_since, found_by=progress.changes_found_by
    )


def _nothing_runs(status: Status) -> list[Problem]:
    """Where the schedule never ran, a person at the command line knows who rebuilds; who reads numbers does not."""
    age = status.progress.age
    if status.ticked or (age is not None and age < TOO_OLD):
        return []
    message = "never looked for new facts" if age is None else f"facts of the last {lasting(age)} may be missing"
    return [Problem(message, "the schedule every_five_minutes never ran: eventflow-stats up")]


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()
