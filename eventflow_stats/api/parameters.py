"""What a question may carry: the parameters of its route, each once."""

from collections.abc import Sequence

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute

from eventflow_stats.api.auth import caller
from eventflow_stats.api.errors import InvalidRequest, documented


def unknown(name: str, known: Sequence[str]) -> InvalidRequest:
    """What is said of a parameter that is none."""
    return InvalidRequest(f"{name[:40]!r} is no parameter here; there are {', '.join(known)}")


def only_known(request: Request) -> None:
    """Raises InvalidRequest for a parameter that the route does not have, or that stands twice: ``frm`` for ``from``
    would otherwise be answered, with the numbers of other days than the caller believes."""
    route: APIRoute = request.scope["route"]
    known = [field.alias for field in route.dependant.query_params]
    given = [name for name, _ in request.query_params.multi_items()]
    for name in given:
        if name not in known:
            raise unknown(name, known)
        if given.count(name) > 1:
            raise InvalidRequest(f"{name}: given {given.count(name)} times; give it once")


def routes_of_a_client() -> APIRouter:
    """For the routes that tell of one client; each answers who may read it, and only a question it understands."""
    return APIRouter(
        prefix="/api/clients/{client_id}",
        tags=["numbers"],
        # First who asks: a stranger is not even told what is wrong with the question.
        dependencies=[Depends(caller), Depends(only_known)],
        responses=documented(400, 401, 404, 429, 503),
    )
