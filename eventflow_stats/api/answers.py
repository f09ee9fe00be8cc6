"""The shape of each answer, for OpenAPI and for clients generated from it; the JSON itself comes from the database.

Fields may be added, never renamed or removed. Visits and conversions are counts; cvr is conversions per 100 visits.
"""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class DateRange(_Answer):
    """The days answered for, both included."""

    from_: date = Field(alias="from", examples=["2026-03-01"])
    to: date = Field(examples=["2026-03-30"])


class Coverage(_Answer):
    """How many days of the range came from the rollup and how many were measured from facts."""

    aggregated_days: int
    raw_days: int


class Freshness(_Answer):
    """Every fact committed before ``computed_through`` is in the numbers that came from the rollup (null: none did);
    each of their days was proved against the facts since ``oldest_proof`` (null: one never was). UTC."""

    computed_through: datetime | None
    oldest_proof: datetime | None


class Adjusted(_Answer):
    """The manual corrections that the numbers include."""

    model_config = ConfigDict(extra="allow")


class Companions(_Answer):
    """What every answer says of itself."""

    date_range: DateRange
    source: Literal["aggregated", "raw"] = Field(
        alias="_source", description="raw: at least one day of the range was measured from the facts."
    )
    coverage: Coverage = Field(alias="_coverage")
    freshness: Freshness = Field(alias="_freshness")
    adjusted: Adjusted | None = Field(None, alias="_adjusted", description="Present when a correction is included.")


class BySource(_Answer):
    source: str | None
    count: int = Field(description="Conversions.")
    visits: int
    is_untracked: bool = Field(description="Neither a link nor any UTM.")


class ByMedium(_Answer):
    medium: str | None
    count: int
    visits: int


class ByCampaign(_Answer):
    campaign: str | None
    count: int
    visits: int


class ByCombo(_Answer):
    source: str | None
    medium: str | None
    campaign: str | None
    count: int
    visits: int
    cvr: float


class ByLink(_Answer):
    link_id: UUID | None
    link_name: str | None
    count: int
    visits: int
    cvr: float


class Tracking(_Answer):
    tracked_count: int
    untracked_count: int
    tracking_success_rate: str = Field(examples=["93.4%"])


class Summary(Companions):
    """Totals and breakdowns; every breakdown adds up to the totals. Sorted by count descending, then label."""

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


class Link(_Answer):
    """Every column of the product's link, and its numbers."""

    model_config = ConfigDict(extra="allow")

    id: UUID
    name: str
    conversion_count: int
    visits_count: int
    cvr: float


class Unlinked(_Answer):
    """What belongs to no link of the client."""

    conversion_count: int
    visits_count: int
    cvr: float


class Links(Companions):
    """Every link of the client, by conversions descending, then name."""

    links: list[Link]
    unlinked: Unlinked


class Stats(_Answer):
    visits: int
    conversions: int
    cvr: float


class DayStats(Stats):
    date: date


class LinkStats(Companions):
    """One link: totals, and every day of the range, oldest first."""

    link_id: UUID
    link_name: str
    stats: Stats
    daily_data: list[DayStats]


class MarketingBlock(_Answer):
    total_conversions: int
    total_visits: int
    avg_cvr: float
    source: str = Field(alias="_source")


class WebinarsBlock(_Answer):
    total_webinars: int
    total_registrants: int
    source: str = Field(alias="_source")


class CampaignsBlock(_Answer):
    total_campaigns: int
    total_conversions: int
    source: str = Field(alias="_source")


class LinksBlock(_Answer):
    total_links: int
    active_links: int
    total_conversions: int
    total_visits: int
    source: str = Field(alias="_source")


class OverviewTotals(_Answer):
    total_conversions: int | None
    total_visits: int | None
    total_webinars: int | None
    total_campaigns: int | None
    total_links: int | None


Source = Literal["aggregated", "raw", "error"]


class DataSources(_Answer):
    marketing: Source
    webinars: Source
    campaigns: Source
    links: Source


class Metadata(_Answer):
    response_time_ms: float
    data_sources: DataSources = Field(description="error: the block could not be computed and is null.")
    generated_at: datetime


class Overview(Companions):
    """The dashboard; a block that could not be computed is null."""

    client_id: UUID
    marketing: MarketingBlock | None
    webinars: WebinarsBlock | None
    campaigns: CampaignsBlock | None
    links: LinksBlock | None
    summary: OverviewTotals
    metadata: Metadata = Field(alias="_metadata")
