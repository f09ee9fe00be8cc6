"""The explanation of a number: ids of facts, ids and names of campaigns and links, counts. No personal data.

Instants are UTC.
"""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from eventflow_stats.api.schemas.explanation_example import EXPLANATION


class NamedGroup(BaseModel):
    """A group. null: the dimension is absent. A name is null if the client has no such campaign or link."""

    campaign_id: UUID | None
    campaign_name: str | None
    link_id: UUID | None
    link_name: str | None
    utm_source: str | None
    utm_medium: str | None
    utm_campaign: str | None


class ListedGroup(NamedGroup):
    """A group of the day: its stored numbers, and those measured from the facts now (sealed day: the stored ones)."""

    stored_visits: int | None = Field(description="null: the rollup has no such row.")
    stored_conversions: int | None
    visits: int
    conversions: int
    agrees: bool
    visits_delta: int = Field(description="Sum of the active adjustments. No other number includes it.")
    conversions_delta: int


class Window(BaseModel):
    """The day as instants, `to` excluded."""

    from_: datetime = Field(alias="from")
    to: datetime


class DayCounts(BaseModel):
    groups: int
    groups_that_differ: int
    stored_visits: int
    stored_conversions: int
    visits: int
    conversions: int
    visit_rows: int
    entries: int


class Ledger(BaseModel):
    """When the client-day was computed, from how many facts, and when it was verified. For a sealed day `verified_at`
    is the last verification against facts; its facts are not counted again."""

    computed_at: datetime | None
    visit_rows: int
    entries: int
    facts_changed_since: bool
    stale_since: datetime | None
    stale_reason: str | None
    verified_at: datetime | None
    verified_since_computed: bool
    unresolved_facts_of_the_day: int = Field(description="Facts of the whole day that belong to no client.")
    held_at: datetime | None = Field(
        None, description="The day is held since this time: too many of its facts disappeared."
    )
    sealed_at: datetime | None = Field(
        None, description="The day is sealed since this time: its numbers do not change."
    )
    late_facts_of_the_day: int = Field(
        description="Facts that arrived after the day was sealed. No number includes them."
    )


class StoredNumbers(BaseModel):
    visits: int
    conversions: int
    cvr: float
    first_aggregated_at: datetime
    last_aggregated_at: datetime


class MeasuredNumbers(BaseModel):
    visits: int
    conversions: int
    cvr: float


class FactIds(BaseModel):
    """The first ids of each kind."""

    visits: list[UUID]
    folded: list[UUID]
    entries: list[UUID]


class CountedFacts(BaseModel):
    """The facts of the group. `visits` is `visit_rows` minus `folded_rows`; it includes visits without a session."""

    visit_rows: int
    visits: int
    sessions: int
    repeated_sessions: int = Field(description="Sessions with more than one visit in the group.")
    folded_rows: int
    rows_without_session: int
    entries: int
    entries_completed_on_another_day: int = Field(
        description="The day of an entry is that of its created_at, not of its completed_at."
    )
    fact_ids: FactIds


class LinkRules(BaseModel):
    """How many facts of the group got their link by which rule. The first five add up to all facts of the group."""

    stored_link_id: int
    cid_of_visit: int
    cid_in_registration: int
    unknown_cid: int = Field(description="The cid names no link of the client.")
    none: int
    stored_over_another_cid: int = Field(description="Part of stored_link_id: the cid names another link.")
    stored_link_unknown: int = Field(description="Part of stored_link_id: the client has no such link now.")
    fact_ids: list[UUID] = Field(description="The first facts whose cid names no link, or another one.")


class FactsByKind(BaseModel):
    visit_rows: int
    entries: int


class FactsElsewhere(FactsByKind):
    """The day's facts in other groups: of the same sessions, of groups with only another link, and the rest."""

    same_session: FactsByKind
    other_link: FactsByKind
    other: FactsByKind


class NeighbourGroup(NamedGroup):
    """Another group of the day that shares sessions, or that differs in one dimension."""

    visit_rows: int
    entries: int
    shared_sessions: int
    differs_in: list[str]
    rule: str = Field(description="Why these facts belong to that group, in words.")
    fact_ids: list[UUID]


class NeighbouringDay(BaseModel):
    day: date
    visit_rows_of_same_sessions: int
    shared_sessions: int
    visit_rows_within_an_hour: int = Field(description="Visits of the same group within an hour of the explained day.")
    entries_within_an_hour: int
    entries_completed_on_the_day: int = Field(
        description="Entries of the same group that were completed on the explained day."
    )
    fact_ids: list[UUID]


class ExplainedDiscrepancy(BaseModel):
    """A verification found the group wrong. Open while `repaired_at` is null."""

    discrepancy_id: int
    found_at: datetime
    stored_visits: int | None
    stored_conversions: int | None
    true_visits: int | None
    true_conversions: int | None
    repaired_at: datetime | None
    repaired_by: str | None


class ExplainedAdjustment(BaseModel):
    """An active manual adjustment. No other number includes it."""

    adjustment_id: int
    visits_delta: int
    conversions_delta: int
    reason: str
    created_at: datetime


class GroupExplanation(BaseModel):
    """Where the numbers of the one matching group come from."""

    stored: StoredNumbers | None = Field(description="null: the rollup has no such row.")
    measured: MeasuredNumbers | None = Field(
        description="null: the day is sealed. Then the next three fields are null too."
    )
    agrees: bool
    result: str = Field(description="In words.")
    counted: CountedFacts | None
    link_rules: LinkRules | None
    elsewhere: FactsElsewhere | None
    neighbours: list[NeighbourGroup] = Field(description="At most 20, those that share most sessions first.")
    neighbours_in_all: int
    neighbouring_days: list[NeighbouringDay]
    discrepancies: list[ExplainedDiscrepancy] = Field(
        description="At most 20: open ones, then the newest of the others."
    )
    adjustments: list[ExplainedAdjustment]


class Explanation(BaseModel):
    """A client-day, its matching groups, and where the numbers come from if exactly one group matches."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXPLANATION]})

    client_id: UUID
    client_name: str | None
    day: date
    timezone: str
    window: Window
    of_the_day: DayCounts
    ledger: Ledger
    matching: int
    matching_that_differ: int
    groups: list[ListedGroup] = Field(description="Matching groups, at most 50, the largest first.")
    nearest: list[ListedGroup] = Field(description="If none matches: the nearest groups, at most 5.")
    explanation: GroupExplanation | None = Field(description="null unless exactly one group matches.")
