"""The ASGI application: its routes and its middleware."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp

from eventflow_stats import __version__
from eventflow_stats.api import cron_route, explain_route, routes
from eventflow_stats.api.auth import Tokens
from eventflow_stats.api.caller_limits import OneAfterTheOther
from eventflow_stats.api.dagster_client import DagsterClient
from eventflow_stats.api.database import Reader
from eventflow_stats.api.documentation import document
from eventflow_stats.api.errors import handle_errors
from eventflow_stats.api.monitoring_routes import monitor
from eventflow_stats.api.request_bodies import SmallBodies
from eventflow_stats.api.response_cache import ResponseCache
from eventflow_stats.api.security_headers import SecurityHeaders
from eventflow_stats.engine.postgres.database import connection_string, driver_url
from eventflow_stats.errors import Refused
from eventflow_stats.settings import Settings

COMPRESSED_FROM_BYTES = 1024
COMPRESSION_LEVEL = 3
"""A summary shrinks to a fourteenth. The default (9) saves a fifth of that and takes seventeen times as long."""


def create_app(settings: Settings) -> FastAPI:
    """The read API of one deployment.

    Raises:
        Refused: no database is named.
    """
    if settings.database_url is None:
        raise Refused(
            "setting EVENTFLOW_DATABASE_URL is missing: the read API needs it (`eventflow-stats up` gives it)"
        )
    url = driver_url(settings.api_database_url or settings.database_url)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with Reader(connection_string(url), settings).opened() as reader, monitoring.running():
            app.state.reader = reader
            yield

    app = FastAPI(
        title="eventflow-stats",
        version=__version__,
        description="Exact daily marketing statistics, verified against the facts. Days are calendar days of the "
        "deployment's bucket time zone; rates are conversions per 100 visits.",
        lifespan=lifespan,
        # A path with a slash too many is no route; the redirect would trust the request's Host header.
        redirect_slashes=False,
        # FastAPI's own pages load scripts from elsewhere, into a page that tokens are entered in.
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.tokens = Tokens(settings)
    app.state.response_cache = ResponseCache()
    app.state.dagster = DagsterClient(settings.dagster_graphql_url)
    handle_errors(app)
    app.add_middleware(SmallBodies)
    app.add_middleware(GZipMiddleware, minimum_size=COMPRESSED_FROM_BYTES, compresslevel=COMPRESSION_LEVEL)
    origins = [origin.strip() for origin in settings.cors_origins.split(",") if origin.strip()]
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "HEAD"],
            allow_headers=["Authorization", "If-None-Match"],
            expose_headers=["ETag", "Retry-After"],
        )
    app.add_middleware(OneAfterTheOther, at_once=settings.api_connections_per_caller)
    for module in (routes, explain_route, cron_route):
        app.include_router(module.router)
    monitoring = monitor(app, settings.database_url, settings)
    document(app)
    _document_what_is_answered(app)
    _around_everything(app)
    return app


def _around_everything(app: FastAPI) -> None:
    """Starlette answers an unexpected failure outside of all middleware; its answer needs the headers too."""
    made = app.build_middleware_stack

    def build_middleware_stack() -> ASGIApp:
        return SecurityHeaders(made())

    app.build_middleware_stack = build_middleware_stack  # type: ignore[method-assign]


def _document_what_is_answered(app: FastAPI) -> None:
    """FastAPI documents 422 for malformed parameters; here they are answered with 400."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = made()
            for path in schema["paths"].values():
                for operation in path.values():
                    operation["responses"].pop("422", None)
            for unused in ("HTTPValidationError", "ValidationError"):
                schema.get("components", {}).get("schemas", {}).pop(unused, None)
        return app.openapi_schema or made()

    app.openapi = openapi  # type: ignore[method-assign]
