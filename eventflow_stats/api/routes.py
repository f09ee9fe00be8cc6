"""The routes that read: summary, links, link stats, overview. Each is one SQL function's answer, passed on."""

from datetime import date, timedelta
from typing import Annotated, Any, LiteralString
from uuid import UUID

from fastapi import Header, Path, Request, Response

from eventflow_stats.api.auth import Claims
from eventflow_stats.api.database import IF_READABLE, Reader
from eventflow_stats.api.errors import InvalidRequest
from eventflow_stats.api.parameters import routes_of_a_client
from eventflow_stats.api.days import FromDay, ToDay, check_first_day, range_problem
from eventflow_stats.api.response_cache import CachedResponse, ResponseCache
from eventflow_stats.api.schemas.numbers import Links, LinkStats, Overview, Summary
from eventflow_stats.engine.assumptions import day_windows
from eventflow_stats.engine.status.answer_counts import DAYS_BY_DEFAULT, Source

router = routes_of_a_client()
ClientId = Annotated[UUID, Path(description="The client.")]
IfNoneMatch = Annotated[list[str] | None, Header(description="ETag of an answer in hand: 304 when it still holds.")]
# Where an answer for days still to come, which can only be measured, came from but for those; NULL: it has no others.
SOURCE_UP_TO_TODAY: LiteralString = """
    CASE WHEN %(first_counted)s <= %(today)s THEN CASE
        WHEN marketing_version(%(client)s, %(first_counted)s, %(today)s) IS NULL THEN 'raw' ELSE 'aggregated'
    END END
"""
VERSION: LiteralString = "marketing_version(%(client)s, %(first)s, %(last)s, %(link)s)"
NO_VERSION = "-" * 32
"""As long as a version."""
UNCHANGED: dict[int | str, dict[str, object]] = {
    304: {"description": "The answer in hand (If-None-Match) still holds."}
}


