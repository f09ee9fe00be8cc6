"""The shape of an explanation, for OpenAPI and for clients generated from it; the JSON itself comes from the database.

Ids of facts, campaigns and links, names of campaigns and links, and counts; no personal data. Instants are UTC.
"""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from eventflow_stats.api.explanation_example import EXPLANATION


class Key(BaseModel):
    """A group: null is an absent dimension. A name is null where the client has no such campaign or link."""

    campaign_id: UUID | None
    campaign_name: str | None
    link_id: UUID | None
    link_name: str | None
    utm_source: str | None
    utm_medium: str | None
    utm_campaign: str | None


class Listed(Key):
    """A group of the day as stored and as measured from the facts now; of a sealed day, as stored."""

    stored_visits: int | None = Field(description="null: the rollup has no such row.")
    stored_conversions: int | None
    visits: int
    conversions: int
    agrees: bool
    visits_delta: int = Field(description="Of the active adjustments; in none of the other numbers.")
    conversions_delta: int


class Window(BaseModel):
    """The instants of the day, `to` excluded."""

    from_: datetime = Field(alias="from")
    to: datetime


class OfTheDay(BaseModel):
    groups: int
    groups_that_differ: int
    stored_visits: int
    stored_conversions: int
    visits: int
    conversions: int
    visit_rows: int
    entries: int


class Ledger(BaseModel):
    """When the client's day was computed, from how many facts, and when it was verified. Of a sealed day, `verified_at` is
    its last verification against facts, and no fact is counted again."""

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
        None, description="Since when too many facts of the day are gone for it to be written."
    )
    sealed_at: datetime | None = Field(
        None, description="Since when the day keeps its numbers, whatever its facts say."
    )
    late_facts_of_the_day: int = Field(description="Facts that arrived after the day was sealed; in no number.")


class Stored(BaseModel):
    visits: int
    conversions: int
    cvr: float
    first_aggregated_at: datetime
    last_aggregated_at: datetime


class Measured(BaseModel):
    visits: int
    conversions: int
    cvr: float


class Samples(BaseModel):
    """The first ids of each kind."""

    visits: list[UUID]
    folded: list[UUID]
    entries: list[UUID]


class Counted(BaseModel):
    """The facts of the group: `visit_rows` less `folded_rows` are `visits`, those without a session included."""

    visit_rows: int
    visits: int
    sessions: int
    repeated_sessions: int = Field(description="Seen more than once within the group.")
    folded_rows: int
    rows_without_session: int
    entries: int
    entries_completed_on_another_day: int = Field(description="created_at decides the day, not completed_at.")
    fact_ids: Samples


class LinkRules(BaseModel):
    """By which rule the group's facts got their link: the first five add up to all of them."""

    stored_link_id: int
    cid_of_visit: int
    cid_in_registration: int
    unknown_cid: int = Field(description="A cid that names no link of the client.")
    none: int
    stored_over_another_cid: int = Field(description="Of stored_link_id: the cid names another link.")
    stored_link_unknown: int = Field(description="Of stored_link_id: the client has no such link now.")
    fact_ids: list[UUID] = Field(description="The first whose cid names no link, or another one.")


class Facts(BaseModel):
    visit_rows: int
    entries: int


class Elsewhere(Facts):
    """The day's facts in other groups: of sessions that are in this one too, unlike in the link alone, and the rest."""

    same_session: Facts
    other_link: Facts
    other: Facts


class Neighbour(Key):
    """Another group of the day: sharing sessions, or unlike in one dimension."""

    visit_rows: int
    entries: int
    shared_sessions: int
    differs_in: list[str]
    rule: str = Field(description="Why these facts are there and not here, in words.")
    fact_ids: list[UUID]


class NeighbouringDay(BaseModel):
    day: date
    visit_rows_of_same_sessions: int
    shared_sessions: int
    visit_rows_within_an_hour: int = Field(description="Of the same key, within an hour of the explained day.")
    entries_within_an_hour: int
    entries_completed_on_the_day: int = Field(description="Of the same key, completed on the explained day.")
    fact_ids: list[UUID]


class Discrepancy(BaseModel):
    """A verification that found the group wrong; open while `repaired_at` is null."""

    discrepancy_id: int
    found_at: datetime
    stored_visits: int | None
    stored_conversions: int | None
    true_visits: int | None
    true_conversions: int | None
    repaired_at: datetime | None
    repaired_by: str | None


class Adjustment(BaseModel):
    """An active manual adjustment; in none of the other numbers."""

    adjustment_id: int
    visits_delta: int
    conversions_delta: int
    reason: str
    created_at: datetime


class HowItCame(BaseModel):
    """How the number of the one group came about."""

    stored: Stored | None = Field(description="null: the rollup has no such row.")
    measured: Measured | None = Field(description="null, here and in the next three: the day is sealed.")
    agrees: bool
    result: str = Field(description="In words.")
    counted: Counted | None
    link_rules: LinkRules | None
    elsewhere: Elsewhere | None
    neighbours: list[Neighbour] = Field(description="At most 20, those that share most sessions first.")
    neighbours_in_all: int
    neighbouring_days: list[NeighbouringDay]
    discrepancies: list[Discrepancy] = Field(description="At most 20, open ones and the newest of the others.")
    adjustments: list[Adjustment]


class Explanation(BaseModel):
    """A client's day, the groups that match, and how the number came about if exactly one does."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXPLANATION]})

    client_id: UUID
    client_name: str | None
    day: date
    timezone: str
    window: Window
    of_the_day: OfTheDay
    ledger: Ledger
    matching: int
    matching_that_differ: int
    groups: list[Listed] = Field(description="Those that match, at most 50, the largest first.")
    nearest: list[Listed] = Field(description="If none matches: those that come nearest, at most 5.")
    explanation: HowItCame | None = Field(description="null unless exactly one group matches.")
