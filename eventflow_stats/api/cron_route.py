"""The cron-compatible route: what the product's scheduler called to aggregate now asks Dagster for it.

Without days and client a refresh (a run), else a backfill of the days, recomputed whole. Nothing is computed here.
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

from eventflow_stats.api.auth import one_authorization
from eventflow_stats.api.dagster_client import ANSWER_SECONDS, ASSET, RETRY_AFTER_SECONDS, DagsterClient
from eventflow_stats.api.database import IF_READABLE, Reader
from eventflow_stats.api.errors import ApiError, InvalidRequest, NotFound, Unauthorized, Unavailable, documented
from eventflow_stats.api.parameters import only_known, unknown
from eventflow_stats.api.days import Day
from eventflow_stats.api.schemas.companions import DateRange
from eventflow_stats.engine.assumptions import day_windows
from eventflow_stats.settings import Settings

REFRESH_JOB = "refresh_recent_days"
ASKED = "eventflow/asked"
"""Tag of a backfill of this route: its days and client, by which the same is known."""
DAYS, REASON = "eventflow/days", "eventflow/reason"
FIRST_OF_RANGE, LAST_OF_RANGE = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
WHY = "asked for by the cron route"
FOR_PEOPLE = {
    "unseal": "eventflow-stats backfill --from DAY --to DAY --unseal",
    "accept_deletion": "eventflow-stats accept-deletion --day DAY --execute",
}
"""What a person decides of days, with the command for it: a scheduler that holds the secret decides none of it."""
# Whoever holds the secret has work done for any client. For whether a client exists the functions are asked, as
# every route asks them: the login of the API need not be able to read the product's tables.
EVERY_CLIENT = json.dumps({"sub": str(UUID(int=0)), "role": "authenticated", "app_metadata": {"is_super_admin": True}})


def decided_by_nobody(request: Request) -> None:
    """Raises InvalidRequest for a parameter that would decide something of days."""
    for name in request.query_params:
        _decided_by_nobody(name)


def _decided_by_nobody(name: str) -> None:
    if name in FOR_PEOPLE:
        raise InvalidRequest(
            f"{name}: a person decides that, not a scheduler: {FOR_PEOPLE[name]}; "
            f"or in Dagster, launch a run of {ASSET} with {name}: true in its config"
        )


class Asked(BaseModel):
    """The range and client that work is asked for."""

    # A misspelt client_id that was ignored would have every client recomputed.
    model_config = ConfigDict(extra="forbid")

    from_: Day | None = Field(None, alias="from")
    to: Day | None = None
    client_id: UUID | None = None


class Launched(BaseModel):
    """What Dagster was asked to do, and where it can be watched: a run, or a backfill, which makes its own runs."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    runs: list[str] = Field(description="Ids of Dagster runs.", examples=[["5b8f2f6e-6a5c-4c39-8a3c-0a4a3f3f6a0e"]])
    backfills: list[str] = Field(description="Ids of Dagster backfills.", examples=[[]])
    days: DateRange
    watch: list[str] = Field(
        description="Pages of the Dagster UI, one for each.",
        examples=[["http://127.0.0.1:3000/runs/5b8f2f6e-6a5c-4c39-8a3c-0a4a3f3f6a0e"]],
    )


_bearer = HTTPBearer(auto_error=False, scheme_name="CronSecret", description="The deployment's EVENTFLOW_CRON_SECRET.")


