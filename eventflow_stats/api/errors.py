"""The errors of the API: a status and ``{error, detail}``. Messages of the database are never passed on."""

import logging
from collections.abc import Mapping
from http import HTTPMethod

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from eventflow_stats.api.refusal_pace import RefusalPace
from eventflow_stats.open_connections import peer_key

LOG = logging.getLogger("eventflow_stats.api")


class ErrorBody(BaseModel):
    """The body of every error."""

    error: str = Field(description="The kind of error, for programs.", examples=["not_found"])
    detail: str = Field(
        description="One line for people: what is wrong and what would be right.",
        examples=["there is no such client or link, or it is not yours"],
    )


class ApiError(Exception):
    """An expected error of a request."""

    def __init__(self, status: int, error: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.error, self.detail, self.headers = status, error, detail, headers


class InvalidRequest(ApiError):
    """400: the request is malformed."""

    def __init__(self, detail: str) -> None:
        super().__init__(400, "invalid_request", detail)


class Unauthorized(ApiError):
    """401: no valid token."""

    def __init__(self, detail: str) -> None:
        super().__init__(401, "unauthorized", detail, {"WWW-Authenticate": "Bearer"})


class NotFound(ApiError):
    """404: it does not exist or the caller may not read it. The answer is the same."""

    def __init__(self) -> None:
        super().__init__(404, "not_found", "there is no such client or link, or it is not yours")


class TooMany(ApiError):
    """429: too many requests wait."""

    def __init__(self, detail: str = "too many requests at once; try again") -> None:
        super().__init__(429, "too_many_requests", detail, {"Retry-After": "1"})


class Unavailable(ApiError):
    """503: the database or Dagster is away or took too long."""

    def __init__(self, detail: str, retry_after: int = 2) -> None:
        super().__init__(503, "unavailable", detail, {"Retry-After": str(retry_after)})


def error_responses(*statuses: int) -> dict[int | str, dict[str, object]]:
    """Return the errors of a route for its OpenAPI."""
    descriptions = {
        400: "A parameter is malformed, unknown or given twice, or the range is reversed or too long.",
        401: "No token, or one that is expired, forged or for another audience.",
        404: "There is no such client or link, or it is not yours.",
        409: "The same run or backfill is already in progress.",
        429: "Too many requests at once, of this caller or of all callers.",
        503: "The database (or Dagster) is away or took too long.",
    }
    return {status: {"model": ErrorBody, "description": descriptions[status]} for status in statuses}


def add_error_handlers(app: FastAPI) -> None:
    """Answer every error as ``{error, detail}``. An address with many refusals gets them more slowly."""
    pace = RefusalPace()

    async def slowed(request: Request, answer: JSONResponse) -> JSONResponse:
        if answer.status_code < 500:
            await pace.pause(peer_key(request.client))
        return answer

    @app.exception_handler(ApiError)
    async def expected(request: Request, problem: ApiError) -> JSONResponse:
        return await slowed(request, problem_response(problem))

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, __: ClientDisconnect) -> JSONResponse:
        # The caller has gone, and it is no error of the service.
        return _error_response(400, "invalid_request", "the request ended before its body")

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, problem: RequestValidationError) -> JSONResponse:
        first = problem.errors()[0]
        message = str(first["msg"]).removeprefix("Value error, ")
        return await slowed(request, _error_response(400, "invalid_request", f"{first['loc'][-1]}: {message}"))

    @app.exception_handler(HTTPException)
    async def transport(request: Request, problem: HTTPException) -> JSONResponse:
        if problem.status_code == 405:
            allowed = ", ".join(_allowed_methods(request))
            answer = _error_response(405, "method_not_allowed", f"ask with {allowed}", {"Allow": allowed})
            return await slowed(request, answer)
        word = "not_found" if problem.status_code == 404 else "error"
        return await slowed(request, _error_response(problem.status_code, word, problem.detail, problem.headers))

    @app.exception_handler(Exception)
    async def unexpected(request: Request, problem: Exception) -> JSONResponse:
        LOG.error("%s %s failed", request.method, request.url.path, exc_info=problem)
        return _error_response(500, "internal", "the request failed; the log of the service says why")


def problem_response(problem: ApiError) -> JSONResponse:
    """Return the answer to an expected error."""
    return _error_response(problem.status, problem.error, problem.detail, problem.headers)


def _allowed_methods(request: Request) -> list[str]:
    """Return the methods of the path. Each method of a path is a route of its own."""
    return [
        method for method in HTTPMethod if any(_matches(route, request.scope, method) for route in request.app.routes)
    ]


def _matches(route: BaseRoute, scope: Scope, method: HTTPMethod) -> bool:
    return route.matches({**scope, "method": method})[0] is Match.FULL


def _error_response(status: int, error: str, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": error, "detail": detail}, status, dict(headers or {}))
