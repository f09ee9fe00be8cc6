"""The cron route: the product's scheduler calls it, and it launches a run or a backfill in Dagster.

Without days and client it launches a refresh, otherwise a backfill that rebuilds the days. Nothing is computed here.
"""

import asyncio
import hmac
import json
import time
from datetime import date, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eventflow_stats.api.auth import require_one_authorization
from eventflow_stats.api.dagster_client import ANSWER_SECONDS, ASSET, RETRY_AFTER_SECONDS, DagsterClient
from eventflow_stats.api.database import IF_READABLE, Reader
from eventflow_stats.api.days import Day
from eventflow_stats.api.errors import ApiError, InvalidRequest, NotFound, Unauthorized, Unavailable, error_responses
from eventflow_stats.api.parameters import require_known_parameters, unknown_parameter
from eventflow_stats.api.schemas.companions import DateRange
from eventflow_stats.engine.assumptions import day_windows
from eventflow_stats.settings import Settings

REFRESH_JOB = "refresh_recent_days"
ASKED = "eventflow/asked"
"""Tag of a backfill of this route with its days and client, by which the same backfill is found."""
DAYS, REASON = "eventflow/days", "eventflow/reason"
FIRST_OF_RANGE, LAST_OF_RANGE = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
WHY = "asked for by the cron route"
OPERATOR_DECISIONS = {
    "unseal": "eventflow-stats backfill --from DAY --to DAY --unseal",
    "accept_deletion": "eventflow-stats accept-deletion --day DAY --execute",
}
"""Decisions for an operator, each with its command. A scheduler with the secret may not make them."""
# The secret allows work for any client. The read functions check whether a client exists, as for every route, because
# the login of the API may have no right on the product's tables.
EVERY_CLIENT = json.dumps({"sub": str(UUID(int=0)), "role": "authenticated", "app_metadata": {"is_super_admin": True}})


def refuse_decisions(request: Request) -> None:
    """Raise InvalidRequest for a parameter that is a decision for an operator."""
    for name in request.query_params:
        _refuse_decision(name)


def _refuse_decision(name: str) -> None:
    if name in OPERATOR_DECISIONS:
        raise InvalidRequest(
            f"{name}: an operator decides that, not a scheduler: {OPERATOR_DECISIONS[name]}; "
            f"or in Dagster, launch a run of {ASSET} with {name}: true in its config"
        )


class CronRequest(BaseModel):
    """The days and the client of a request, as a JSON body."""

    # If a misspelt client_id were ignored, every client would be rebuilt.
    model_config = ConfigDict(extra="forbid")

    from_: Day | None = Field(None, alias="from")
    to: Day | None = None
    client_id: UUID | None = None


