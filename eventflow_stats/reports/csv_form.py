"""The CSV form of a report, for programs: RFC 4180, UTF-8, a row for each wrong or stale group, always with a header.

An absent dimension is ``__null__``. A text that is equal to that, that a spreadsheet would take for a formula, or that
begins with an apostrophe gets an apostrophe in front: drop the first apostrophe of a value to get the stored one. Text
with characters that control a terminal (control and direction codes, line breaks) is a JSON string after an apostrophe.
Numbers are empty where the rollup or the facts have no such row.
"""

from collections.abc import Iterator
from uuid import UUID

from eventflow_stats.engine.verification.discrepancies import difference
from eventflow_stats.engine.verification.verify import VerifiedDay
from eventflow_stats.formatting import format_csv

HEADER = (
    *("result", "client_id", "client_name", "bucket_date", "campaign_id", "marketing_campaign_link_id", "link_name"),
    *("utm_source", "utm_medium", "utm_campaign"),
    *("stored_visits", "true_visits", "visits_difference"),
    *("stored_conversions", "true_conversions", "conversions_difference"),
)


def csv_rows(day: VerifiedDay) -> Iterator[tuple[str, ...]]:
    """The rows of one day, in the order of ``HEADER``; differences are stored minus true."""
    for group in day.differences:
        visits, conversions = difference(group)
        yield (
            group.result,
            str(group.client_id),
            _text(group.client_name),
            day.day.isoformat(),
            *(_text(value) for value in (group.campaign_id, group.link_id, group.link_name)),
            *(_text(value) for value in (group.utm_source, group.utm_medium, group.utm_campaign)),
            *(_number(number) for number in (group.stored_visits, group.true_visits, visits)),
            *(_number(number) for number in (group.stored_conversions, group.true_conversions, conversions)),
        )


def _text(value: str | UUID | None) -> str:
    return format_csv(None if value is None else str(value))


def _number(number: int | None) -> str:
    return "" if number is None else str(number)
