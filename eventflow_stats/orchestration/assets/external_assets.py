"""EventFlow's own tables as Dagster shows them. EventFlow writes them, and this project only reads them."""

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
    "a row without a campaign belongs to a webinar.",
)
event_survey_entries = _table(
    "event_survey_entries",
    "Conversions: one row per survey entry or registration. Its day is `created_at`; "
    "`registration_data.cid` may name its link.",
)
event_survey_campaigns = _table(
    "event_survey_campaigns", "Campaigns: a campaign names the client of its visits and entries."
)
webinars = _table("webinars", "Webinars: a webinar names the client of a visit without a campaign.")
campaign_link_meta = _table(
    "campaign_link_meta",
    "Tracking links: the `cid` of a visit or an entry names the client's link with that cid.",
)

product_tables = [
    event_access_logs,
    event_survey_entries,
    event_survey_campaigns,
    webinars,
    campaign_link_meta,
]