class LaunchedWork(BaseModel):
    """The run or backfill that was launched in Dagster, and its page in the Dagster UI."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    runs: list[str] = Field(description="Ids of Dagster runs.", examples=[["5b8f2f6e-6a5c-4c39-8a3c-0a4a3f3f6a0e"]])
    backfills: list[str] = Field(description="Ids of Dagster backfills.", examples=[[]])
    days: DateRange
    watch: list[str] = Field(
        description="Pages of the Dagster UI, one for each.",
        examples=[["http://127.0.0.1:3000/runs/5b8f2f6e-6a5c-4c39-8a3c-0a4a3f3f6a0e"]],
    )


_bearer = HTTPBearer(auto_error=False, scheme_name="CronSecret", description="The deployment's EVENTFLOW_CRON_SECRET.")


def require_cron_secret(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> None:
    """Raise Unauthorized without the secret. If no secret is set, the route is closed."""
    settings: Settings = request.app.state.settings
    if settings.cron_secret is None:
        raise Unauthorized("the cron route is closed: EVENTFLOW_CRON_SECRET is not set")
    require_one_authorization(request)
    # Header bytes were decoded as Latin-1.
    given = credentials.credentials.encode("latin-1") if credentials else b""
    if not hmac.compare_digest(given, settings.cron_secret.get_secret_value().encode()):
        raise Unauthorized("send `Authorization: Bearer` with the secret of the cron route")


router = APIRouter(
    prefix="/api/cron",
    tags=["cron"],
    dependencies=[Depends(require_cron_secret), Depends(refuse_decisions), Depends(require_known_parameters)],
    responses=error_responses(400, 401, 404, 409, 429, 503),
)
First = Annotated[
    Day | None,
    Query(alias="from", description="First day, YYYY-MM-DD in the bucket time zone. Default: yesterday, or `to`."),
]
Last = Annotated[Day | None, Query(alias="to", description="Last day, included. Default: today.")]
ClientId = Annotated[UUID | None, Query(description="Rebuild this client only. Default: every client.")]
IN_THE_BODY = {
    "requestBody": {
        "description": "The same parameters. A parameter of the query string takes precedence.",
        "content": {"application/json": {"schema": CronRequest.model_json_schema()}},
    }
}


@router.get("/aggregate-marketing-stats", status_code=202, summary="Launch a refresh or a backfill")
async def get_aggregated(
    request: Request, response: Response, first: First = None, last: Last = None, client_id: ClientId = None
) -> LaunchedWork:
    """Without parameters, launch a refresh: it detects new facts of yesterday and today and rebuilds stale client-days.
    With any parameter, launch a backfill, which rebuilds the days. The answer comes when Dagster has accepted the work.
    """
    return await _launch(request, response, first, last, client_id)


@router.post(
    "/aggregate-marketing-stats", status_code=202, summary="Launch a refresh or a backfill", openapi_extra=IN_THE_BODY
)
async def post_aggregated(
    request: Request, response: Response, first: First = None, last: Last = None, client_id: ClientId = None
) -> LaunchedWork:
    """The same as GET. The parameters may also be in a JSON body."""
    body = await request.body()
    asked = _parse_body(body) if body.strip() else CronRequest()
    return await _launch(request, response, first or asked.from_, last or asked.to, client_id or asked.client_id)


def _parse_body(body: bytes) -> CronRequest:
    try:
        return CronRequest.model_validate_json(body)
    except ValidationError as error:
        problem = error.errors()[0]
        message = str(problem["msg"]).removeprefix("Value error, ")
        if not problem["loc"]:
            raise InvalidRequest('the body should be a JSON object such as {"from": "2026-03-01"}') from None
        if problem["type"] == "extra_forbidden":
            _refuse_decision(str(problem["loc"][-1]))
            known = [field.alias or name for name, field in CronRequest.model_fields.items()]
            raise unknown_parameter(str(problem["loc"][-1]), known) from None
        raise InvalidRequest(f"{problem['loc'][-1]}: {message}") from None


async def _launch(
    request: Request, response: Response, first: date | None, last: date | None, client_id: UUID | None
) -> LaunchedWork:
    dagster: DagsterClient = request.app.state.dagster
    days = _range(request.app.state.settings, first, last)
    if client_id is not None:
        await _must_exist(request.app.state.reader, client_id)
    try:
        # The timeout includes the lock: while Dagster hangs, a request does not wait for all requests before it.
        async with asyncio.timeout(ANSWER_SECONDS), dagster.launching:
            if first is None and last is None and client_id is None:
                launched = await _refresh(dagster, *days)
            else:
                launched = await _backfill(dagster, *days, client_id)
    except TimeoutError:
        raise Unavailable(
            f"Dagster gave no answer within {ANSWER_SECONDS:g} s; try again: work that it has accepted is found",
            RETRY_AFTER_SECONDS,
        ) from None
    response.headers["Location"] = launched.watch[0]
    response.headers["Cache-Control"] = "no-store"
    return launched


def _range(settings: Settings, first: date | None, last: date | None) -> tuple[date, date]:
    """Return the first and the last day, which have a partition. The default is yesterday and today."""
    today = day_windows.today(settings)
    start = settings.start_date
    if today < start:
        raise InvalidRequest(f"the first day, {start} (EVENTFLOW_START_DATE), is in the future")
    last_day = last or today
    first_day = first or max(min(last_day, today - timedelta(days=1)), start)
    for name, day in (("from", first_day), ("to", last_day)):
        if day < start:
            raise InvalidRequest(f"{name}: {day} is before the first day, {start} (EVENTFLOW_START_DATE)")
        if day > today:
            raise InvalidRequest(f"{name}: {day} is after today, which is {today} in {settings.bucket_timezone}")
    if first_day > last_day:
        raise InvalidRequest("from must not be after to")
    return first_day, last_day


async def _must_exist(reader: Reader, client_id: UUID) -> None:
    try:
        await reader.ask(EVERY_CLIENT, "SELECT true " + IF_READABLE, {"client": client_id, "link": None})
    except NotFound:
        raise ApiError(404, "not_found", f"client_id: there is no client {client_id}") from None


async def _refresh(dagster: DagsterClient, first: date, last: date) -> LaunchedWork:
    """Launch a run like those of the schedule. Unlike those, it first detects stale client-days itself."""
    active = await dagster.active_run(REFRESH_JOB)
    if active:
        raise _busy_error(f"a refresh is already running: run {active}")
    run_id = await dagster.launch_run(
        REFRESH_JOB,
        {
            "ops": {
                ASSET: {"config": {"client_days": "stale", "detect_first": True}},
                f"{ASSET}_sample_verified": {"config": {"seed": int(time.time())}},
            }
        },
        {FIRST_OF_RANGE: str(first), LAST_OF_RANGE: str(last), DAYS: _span(first, last), REASON: WHY},
    )
    return LaunchedWork(runs=[run_id], backfills=[], days=_days(first, last), watch=[dagster.run_page(run_id)])


async def _backfill(dagster: DagsterClient, first: date, last: date, client_id: UUID | None) -> LaunchedWork:
    asked = f"{_span(first, last)}, {f'client {client_id}' if client_id else 'every client'}"
    active = await dagster.active_backfill(ASKED, asked)
    if active:
        raise _busy_error(f"the same is already running: backfill {active}")
    backfill_id = await dagster.launch_backfill(
        [str(first + timedelta(days=number)) for number in range((last - first).days + 1)],
        {"ops": {ASSET: {"config": {"clients": [str(client_id)] if client_id else []}}}},
        {ASKED: asked, REASON: WHY},
        title=f"Cron route: {asked}",
    )
    return LaunchedWork(
        runs=[], backfills=[backfill_id], days=_days(first, last), watch=[dagster.backfill_page(backfill_id)]
    )


def _busy_error(detail: str) -> ApiError:
    return ApiError(409, "busy", detail)


def _days(first: date, last: date) -> DateRange:
    return DateRange.model_validate({"from": first, "to": last})


def _span(first: date, last: date) -> str:
    return str(first) if first == last else f"{first} to {last}"
