"""A realistic explanation for the OpenAPI document. No value is null, as in ``examples``."""

from typing import Any

from eventflow_stats.api.schemas.examples import CLIENT, LINK, OTHER_LINK

GROUP = {
    "campaign_id": "10975097-cdfb-4130-b5fc-bd19ef041c21",
    "campaign_name": "Spring webinar",
    "link_id": LINK,
    "link_name": "Kakao, spring webinar",
    "utm_source": "kakao",
    "utm_medium": "chat",
    "utm_campaign": "spring",
}
NUMBERS = {"visits": 48, "conversions": 9}

# A fact of another group arrived after the day was computed. This group was wrong once and is repaired.
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
        "facts_changed_since": True,
        "stale_since": "2026-03-05T09:41:12.322Z",
        "stale_reason": "new facts",
        "verified_at": "2026-03-05T01:10:04.512Z",
        "verified_since_computed": True,
        "unresolved_facts_of_the_day": 0,
        "late_facts_of_the_day": 0,
    },
    "matching": 1,
    "matching_that_differ": 0,
    "groups": [
        {
            **GROUP,
            **NUMBERS,
            "stored_visits": 48,
            "stored_conversions": 9,
            "agrees": True,
            "visits_delta": 0,
            "conversions_delta": -1,
        }
    ],
    "nearest": [],
    "explanation": {
        "stored": {
            **NUMBERS,
            "cvr": 18.75,
            "first_aggregated_at": "2026-03-04T09:05:01.204Z",
            "last_aggregated_at": "2026-03-05T00:10:02.311Z",
        },
        "measured": {**NUMBERS, "cvr": 18.75},
        "agrees": True,
        "result": "the rollup equals the facts",
        "counted": {
            "visit_rows": 49,
            "visits": 48,
            "sessions": 48,
            "repeated_sessions": 1,
            "folded_rows": 1,
            "rows_without_session": 0,
            "entries": 9,
            "entries_completed_on_another_day": 0,
            "fact_ids": {
                "visits": ["7322525f-4521-4f1a-8812-c84ccf27d9fd"],
                "folded": ["237d44be-ad7e-43cc-bc1b-b0e4b26c1bb4"],
                "entries": ["1d49e21c-60ca-402a-a0cc-1429872ef41f"],
            },
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
                **GROUP,
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
