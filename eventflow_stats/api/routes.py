"""The routes with numbers: summary, links, link stats, overview. One SQL function computes each answer."""

from datetime import date, timedelta
from typing import Annotated, Any, LiteralString
from uuid import UUID

from fastapi import Header, Path, Request, Response

from eventflow_stats.api.auth import Claims
from eventflow_stats.api.database import IF_READABLE, Reader
from eventflow_stats.api.days import FromDay, ToDay, check_first_day, range_problem
from eventflow_stats.api.errors import InvalidRequest
from eventflow_stats.api.parameters import client_router
from eventflow_stats.api.response_cache import CachedResponse, ResponseCache
from eventflow_stats.api.schemas.numbers import Links, LinkStats, Overview, Summary
from eventflow_stats.engine.assumptions import day_windows
from eventflow_stats.engine.status.answer_counts import DAYS_BY_DEFAULT, AnswerSource

router = client_router()
ClientId = Annotated[UUID, Path(description="The client.")]
IfNoneMatch = Annotated[list[str] | None, Header(description="ETag of an earlier answer: 304 if it is still valid.")]
# The source of an answer without its future days, which can only be measured. NULL: it has no other days.
SOURCE_UP_TO_TODAY: LiteralString = """
    CASE WHEN %(first_counted)s <= %(today)s THEN CASE
        WHEN marketing_version(%(client)s, %(first_counted)s, %(today)s) IS NULL THEN 'raw' ELSE 'aggregated'
    END END
"""
VERSION: LiteralString = "marketing_version(%(client)s, %(first)s, %(last)s, %(link)s)"
NO_VERSION = "-" * 32
"""It has the length of a version, so that the statement has the same size with and without a cached answer."""
UNCHANGED: dict[int | str, dict[str, object]] = {
    304: {"description": "The earlier answer (If-None-Match) is still valid."}
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
    """Totals of a client's range, and breakdowns by source, medium, campaign, their combination, and link.

    Totals are sums over days and groups: a session on two days, or in two groups, counts once in each.
    """
    function: LiteralString = "marketing_summary(%(client)s, %(first)s, %(last)s)"
    return await _cached_answer(request, claims, function, client_id, first, last, if_none_match)


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
    """Every link of a client with its columns and numbers. `unlinked` counts the facts without a link."""
    function: LiteralString = "marketing_links(%(client)s, %(first)s, %(last)s)"
    return await _cached_answer(request, claims, function, client_id, first, last, if_none_match)


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
    """The numbers of one link: totals, and every day of the range, also days without facts."""
    function: LiteralString = "marketing_link_stats(%(client)s, %(link)s, %(first)s, %(last)s)"
    return await _cached_answer(request, claims, function, client_id, first, last, if_none_match, link_id)


@router.head("/statistics/overview", include_in_schema=False)
@router.get("/statistics/overview", response_model=Overview, summary="The dashboard in one call")
async def overview(
    request: Request, claims: Claims, client_id: ClientId, first: FromDay = None, last: ToDay = None
) -> Response:
    """Marketing, webinars, campaigns and links of a client. A block that failed is null, and its entry in
    `_metadata.data_sources` is `error`."""
    reader: Reader = request.app.state.reader
    parameters = await _statement_parameters(request, claims, client_id, first, last)
    # An answer without its numbers has no source.
    columns: LiteralString = (
        "a.answer::text, CASE WHEN a.answer ->> 'marketing' IS NOT NULL THEN a.answer ->> '_source' END"
    )
    body, source, up_to_today = await reader.ask(
        claims,
        "SELECT " + columns + ", " + SOURCE_UP_TO_TODAY + " FROM ("  # noqa: S608 (constants)
        "SELECT marketing_overview(%(client)s, %(first)s, %(last)s) AS answer OFFSET 0) AS a " + IF_READABLE,
        parameters,
    )
    request.state.source = source and _counted_source(parameters, source, up_to_today)
    return Response(body, media_type="application/json", headers={"Cache-Control": "private, no-store"})


async def _cached_answer(
    request: Request,
    claims: str,
    function: LiteralString,
    client_id: UUID,
    first: date | None,
    last: date | None,
    if_none_match: list[str] | None,
    link_id: UUID | None = None,
) -> Response:
    """Return the function's answer. Its tag is valid until a client-day changes; an answer from facts has none."""
    reader: Reader = request.app.state.reader
    cache: ResponseCache = request.app.state.response_cache
    parameters = await _statement_parameters(request, claims, client_id, first, last, link_id)
    question = (function, client_id, link_id, first, last)
    cached = cache.get(question)
    tags = _tags(if_none_match or [])
    # The same statement with and without a cached answer. Otherwise the time of a refusal would show that others asked.
    columns: LiteralString = (
        "v.version, CASE WHEN v.version IS NULL OR NOT %(any)s AND v.version <> ALL(%(known)s::text[]) THEN "
        + function
        + "::text END, "
        + SOURCE_UP_TO_TODAY
    )
    version, text, up_to_today = await reader.ask(
        claims,
        "SELECT " + columns + " FROM (SELECT " + VERSION + " AS version OFFSET 0) AS v " + IF_READABLE,  # noqa: S608 (constants)
        parameters
        | {"any": "*" in tags, "known": [cached.version if cached else NO_VERSION, *_versions(function, tags)]},
    )
    if version is not None and ("*" in tags or _tag(function, version) in tags):
        request.state.source = "aggregated"
        # The same Vary as that of a compressed answer.
        varying = {"Vary": "Authorization, Accept-Encoding"}
        return Response(status_code=304, headers=_cache_headers(function, version) | varying)
    if cached is not None and cached.version == version:
        request.state.source = "aggregated"
        return Response(cached.body, media_type="application/json", headers=_cache_headers(function, version))
    body = text.encode()
    if version is not None:
        cache.put(question, CachedResponse(version, body))
    request.state.source = _counted_source(parameters, "raw" if version is None else "aggregated", up_to_today)
    return Response(body, media_type="application/json", headers=_cache_headers(function, version))


async def _statement_parameters(
    request: Request,
    claims: str,
    client_id: UUID,
    first: date | None,
    last: date | None,
    link_id: UUID | None = None,
) -> dict[str, Any]:
    """Return the parameters of the SQL statement.

    Raises:
        InvalidRequest: the range cannot be answered.
        NotFound: the range cannot be answered, and the caller may not read the client.
    """
    today = day_windows.today(request.app.state.settings)
    check_first_day(first, last, today)
    parameters: dict[str, Any] = {"client": client_id, "link": link_id, "first": first, "last": last, "today": today}
    problem = range_problem(first, last, today)
    if problem is not None:
        reader: Reader = request.app.state.reader
        await reader.ask(claims, "SELECT true " + IF_READABLE, parameters)
        raise InvalidRequest(problem)
    first_counted = (first or last - timedelta(days=DAYS_BY_DEFAULT - 1)) if last is not None and last > today else None
    return parameters | {"first_counted": first_counted}


def _counted_source(
    parameters: dict[str, Any], source: AnswerSource, up_to_today: AnswerSource | None
) -> AnswerSource | None:
    """Return the source that the check of the raw share counts: the source of the days that can be computed already."""
    return source if parameters["first_counted"] is None else up_to_today


def _tag(function: str, version: str) -> str:
    return f'"{function.partition("(")[0]}-{version}"'


def _tags(if_none_match: list[str]) -> set[str]:
    """Return the tags for a weak comparison (RFC 9110). ``*`` matches any."""
    return {one.strip().removeprefix("W/") for one in ",".join(if_none_match).split(",")}


def _versions(function: str, tags: set[str]) -> list[str]:
    """Return the versions in the tags of this function."""
    before, after = _tag(function, "|").split("|")
    return [tag[len(before) : -len(after)] for tag in tags if tag.startswith(before) and tag.endswith(after)]


def _cache_headers(function: str, version: str | None) -> dict[str, str]:
    if version is None:
        return {"Cache-Control": "private, no-store"}
    # Weak: _freshness of the answer may have changed; its numbers have not.
    tag = f"W/{_tag(function, version)}"
    return {"Cache-Control": "private, no-cache", "ETag": tag, "Vary": "Authorization"}
