"""The shape of each answer, for OpenAPI and for clients generated from it; the JSON itself comes from the database.

Fields may be added, never renamed or removed. Visits and conversions are counts; cvr is conversions per 100 visits.
"""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from eventflow_stats.api import examples


class DateRange(BaseModel):
    """The days answered for, both included."""

    from_: date = Field(alias="from", examples=["2026-03-01"])
    to: date = Field(examples=["2026-03-30"])


class Coverage(BaseModel):
    """How many days of the range came from the rollup and how many were measured from facts."""

    aggregated_days: int
    raw_days: int


class UnsweptChanges(BaseModel):
    """Rows of the product that changed (updated, deleted, or a new campaign, webinar or link). It is not known yet
    whether that changes a number of the answer."""

    changed_rows: int | None = Field(description="How many, all clients and days together; null: an unknown number.")
    since: datetime = Field(description="They changed after this time (UTC).")
    found_by: datetime = Field(description="When they will have been looked for at the latest (UTC).")


class Freshness(BaseModel):
    """Every fact committed before ``computed_through`` is in the numbers that came from the rollup (null: none did);
    each of their days was verified against the facts since ``oldest_verification`` (null: one never was). UTC."""

    computed_through: datetime | None
    oldest_verification: datetime | None
    held_days: int = Field(
        description="Days whose numbers stay as they were because too many of their facts disappeared: not verified."
    )
    unswept_changes: UnsweptChanges | None = Field(
        None, description="Changes of facts that are known and not found yet, which the numbers may lack; null: none."
    )
    unverifiable_since: datetime | None = Field(
        None,
        description="Since when facts may be hidden, so that no number can be computed or verified (UTC); null: all "
        "that verification rests on holds.",
    )


class Sealed(BaseModel):
    """How many days of the range are sealed, and the first day after the last of them: their numbers are those of their
    last verification, and their facts may be gone."""

    days: int
    before: date


class Measured(BaseModel):
    """The answer's totals as the facts give them, without adjustments (null: they could not be computed)."""

    visits: int | None
    conversions: int | None


class Adjusted(BaseModel):
    """The manual adjustments that the numbers include: of the one link where the answer is about one link, else of the
    client's whole range. The answer's own totals are ``measured`` and the deltas together."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [examples.ADJUSTED]})

    adjustments: int = Field(description="How many adjustments.")
    visits_delta: int
    conversions_delta: int
    measured: Measured


class Companions(BaseModel):
    """What every answer says of itself."""

    date_range: DateRange
    source: Literal["aggregated", "raw"] = Field(
        alias="_source", description="raw: at least one day of the range was measured from the facts."
    )
    coverage: Coverage = Field(alias="_coverage")
    freshness: Freshness = Field(alias="_freshness")
    sealed: Sealed | None = Field(None, alias="_sealed", description="Present when days of the range are sealed.")
    adjusted: Adjusted | None = Field(None, alias="_adjusted", description="Present when an adjustment is included.")


class BySource(BaseModel):
    source: str | None
    count: int = Field(description="Conversions.")
    visits: int
    is_untracked: bool = Field(description="Neither a link nor any UTM.")


class ByMedium(BaseModel):
    medium: str | None
    count: int
    visits: int


class ByCampaign(BaseModel):
    campaign: str | None
    count: int
    visits: int


class ByCombo(BaseModel):
    source: str | None
    medium: str | None
    campaign: str | None
    count: int
    visits: int
    cvr: float


class ByLink(BaseModel):
    link_id: UUID | None
    link_name: str | None
    count: int
    visits: int
    cvr: float


class Tracking(BaseModel):
    tracked_count: int
    untracked_count: int
    tracking_success_rate: str = Field(examples=["93.4%"])


class Summary(Companions):
    """Totals and breakdowns; every breakdown adds up to the totals. Sorted by count descending, then label."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.SUMMARY]})

    total_conversions: int
    total_visits: int
    avg_cvr: float
    active_links: int
    conversions_by_source: list[BySource]
    conversions_by_medium: list[ByMedium]
    conversions_by_campaign: list[ByCampaign]
    conversions_by_combo: list[ByCombo]
    conversions_by_link: list[ByLink]
    tracking_metadata: Tracking


class Link(BaseModel):
    """Every column of the product's link, and its numbers."""

    model_config = ConfigDict(extra="allow")

    id: UUID
    name: str
    conversion_count: int
    visits_count: int
    cvr: float


class Unlinked(BaseModel):
    """What belongs to no link of the client."""

    conversion_count: int
    visits_count: int
    cvr: float


class Links(Companions):
    """Every link of the client, by conversions descending, then name."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.LINKS]})

    links: list[Link]
    unlinked: Unlinked


class Stats(BaseModel):
    visits: int
    conversions: int
    cvr: float


class DayStats(Stats):
    date: date


class LinkStats(Companions):
    """One link: totals, and every day of the range, oldest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.LINK_STATS]})

    link_id: UUID
    link_name: str
    stats: Stats
    daily_data: list[DayStats]


class MarketingBlock(BaseModel):
    total_conversions: int
    total_visits: int
    avg_cvr: float
    source: str = Field(alias="_source")


class WebinarsBlock(BaseModel):
    total_webinars: int
    total_registrants: int
    source: str = Field(alias="_source")


class CampaignsBlock(BaseModel):
    total_campaigns: int
    total_conversions: int
    source: str = Field(alias="_source")


class LinksBlock(BaseModel):
    total_links: int
    active_links: int
    total_conversions: int
    total_visits: int
    source: str = Field(alias="_source")


class OverviewTotals(BaseModel):
    total_conversions: int | None
    total_visits: int | None
    total_webinars: int | None
    total_campaigns: int | None
    total_links: int | None


Source = Literal["aggregated", "raw", "error"]


class DataSources(BaseModel):
    marketing: Source
    webinars: Source
    campaigns: Source
    links: Source


class Metadata(BaseModel):
    response_time_ms: float
    data_sources: DataSources = Field(description="error: the block could not be computed and is null.")
    generated_at: datetime


class Overview(Companions):
    """The dashboard; a block that could not be computed is null."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.OVERVIEW]})

    client_id: UUID
    marketing: MarketingBlock | None
    webinars: WebinarsBlock | None
    campaigns: CampaignsBlock | None
    links: LinksBlock | None
    summary: OverviewTotals
    metadata: Metadata = Field(alias="_metadata")
