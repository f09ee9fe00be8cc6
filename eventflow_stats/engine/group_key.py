"""The key of one group: one row of the rollup."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID


@dataclass(frozen=True)
class GroupKey:
    """A group: client, day, campaign, link and UTM values; None is an absent dimension and a value of its own."""

    client_id: UUID
    bucket_date: date
    campaign_id: UUID | None = None
    link_id: UUID | None = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
