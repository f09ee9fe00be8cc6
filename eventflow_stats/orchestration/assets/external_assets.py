"""EventFlow's own tables, as Dagster shows them: read here, written by the product."""

import dagster as dg

GROUP = "eventflow_product"
_OWNERS = ["team:eventflow-product"]


def _table(name: str, description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        name,
        group_name=GROUP,
        description=description,
        owners=_OWNERS,
        kinds={"postgres", "table"},
        metadata={"dagster/table_name": f"public.{name}"},
    )


event_access_logs = _table(
    "event_access_logs",
    "Visits: one row per page view. A visit's day is `accessed_at`, its session `session_id`; "
    "rows without a campaign belong to a webinar alone.",
)
event_survey_entries = _table(
    "event_survey_entries",
    "Conversions: one row per survey entry or registration. Its day is `created_at`; "
    "its link may be told by `registration_data.cid`.",
)
event_survey_campaigns = _table(
    "event_survey_campaigns", "Campaigns: they tell which client a visit or an entry belongs to."
)
webinars = _table("webinars", "Webinars: they tell the client of a visit that has no campaign.")
campaign_link_meta = _table(
    "campaign_link_meta",
    "Tracking links: a visit's or entry's `cid` is resolved to the client's link of that cid.",
)

product_tables = [
    event_access_logs,
    event_survey_entries,
    event_survey_campaigns,
    webinars,
    campaign_link_meta,
]
