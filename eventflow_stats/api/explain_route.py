"""The route that explains a number. One SQL function computes the answer."""

import re
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query, Request, Response
from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from eventflow_stats.api.auth import Claims
from eventflow_stats.api.database import IF_READABLE, Reader
from eventflow_stats.api.days import Day
from eventflow_stats.api.parameters import client_router
from eventflow_stats.api.schemas import examples
from eventflow_stats.api.schemas.explanation import Explanation

router = client_router()
MOST_CHARACTERS = 2000
"""Of a UTM value in a request. The product stores at most 200."""


def _id(value: object) -> str:
    if value in ("none", "__null__"):
        return str(value)
    # UUID() alone would accept an unmatched brace.
    if re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", str(value)):
        return str(value)
    raise ValueError(f"{str(value)[:40]!r} is neither an id nor none")


def _text(value: str) -> str:
    if "\x00" in value:
        raise ValueError("it has a character that no stored text can have")
    return value


Id = Annotated[str, BeforeValidator(_id), WithJsonSchema({"type": "string", "examples": [examples.LINK]})]
Text = Annotated[str, Query(min_length=1, max_length=MOST_CHARACTERS), AfterValidator(_text)]
ANY = "not given: any; `none` or `__null__`: absent"
EXACTLY = ANY + "; in double quotes: exactly the quoted text"


@router.head("/campaigns/explain", include_in_schema=False)
@router.get("/campaigns/explain", response_model=Explanation, summary="Where a number comes from")
async def explain(
    request: Request,
    claims: Claims,
    client_id: Annotated[UUID, Path(description="The client.")],
    day: Annotated[
        Day | None, Query(description="YYYY-MM-DD in the bucket time zone. Default: today.", examples=["2026-03-04"])
    ] = None,
    campaign_id: Annotated[Id | None, Query(description=f"Campaign; {ANY}.")] = None,
    link_id: Annotated[Id | None, Query(description=f"Link; {ANY}.")] = None,
    utm_source: Annotated[Text | None, Query(description=f"{EXACTLY}.")] = None,
    utm_medium: Annotated[Text | None, Query(description=f"{EXACTLY}.")] = None,
    utm_campaign: Annotated[Text | None, Query(description=f"{EXACTLY}.")] = None,
) -> Response:
    """Where the numbers of one group of a day come from: which facts are counted, which facts are counted elsewhere, by
    which rule each fact got its link, when the client-day was computed and verified. If several groups match, or none,
    the answer lists groups to choose from."""
    reader: Reader = request.app.state.reader
    (body,) = await reader.ask(
        claims,
        "SELECT marketing_explain(%(client)s, %(day)s, %(campaign)s, %(link_id)s, %(source)s, %(medium)s, "
        "%(utm_campaign)s)::text " + IF_READABLE,
        {
            "client": client_id, "link": None, "day": day, "campaign": campaign_id, "link_id": link_id,
            "source": utm_source, "medium": utm_medium, "utm_campaign": utm_campaign,
        },
    )  # fmt: skip
    return Response(body, media_type="application/json", headers={"Cache-Control": "private, no-store"})
