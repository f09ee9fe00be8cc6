"""One realistic answer of each kind, for the OpenAPI document: two days of a client with two links.

No value is null: FastAPI leaves such a field out of the document, and the example would not be an answer.
"""

from typing import Any

CLIENT = "5f0c2a9e-3d7b-4c1e-9a57-0b6f4f1d2e30"
LINK = "b7e4d1c2-8a90-4f3e-8c55-2d9a6e7f1a04"
OTHER_LINK = "0e6a5b38-41f7-4d0b-b2c6-97d3c1a8e5f2"
COMPANIONS: dict[str, Any] = {
    "date_range": {"from": "2026-03-03", "to": "2026-03-04"},
    "_source": "aggregated",
    "_coverage": {"aggregated_days": 2, "raw_days": 0},
    "_freshness": {"computed_through": "2026-03-05T09:40:00.000Z", "oldest_proof": "2026-03-05T01:10:04.512Z"},
}

SUMMARY: dict[str, Any] = {
    "total_conversions": 24,
    "total_visits": 160,
    "avg_cvr": 15.0,
    "active_links": 2,
    "conversions_by_source": [
        {"source": "kakao", "count": 18, "visits": 96, "is_untracked": False},
        {"source": "naver", "count": 4, "visits": 40, "is_untracked": False},
        {"source": "instagram", "count": 2, "visits": 24, "is_untracked": False},
    ],
    "conversions_by_medium": [
        {"medium": "chat", "count": 18, "visits": 96},
        {"medium": "cpc", "count": 4, "visits": 40},
        {"medium": "social", "count": 2, "visits": 24},
    ],
    "conversions_by_campaign": [
        {"campaign": "spring", "count": 22, "visits": 136},
        {"campaign": "alumni", "count": 2, "visits": 24},
    ],
    "conversions_by_combo": [
        {"source": "kakao", "medium": "chat", "campaign": "spring", "count": 18, "visits": 96, "cvr": 18.75},
        {"source": "naver", "medium": "cpc", "campaign": "spring", "count": 4, "visits": 40, "cvr": 10.0},
        {"source": "instagram", "medium": "social", "campaign": "alumni", "count": 2, "visits": 24, "cvr": 8.33},
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
        },
        {
            "id": OTHER_LINK,
            "client_id": CLIENT,
            "name": "Everywhere else",
            "cid": "ELSE7QRM",
            "status": "active",
            "created_at": "2026-02-20T04:12:31.502114+00:00",
            "conversion_count": 6,
            "visits_count": 64,
            "cvr": 9.38,
        },
    ],
    "unlinked": {"conversion_count": 0, "visits_count": 0, "cvr": 0.0},
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

