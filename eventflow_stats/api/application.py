"""The ASGI application: its routes and its middleware."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from eventflow_stats import __version__
from eventflow_stats.api import cron_route, explain_route, routes
from eventflow_stats.api.auth import TokenVerifier
from eventflow_stats.api.caller_limits import CallerQueues
from eventflow_stats.api.compression import Compression
from eventflow_stats.api.dagster_client import DagsterClient
from eventflow_stats.api.database import Reader
from eventflow_stats.api.documentation import add_documentation
from eventflow_stats.api.errors import add_error_handlers
from eventflow_stats.api.monitoring_routes import add_monitoring
from eventflow_stats.api.request_bodies import BodyLimit
from eventflow_stats.api.response_cache import ResponseCache
from eventflow_stats.api.security_headers import SecurityHeaders
from eventflow_stats.engine.postgres.database import connection_string, driver_url
from eventflow_stats.errors import Refused
from eventflow_stats.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """Return the read API of one deployment.

    Raises:
        Refused: EVENTFLOW_DATABASE_URL is not set.
    """
    if settings.database_url is None:
        raise Refused("setting EVENTFLOW_DATABASE_URL is missing: the read API needs it (`eventflow-stats up` sets it)")
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
        # A redirect to the path without its last slash would trust the request's Host header.
        redirect_slashes=False,
        # FastAPI's own pages load scripts from another site into a page where people enter tokens.
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.tokens = TokenVerifier(settings)
    app.state.response_cache = ResponseCache()
    app.state.dagster = DagsterClient(settings.dagster_graphql_url)
    add_error_handlers(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(Compression)
    origins = [origin.strip() for origin in settings.cors_origins.split(",") if origin.strip()]
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "HEAD"],
            allow_headers=["Authorization", "If-None-Match"],
            expose_headers=["ETag", "Retry-After"],
        )
    app.add_middleware(CallerQueues, at_once=settings.api_connections_per_caller)
    for module in (routes, explain_route, cron_route):
        app.include_router(module.router)
    monitoring = add_monitoring(app, settings.database_url, settings)
    add_documentation(app)
    _remove_422_from_document(app)
    _add_security_headers(app)
    return app


def _add_security_headers(app: FastAPI) -> None:
    """Wrap all middleware: Starlette answers an unexpected error outside of it, and that answer needs them too."""
    build = app.build_middleware_stack

    def build_middleware_stack() -> ASGIApp:
        return SecurityHeaders(build())

    app.build_middleware_stack = build_middleware_stack  # type: ignore[method-assign]


def _remove_422_from_document(app: FastAPI) -> None:
    """Remove 422 from the OpenAPI document: malformed parameters are answered with 400."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = generate()
            for path in schema["paths"].values():
                for operation in path.values():
                    operation["responses"].pop("422", None)
            for unused in ("HTTPValidationError", "ValidationError"):
                schema.get("components", {}).get("schemas", {}).pop(unused, None)
        return app.openapi_schema or generate()

    app.openapi = openapi  # type: ignore[method-assign]