@router.head("/campaigns/summary", include_in_schema=False)
@router.get("/campaigns/summary", response_model=Summary, responses=UNCHANGED, summary="Totals and breakdowns")
async def summary(
    request: Request,
    claims: Claims,
    client_id: ClientId,
    first: FromDay = None,
    last: ToDay = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Totals of a client's range and how they break down by source, medium, campaign, their combination, and link.

    Totals are sums over days and groups: a session seen on two days, or in two groups, counts once in each.
    """
    function: LiteralString = "marketing_summary(%(client)s, %(first)s, %(last)s)"
    return await _answer(request, claims, function, client_id, first, last, if_none_match)


@router.head("/campaigns/links", include_in_schema=False)
@router.get("/campaigns/links", response_model=Links, responses=UNCHANGED, summary="Every link with its numbers")
async def links(
    request: Request,
    claims: Claims,
    client_id: ClientId,
    first: FromDay = None,
    last: ToDay = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Every link of a client as the product has it, with its visits, conversions and rate; the rest is `unlinked`."""
    function: LiteralString = "marketing_links(%(client)s, %(first)s, %(last)s)"
    return await _answer(request, claims, function, client_id, first, last, if_none_match)


@router.head("/campaigns/links/{link_id}/stats", include_in_schema=False)
@router.get(
    "/campaigns/links/{link_id}/stats", response_model=LinkStats, responses=UNCHANGED, summary="One link, day by day"
)
async def link_stats(
    request: Request,
    claims: Claims,
    client_id: ClientId,
    link_id: Annotated[UUID, Path(description="The link.")],
    first: FromDay = None,
    last: ToDay = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """One link's numbers, and those of every day of the range, days without any included."""
    function: LiteralString = "marketing_link_stats(%(client)s, %(link)s, %(first)s, %(last)s)"
    return await _answer(request, claims, function, client_id, first, last, if_none_match, link_id)


@router.head("/statistics/overview", include_in_schema=False)
@router.get("/statistics/overview", response_model=Overview, summary="The dashboard in one call")
async def overview(
    request: Request, claims: Claims, client_id: ClientId, first: FromDay = None, last: ToDay = None
) -> Response:
    """Marketing, webinars, campaigns and links of a client. A block that failed is null, never zeros, and
    `_metadata.data_sources` says so."""
    reader: Reader = request.app.state.reader
    given = await _asked(request, claims, client_id, first, last)
    # Without its numbers it is no answer from anywhere.
    columns: LiteralString = (
        "a.answer::text, CASE WHEN a.answer ->> 'marketing' IS NOT NULL THEN a.answer ->> '_source' END"
    )
    body, source, up_to_today = await reader.ask(
        claims,
        "SELECT " + columns + ", " + SOURCE_UP_TO_TODAY + " FROM ("  # noqa: S608 (constants)
        "SELECT marketing_overview(%(client)s, %(first)s, %(last)s) AS answer OFFSET 0) AS a " + IF_READABLE,
        given,
    )
    request.state.source = source and _counted(given, source, up_to_today)
    return Response(body, media_type="application/json", headers={"Cache-Control": "private, no-store"})


async def _answer(
    request: Request,
    claims: str,
    function: LiteralString,
    client_id: UUID,
    first: date | None,
    last: date | None,
    if_none_match: list[str] | None,
    link_id: UUID | None = None,
) -> Response:
    """The function's answer with a tag that holds until a client-day of it changes; measured from facts, with none."""
    reader: Reader = request.app.state.reader
    kept: ResponseCache = request.app.state.response_cache
    given = await _asked(request, claims, client_id, first, last, link_id)
    question = (function, client_id, link_id, first, last)
    known = kept.get(question)
    tags = _tags(if_none_match or [])
    # One statement, whether an answer is kept or not: else the time of a refusal would tell that others asked.
    columns: LiteralString = (
        "v.version, CASE WHEN v.version IS NULL OR NOT %(any)s AND v.version <> ALL(%(known)s::text[]) THEN "
        + function
        + "::text END, "
        + SOURCE_UP_TO_TODAY
    )
    found, text, up_to_today = await reader.ask(
        claims,
        "SELECT " + columns + " FROM (SELECT " + VERSION + " AS version OFFSET 0) AS v " + IF_READABLE,  # noqa: S608 (constants)
        given | {"any": "*" in tags, "known": [known.version if known else NO_VERSION, *_versions(function, tags)]},
    )
    if found is not None and ("*" in tags or _tag(function, found) in tags):
        request.state.source = "aggregated"
        # As the answer itself, which says so where it is compressed.
        varying = {"Vary": "Authorization, Accept-Encoding"}
        return Response(status_code=304, headers=_caching(function, found) | varying)
    if known is not None and known.version == found:
        request.state.source = "aggregated"
        return Response(known.body, media_type="application/json", headers=_caching(function, found))
    body = text.encode()
    if found is not None:
        kept.keep(question, CachedResponse(found, body))
    request.state.source = _counted(given, "raw" if found is None else "aggregated", up_to_today)
    return Response(body, media_type="application/json", headers=_caching(function, found))


async def _asked(
    request: Request,
    claims: str,
    client_id: UUID,
    first: date | None,
    last: date | None,
    link_id: UUID | None = None,
) -> dict[str, Any]:
    """The parameters of a question.

    Raises:
        InvalidRequest: no such range is answered.
        NotFound: it is not, and the client is not the caller's.
    """
    today = day_windows.today(request.app.state.settings)
    check_first_day(first, last, today)
    given: dict[str, Any] = {"client": client_id, "link": link_id, "first": first, "last": last, "today": today}
    problem = range_problem(first, last, today)
    if problem is not None:
        reader: Reader = request.app.state.reader
        await reader.ask(claims, "SELECT true " + IF_READABLE, given)
        raise InvalidRequest(problem)
    first_counted = (first or last - timedelta(days=DAYS_BY_DEFAULT - 1)) if last is not None and last > today else None
    return given | {"first_counted": first_counted}


def _counted(given: dict[str, Any], source: Source, up_to_today: Source | None) -> Source | None:
    """As what an answer counts for the check of the raw share, which is to tell of days that could be computed."""
    return source if given["first_counted"] is None else up_to_today


def _tag(function: str, version: str) -> str:
    return f'"{function.partition("(")[0]}-{version}"'


def _tags(if_none_match: list[str]) -> set[str]:
    """The tags given, to be compared weakly (RFC 9110); ``*`` is any."""
    return {one.strip().removeprefix("W/") for one in ",".join(if_none_match).split(",")}


def _versions(function: str, tags: set[str]) -> list[str]:
    """The versions in those of the tags that are of this function."""
    before, after = _tag(function, "|").split("|")
    return [tag[len(before) : -len(after)] for tag in tags if tag.startswith(before) and tag.endswith(after)]


def _caching(function: str, version: str | None) -> dict[str, str]:
    if version is None:
        return {"Cache-Control": "private, no-store"}
    # Weak: the answer's _freshness may have moved on, its numbers have not.
    tag = f"W/{_tag(function, version)}"
    return {"Cache-Control": "private, no-cache", "ETag": tag, "Vary": "Authorization"}
