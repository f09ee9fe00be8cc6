"""One realistic answer of each kind for the OpenAPI document: two days of a client with two links.

No value is null: FastAPI removes such a field from the document, and the example would be incomplete.
"""

from typing import Any

CLIENT = "5f0c2a9e-3d7b-4c1e-9a57-0b6f4f1d2e30"
LINK = "b7e4d1c2-8a90-4f3e-8c55-2d9a6e7f1a04"
OTHER_LINK = "0e6a5b38-41f7-4d0b-b2c6-97d3c1a8e5f2"
COMPANIONS: dict[str, Any] = {
    "date_range": {"from": "2026-03-03", "to": "2026-03-04"},
    "_source": "aggregated",
    "_coverage": {"aggregated_days": 2, "raw_days": 0},
    "_freshness": {
        "computed_through": "2026-03-05T09:40:00.000Z",
        "oldest_verification": "2026-03-05T01:10:04.512Z",
        "held_days": 0,
        "unswept_changes": None,
        "unverifiable_since": None,
    },
}
# Two adjustments in the totals below.
ADJUSTED: dict[str, Any] = {
    "adjustments": 2,
    "visits_delta": 5,
    "conversions_delta": -1,
    "measured": {"visits": 155, "conversions": 25},
}

SUMMARY: dict[str, Any] = {
    "total_conversions": 24,
    "total_visits": 160,
    "avg_cvr": 15.0,
    "active_links": 2,
    "conversions_by_source": [
        {"source": "kakao", "count": 18, "visits": 96, "is_untracked": False},
        {"source": "naver", "count": 6, "visits": 64, "is_untracked": False},
    ],
    "conversions_by_medium": [
        {"medium": "chat", "count": 18, "visits": 96},
        {"medium": "cpc", "count": 6, "visits": 64},
    ],
    "conversions_by_campaign": [{"campaign": "spring", "count": 24, "visits": 160}],
    "conversions_by_combo": [
        {"source": "kakao", "medium": "chat", "campaign": "spring", "count": 18, "visits": 96, "cvr": 18.75},
        {"source": "naver", "medium": "cpc", "campaign": "spring", "count": 6, "visits": 64, "cvr": 9.38},
    ],
    "conversions_by_link": [
        {"link_id": LINK, "link_name": "Kakao, spring webinar", "count": 18, "visits": 96, "cvr": 18.75},
        {"link_id": OTHER_LINK, "link_name": "Everywhere else", "count": 6, "visits": 64, "cvr": 9.38},
    ],
    "tracking_metadata": {"tracked_count": 24, "untracked_count": 0, "tracking_success_rate": "100.0%"},
    **COMPANIONS,
}

LINKS: dict[str, Any] = {
    "links": [
        {
            "id": LINK,
            "client_id": CLIENT,
            "name": "Kakao, spring webinar",
            "cid": "KAKAO2XP",
            "status": "active",
            "utm_source": "kakao",
            "utm_medium": "chat",
            "utm_campaign": "spring",
            "created_at": "2026-02-20T04:11:09.138859+00:00",
            "conversion_count": 18,
            "visits_count": 96,
            "cvr": 18.75,
        }
    ],
    "unlinked": {"conversion_count": 6, "visits_count": 64, "cvr": 9.38},
    **COMPANIONS,
}

LINK_STATS: dict[str, Any] = {
    "link_id": LINK,
    "link_name": "Kakao, spring webinar",
    "stats": {"visits": 96, "conversions": 18, "cvr": 18.75},
    "daily_data": [
        {"date": "2026-03-03", "visits": 56, "conversions": 13, "cvr": 23.21},
        {"date": "2026-03-04", "visits": 40, "conversions": 5, "cvr": 12.5},
    ],
    **COMPANIONS,
}

_TOTALS = {"total_conversions": 24, "total_visits": 160}
_ROLLUP = {"_source": "aggregated"}
OVERVIEW: dict[str, Any] = {
    "client_id": CLIENT,
    "marketing": {**_TOTALS, "avg_cvr": 15.0, **_ROLLUP},
    "webinars": {"total_webinars": 3, "total_registrants": 41, "_source": "raw"},
    "campaigns": {"total_campaigns": 1, "total_conversions": 24, **_ROLLUP},
    "links": {"total_links": 2, "active_links": 2, **_TOTALS, **_ROLLUP},
    "summary": {**_TOTALS, "total_webinars": 3, "total_campaigns": 1, "total_links": 2},
    "_metadata": {
        "response_time_ms": 4.2,
        "data_sources": {
            "marketing": "aggregated",
            "webinars": "raw",
            "campaigns": "aggregated",
            "links": "aggregated",
        },
        "generated_at": "2026-03-05T09:41:12.322Z",
    },
    **COMPANIONS,
}
