"""The fields beside the numbers of an answer: where the numbers come from and how fresh they are."""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from eventflow_stats.api.schemas import examples


class DateRange(BaseModel):
    """The days of the answer, both included."""

    from_: date = Field(alias="from", examples=["2026-03-01"])
    to: date = Field(examples=["2026-03-30"])


class Coverage(BaseModel):
    """How many days of the range came from the rollup, and how many were measured from facts."""

    aggregated_days: int
    raw_days: int


class UnsweptChanges(BaseModel):
    """Rows of the product that changed (updated, deleted, or a new campaign, webinar or link), from PostgreSQL's
    counters. It is not known yet whether that changes a number."""

    changed_rows: int | None = Field(description="How many, of all clients and days together. null: unknown.")
    since: datetime = Field(description="They changed after this time (UTC).")
    found_by: datetime = Field(description="The sweep will have checked every day by this time (UTC).")


class Freshness(BaseModel):
    """Numbers from the rollup contain every fact that was committed before ``computed_through`` (null: no number came
    from the rollup). Exception: facts that arrived for a sealed day after it was sealed are in no number. Each day
    from the rollup was verified at ``oldest_verification`` or later (null: one never was). UTC."""

    computed_through: datetime | None
    oldest_verification: datetime | None
    held_days: int = Field(
        description="Days that keep their numbers because too many of their facts disappeared. They are not verified."
    )
    unswept_changes: UnsweptChanges | None = Field(
        None, description="Changed rows that no sweep has checked yet; the numbers may lack them. null: none."
    )
    unverifiable_since: datetime | None = Field(
        None,
        description="Since this time (UTC) facts may be hidden, so that no number can be computed or verified. null: "
        "every assumption of the verification holds.",
    )


class Sealed(BaseModel):
    """How many days of the range are sealed, and the first day after the last of them. Their numbers are those of their
    last verification. Their facts may have been deleted."""

    days: int
    before: date


class UnadjustedTotals(BaseModel):
    """The totals as measured from the facts, without adjustments (null: they could not be computed)."""

    visits: int | None
    conversions: int | None


class IncludedAdjustments(BaseModel):
    """The manual adjustments in the numbers: those of the link if the answer is about one link, otherwise those of the
    client's whole range. The answer's totals are ``measured`` plus the deltas."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [examples.ADJUSTED]})

    adjustments: int = Field(description="How many adjustments.")
    visits_delta: int
    conversions_delta: int
    measured: UnadjustedTotals


class Companions(BaseModel):
    """The fields that every answer with numbers has."""

    date_range: DateRange
    source: Literal["aggregated", "raw"] = Field(
        alias="_source", description="raw: at least one day of the range was measured from facts."
    )
    coverage: Coverage = Field(alias="_coverage")
    freshness: Freshness = Field(alias="_freshness")
    sealed: Sealed | None = Field(None, alias="_sealed", description="Present when days of the range are sealed.")
    adjusted: IncludedAdjustments | None = Field(
        None, alias="_adjusted", description="Present when the numbers include an adjustment."
    )
