"""The answers with numbers: summary, links, link stats, overview.

Fields may be added, never renamed or removed. Visits and conversions are counts; cvr is conversions per 100 visits.
"""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from eventflow_stats.api.schemas import examples
from eventflow_stats.api.schemas.companions import Companions


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


class TrackingMetadata(BaseModel):
    tracked_count: int
    untracked_count: int
    tracking_success_rate: str = Field(examples=["93.4%"])


class Summary(Companions):
    """Totals and breakdowns. Every breakdown adds up to the totals. Sorted by count descending, then label."""

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
    tracking_metadata: TrackingMetadata


class LinkNumbers(BaseModel):
    """Every column of the product's link, and the numbers of the link."""

    model_config = ConfigDict(extra="allow")

    id: UUID
    name: str
    conversion_count: int
    visits_count: int
    cvr: float


class Unlinked(BaseModel):
    """Visits and conversions of no link of the client."""

    conversion_count: int
    visits_count: int
    cvr: float


class Links(Companions):
    """Every link of the client, sorted by conversions descending, then name."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.LINKS]})

    links: list[LinkNumbers]
    unlinked: Unlinked


class LinkTotals(BaseModel):
    visits: int
    conversions: int
    cvr: float


class DayTotals(LinkTotals):
    date: date


class LinkStats(Companions):
    """One link: totals, and every day of the range, oldest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.LINK_STATS]})

    link_id: UUID
    link_name: str
    stats: LinkTotals
    daily_data: list[DayTotals]


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


BlockSource = Literal["aggregated", "raw", "error"]


class DataSources(BaseModel):
    marketing: BlockSource
    webinars: BlockSource
    campaigns: BlockSource
    links: BlockSource


class OverviewMetadata(BaseModel):
    response_time_ms: float
    data_sources: DataSources = Field(description="error: the block could not be computed and is null.")
    generated_at: datetime


class Overview(Companions):
    """The dashboard. A block that could not be computed is null."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.OVERVIEW]})

    client_id: UUID
    marketing: MarketingBlock | None
    webinars: WebinarsBlock | None
    campaigns: CampaignsBlock | None
    links: LinksBlock | None
    summary: OverviewTotals
    metadata: OverviewMetadata = Field(alias="_metadata")