def holds_the_secret(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> None:
    """Raises Unauthorized unless the request carries the secret; without one set, the route is closed to everybody."""
    settings: Settings = request.app.state.settings
    if settings.cron_secret is None:
        raise Unauthorized("the cron route is closed: EVENTFLOW_CRON_SECRET is not set")
    one_authorization(request)
    # Headers are bytes that were read as Latin-1.
    given = credentials.credentials.encode("latin-1") if credentials else b""
    if not hmac.compare_digest(given, settings.cron_secret.get_secret_value().encode()):
        raise Unauthorized("send `Authorization: Bearer` with the secret of the cron route")


router = APIRouter(
    prefix="/api/cron",
    tags=["progress"],
    dependencies=[Depends(holds_the_secret), Depends(decided_by_nobody), Depends(only_known)],
    responses=documented(400, 401, 404, 409, 429, 503),
)
First = Annotated[
    Day | None,
    Query(alias="from", description="First day, YYYY-MM-DD in the bucket time zone. Default: yesterday, or `to`."),
]
Last = Annotated[Day | None, Query(alias="to", description="Last day, included. Default: today.")]
ClientId = Annotated[UUID | None, Query(description="Recompute this client alone. Default: every client.")]
IN_THE_BODY = {
    "requestBody": {
        "description": "The same parameters; one that the query string has too is taken from there.",
        "content": {"application/json": {"schema": Asked.model_json_schema()}},
    }
}


@router.get("/aggregate-marketing-stats", status_code=202, summary="Ask for a refresh or a backfill")
async def get_aggregated(
    request: Request, response: Response, first: First = None, last: Last = None, client_id: ClientId = None
) -> Launched:
    """Without parameters: yesterday and today are looked at, and what is not up to date is recomputed. With any of
    them: the days are recomputed whole, as a backfill. Answers when Dagster has taken the work on, not when it is done.
    """
    return await _launch(request, response, first, last, client_id)


@router.post(
    "/aggregate-marketing-stats", status_code=202, summary="Ask for a refresh or a backfill", openapi_extra=IN_THE_BODY
)
async def post_aggregated(
    request: Request, response: Response, first: First = None, last: Last = None, client_id: ClientId = None
) -> Launched:
    """The same as GET; the parameters may also stand in a JSON body."""
    body = await request.body()
    asked = _asked_in(body) if body.strip() else Asked()
    return await _launch(request, response, first or asked.from_, last or asked.to, client_id or asked.client_id)


def _asked_in(body: bytes) -> Asked:
    try:
        return Asked.model_validate_json(body)
    except ValidationError as error:
        problem = error.errors()[0]
        message = str(problem["msg"]).removeprefix("Value error, ")
        if not problem["loc"]:
            raise InvalidRequest('the body should be a JSON object such as {"from": "2026-03-01"}') from None
        if problem["type"] == "extra_forbidden":
            _decided_by_nobody(str(problem["loc"][-1]))
            known = [field.alias or name for name, field in Asked.model_fields.items()]
            raise unknown(str(problem["loc"][-1]), known) from None
        raise InvalidRequest(f"{problem['loc'][-1]}: {message}") from None


async def _launch(
    request: Request, response: Response, first: date | None, last: date | None, client_id: UUID | None
) -> Launched:
    dagster: DagsterClient = request.app.state.dagster
    days = _range(request.app.state.settings, first, last)
    if client_id is not None:
        await _must_exist(request.app.state.reader, client_id)
    try:
        # Around the lock too: who waits behind a Dagster that hangs is not to wait for each before him.
        async with asyncio.timeout(ANSWER_SECONDS), dagster.asking:
            if first is None and last is None and client_id is None:
                launched = await _refresh(dagster, *days)
            else:
                launched = await _backfill(dagster, *days, client_id)
    except TimeoutError:
        raise Unavailable(
            f"Dagster gave no answer within {ANSWER_SECONDS:g} s; asking again finds what it took on",
            RETRY_AFTER_SECONDS,
        ) from None
    response.headers["Location"] = launched.watch[0]
    response.headers["Cache-Control"] = "no-store"
    return launched


def _range(settings: Settings, first: date | None, last: date | None) -> tuple[date, date]:
    """The days meant, which all have a partition; the original's defaults are yesterday and today."""
    today = day_windows.today(settings)
    start = settings.start_date
    if today < start:
        raise InvalidRequest(f"the first day, {start} (EVENTFLOW_START_DATE), is still to come")
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


async def _refresh(dagster: DagsterClient, first: date, last: date) -> Launched:
    """A run like those of the schedule's ticks; unlike these, it has to look itself for what is stale."""
    under_way = await dagster.unfinished_run(REFRESH_JOB)
    if under_way:
        raise _busy(f"a refresh is already under way: run {under_way}")
    run_id = await dagster.launch_run(
        REFRESH_JOB,
        {
            "ops": {
                ASSET: {"config": {"client_days": "stale", "look_first": True}},
                f"{ASSET}_sample_verified": {"config": {"seed": int(time.time())}},
            }
        },
        {FIRST_OF_RANGE: str(first), LAST_OF_RANGE: str(last), DAYS: _span(first, last), REASON: WHY},
    )
    return Launched(runs=[run_id], backfills=[], days=_days(first, last), watch=[dagster.run_page(run_id)])


async def _backfill(dagster: DagsterClient, first: date, last: date, client_id: UUID | None) -> Launched:
    asked = f"{_span(first, last)}, {f'client {client_id}' if client_id else 'every client'}"
    under_way = await dagster.unfinished_backfill(ASKED, asked)
    if under_way:
        raise _busy(f"the same is already under way: backfill {under_way}")
    backfill_id = await dagster.launch_backfill(
        [str(first + timedelta(days=number)) for number in range((last - first).days + 1)],
        {"ops": {ASSET: {"config": {"clients": [str(client_id)] if client_id else []}}}},
        {ASKED: asked, REASON: WHY},
        title=f"Cron route: {asked}",
    )
    return Launched(
        runs=[], backfills=[backfill_id], days=_days(first, last), watch=[dagster.backfill_page(backfill_id)]
    )


def _busy(detail: str) -> ApiError:
    return ApiError(409, "busy", detail)


def _days(first: date, last: date) -> DateRange:
    return DateRange.model_validate({"from": first, "to": last})


def _span(first: date, last: date) -> str:
    return str(first) if first == last else f"{first} to {last}"
