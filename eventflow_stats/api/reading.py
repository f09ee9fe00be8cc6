"""The routes that read: summary, links, link stats, overview. Each is one SQL function's answer, passed on."""

from datetime import date, timedelta
from typing import Annotated, Any, LiteralString
from uuid import UUID

from fastapi import Header, Path, Request, Response

from eventflow_stats.api.answers import Links, LinkStats, Overview, Summary
from eventflow_stats.api.callers import Claims
from eventflow_stats.api.database import Reader
from eventflow_stats.api.kept_answers import Kept, KeptAnswers
from eventflow_stats.api.parameters import routes_of_a_client
from eventflow_stats.api.ranges import FromDay, ToDay, check_first_day
from eventflow_stats.engine import upkeep
from eventflow_stats.engine.answers import DAYS_BY_DEFAULT, Source

router = routes_of_a_client()
ClientId = Annotated[UUID, Path(description="The client.")]
IfNoneMatch = Annotated[list[str] | None, Header(description="ETag of an answer in hand: 304 when it still holds.")]
# Where an answer for days still to come, which can only be measured, came from but for those; NULL: it has no others.
SOURCE_UP_TO_TODAY: LiteralString = """
    CASE WHEN %(first_counted)s <= %(today)s THEN CASE
        WHEN marketing_version(%(client)s, %(first_counted)s, %(today)s) IS NULL THEN 'raw' ELSE 'aggregated'
    END END
"""
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
    given = _asked(request, client_id, first, last)
    # Without its numbers it is no answer from anywhere.
    columns: LiteralString = (
        "a.answer::text, CASE WHEN a.answer ->> 'marketing' IS NOT NULL THEN a.answer ->> '_source' END"
    )
    function: LiteralString = "marketing_overview(%(client)s, %(first)s, %(last)s)"
    body, source, up_to_today = await reader.ask(
        claims,
        "SELECT " + columns + ", " + SOURCE_UP_TO_TODAY + " FROM " + function + " AS a (answer)",  # noqa: S608 (constants)
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
    """The function's answer with a tag that holds until a scope of it changes; measured from facts, with none."""
    reader: Reader = request.app.state.reader
    kept: KeptAnswers = request.app.state.kept_answers
    given = _asked(request, client_id, first, last, link_id)
    question = (function, client_id, link_id, first, last)
    version: LiteralString = "marketing_version(%(client)s, %(first)s, %(last)s, %(link)s)"
    known = kept.get(question)
    # Nothing to compare a version with: it is asked for together with the answer.
    if known is not None or if_none_match is not None:
        (found,) = await reader.ask(claims, "SELECT " + version, given)
        if found is not None and if_none_match is not None and _holds(_tag(function, found), if_none_match):
            request.state.source = "aggregated"
            # As the answer itself, which says so where it is compressed.
            varying = {"Vary": "Authorization, Accept-Encoding"}
            return Response(status_code=304, headers=_caching(function, found) | varying)
        if known is not None and known.version == found:
            request.state.source = "aggregated"
            return Response(known.body, media_type="application/json", headers=_caching(function, found))
    columns: LiteralString = version + ", " + function + "::text, " + SOURCE_UP_TO_TODAY
    found, text, up_to_today = await reader.ask(claims, "SELECT " + columns, given)
    body = text.encode()
    if found is not None:
        kept.keep(question, Kept(found, body))
    request.state.source = _counted(given, "raw" if found is None else "aggregated", up_to_today)
    return Response(body, media_type="application/json", headers=_caching(function, found))


def _asked(
    request: Request, client_id: UUID, first: date | None, last: date | None, link_id: UUID | None = None
) -> dict[str, Any]:
    """The parameters of a question.

    Raises:
        InvalidRequest: the days are all still to come and it is not said how many.
    """
    today = upkeep.today(request.app.state.settings)
    check_first_day(first, last, today)
    given: dict[str, Any] = {"client": client_id, "link": link_id, "first": first, "last": last, "today": today}
    first_counted = (first or last - timedelta(days=DAYS_BY_DEFAULT - 1)) if last is not None and last > today else None
    return given | {"first_counted": first_counted}


def _counted(given: dict[str, Any], source: Source, up_to_today: Source | None) -> Source | None:
    """As what an answer counts for the check of the raw share, which is to tell of days that could be computed."""
    return source if given["first_counted"] is None else up_to_today


def _tag(function: str, version: str) -> str:
    return f'"{function.partition("(")[0]}-{version}"'


def _holds(tag: str, if_none_match: list[str]) -> bool:
    """Whether one of the tags given is that one, compared weakly (RFC 9110); ``*`` is any."""
    given = [one.strip().removeprefix("W/") for one in ",".join(if_none_match).split(",")]
    return "*" in given or tag in given


def _caching(function: str, version: str | None) -> dict[str, str]:
    if version is None:
        return {"Cache-Control": "private, no-store"}
    # Weak: the answer's _freshness may have moved on, its numbers have not.
    tag = f"W/{_tag(function, version)}"
    return {"Cache-Control": "private, no-cache", "ETag": tag, "Vary": "Authorization"}