OVERVIEW: dict[str, Any] = {
    "client_id": CLIENT,
    "marketing": {"total_conversions": 24, "total_visits": 160, "avg_cvr": 15.0, "_source": "aggregated"},
    "webinars": {"total_webinars": 3, "total_registrants": 41, "_source": "raw"},
    "campaigns": {"total_campaigns": 1, "total_conversions": 24, "_source": "aggregated"},
    "links": {
        "total_links": 2,
        "active_links": 2,
        "total_conversions": 24,
        "total_visits": 160,
        "_source": "aggregated",
    },
    "summary": {
        "total_conversions": 24,
        "total_visits": 160,
        "total_webinars": 3,
        "total_campaigns": 1,
        "total_links": 2,
    },
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

CAMPAIGN = "10975097-cdfb-4130-b5fc-bd19ef041c21"
FACTS = ["7322525f-4521-4f1a-8812-c84ccf27d9fd", "237d44be-ad7e-43cc-bc1b-b0e4b26c1bb4"]
ENTRY = "1d49e21c-60ca-402a-a0cc-1429872ef41f"
KEY = {
    "campaign_id": CAMPAIGN,
    "campaign_name": "Spring webinar",
    "link_id": LINK,
    "link_name": "Kakao, spring webinar",
    "utm_source": "kakao",
    "utm_medium": "chat",
    "utm_campaign": "spring",
}

# A fact of another group came after the day was computed; this group was wrong once and is repaired.
EXPLANATION: dict[str, Any] = {
    "client_id": CLIENT,
    "client_name": "A client",
    "day": "2026-03-04",
    "timezone": "UTC",
    "window": {"from": "2026-03-04T00:00:00.000Z", "to": "2026-03-05T00:00:00.000Z"},
    "of_the_day": {
        "groups": 2,
        "groups_that_differ": 1,
        "stored_visits": 80,
        "stored_conversions": 12,
        "visits": 81,
        "conversions": 12,
        "visit_rows": 82,
        "entries": 12,
    },
    "ledger": {
        "computed_at": "2026-03-05T00:10:02.311Z",
        "visit_rows": 81,
        "entries": 12,
        "facts_moved_since": True,
        "dirty_since": "2026-03-05T09:41:12.322Z",
        "dirty_reason": "new facts",
        "proved_at": "2026-03-05T01:10:04.512Z",
        "proved_since_computed": True,
        "unresolved_facts_of_the_day": 0,
    },
    "matching": 1,
    "matching_that_differ": 0,
    "groups": [
        {
            **KEY,
            "stored_visits": 48,
            "stored_conversions": 9,
            "visits": 48,
            "conversions": 9,
            "agrees": True,
            "visits_delta": 0,
            "conversions_delta": -1,
        }
    ],
    "nearest": [],
    "explanation": {
        "stored": {
            "visits": 48,
            "conversions": 9,
            "cvr": 18.75,
            "first_aggregated_at": "2026-03-04T09:05:01.204Z",
            "last_aggregated_at": "2026-03-05T00:10:02.311Z",
        },
        "measured": {"visits": 48, "conversions": 9, "cvr": 18.75},
        "agrees": True,
        "verdict": "the rollup equals the facts",
        "counted": {
            "visit_rows": 49,
            "visits": 48,
            "sessions": 48,
            "repeated_sessions": 1,
            "folded_rows": 1,
            "rows_without_session": 0,
            "entries": 9,
            "entries_completed_on_another_day": 0,
            "fact_ids": {"visits": FACTS[:1], "folded": FACTS[1:], "entries": [ENTRY]},
        },
        "link_rules": {
            "stored_link_id": 49,
            "cid_of_visit": 0,
            "cid_in_registration": 9,
            "unknown_cid": 0,
            "none": 0,
            "stored_over_another_cid": 0,
            "stored_link_unknown": 0,
            "fact_ids": [],
        },
        "elsewhere": {
            "visit_rows": 33,
            "entries": 3,
            "same_session": {"visit_rows": 2, "entries": 0},
            "other_link": {"visit_rows": 31, "entries": 3},
            "other": {"visit_rows": 0, "entries": 0},
        },
        "neighbours": [
            {
                **KEY,
                "link_id": OTHER_LINK,
                "link_name": "Everywhere else",
                "visit_rows": 33,
                "entries": 3,
                "shared_sessions": 2,
                "differs_in": ["link_id"],
                "rule": "differs in link_id; 2 of the sessions are in both groups and count once in each",
                "fact_ids": ["a70f9a9c-328d-4282-97e5-e5fd3a11d701"],
            }
        ],
        "neighbours_in_all": 1,
        "neighbouring_days": [
            {
                "day": "2026-03-03",
                "visit_rows_of_same_sessions": 1,
                "shared_sessions": 1,
                "visit_rows_within_an_hour": 0,
                "entries_within_an_hour": 0,
                "entries_completed_on_the_day": 0,
                "fact_ids": ["e9229551-9cf3-4952-b2ba-c62e01d2987f"],
            }
        ],
        "discrepancies": [
            {
                "discrepancy_id": 17,
                "found_at": "2026-03-04T13:02:00.113Z",
                "stored_visits": 30,
                "stored_conversions": 4,
                "true_visits": 31,
                "true_conversions": 4,
                "repaired_at": "2026-03-04T13:03:11.940Z",
                "repaired_by": "rebuild",
            }
        ],
        "adjustments": [
            {
                "adjustment_id": 3,
                "visits_delta": 0,
                "conversions_delta": -1,
                "reason": "an entry of our own tests",
                "created_at": "2026-03-05T08:30:00.000Z",
            }
        ],
    },
}
