"""The parameters of a request: those of its route, each once."""

from collections.abc import Sequence

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute

from eventflow_stats.api.auth import caller
from eventflow_stats.api.errors import InvalidRequest, error_responses


def unknown_parameter(name: str, known: Sequence[str]) -> InvalidRequest:
    """Return the refusal of a parameter that the route does not have."""
    return InvalidRequest(f"{name[:40]!r} is no parameter here; there are {', '.join(known)}")


def require_known_parameters(request: Request) -> None:
    """Raise InvalidRequest for a parameter that is unknown or given twice. Otherwise ``frm`` for ``from`` would be
    answered with the numbers of other days than the caller expects."""
    route: APIRoute = request.scope["route"]
    known = [field.alias for field in route.dependant.query_params]
    given = [name for name, _ in request.query_params.multi_items()]
    for name in given:
        if name not in known:
            raise unknown_parameter(name, known)
        if given.count(name) > 1:
            raise InvalidRequest(f"{name}: given {given.count(name)} times; give it once")


def client_router() -> APIRouter:
    """Return a router for routes of one client: authenticated callers, known parameters."""
    return APIRouter(
        prefix="/api/clients/{client_id}",
        tags=["numbers"],
        # The caller is checked first: a stranger does not learn what is wrong with the request.
        dependencies=[Depends(caller), Depends(require_known_parameters)],
        responses=error_responses(400, 401, 404, 429, 503),
    )
