"""The explain route: the function's answer over HTTP, its schema, and refusals of malformed requests."""

from typing import Any
from uuid import uuid4

import httpx
import jsonschema_rs

from eventflow_stats_tests.api.serving import bearer
from eventflow_stats_tests.api.shop import DAY, MISSING, Shop
from eventflow_stats_tests.api.test_openapi import keys
from eventflow_stats_tests.engine.reading.ask import request


def test_a_number_is_explained_over_http_in_the_documented_shape(http: httpx.Client, shop: Shop) -> None:
    url = f"/api/clients/{shop.ours}/campaigns/explain"
    shop.connection.execute(
        "INSERT INTO eventflow_stats.adjustments (client_id, bucket_date, campaign_id, marketing_campaign_link_id, "
        "visits_delta, reason, author) VALUES (%s, %s, %s, %s, -1, 'a test', 'An Author')",
        [shop.ours, DAY, shop.campaign, shop.link],
    )
    shop.connection.execute(
        "INSERT INTO eventflow_stats.discrepancies (client_id, bucket_date, campaign_id, marketing_campaign_link_id, "
        "stored_visits, true_visits, repaired_at) VALUES (%s, %s, %s, %s, 2, 1, now())",
        [shop.ours, DAY, shop.campaign, shop.link],
    )
    schemas = http.get("/openapi.json").json()
    described = {**schemas, **schemas["components"]["schemas"]["Explanation"]}
    validator = jsonschema_rs.validator_for(closed(described), validate_formats=True)

    def asked(**query: object) -> dict[str, Any]:
        found = http.get(url, params={key: str(value) for key, value in query.items()}, headers=bearer(shop.member))
        assert (found.status_code, found.headers["cache-control"]) == (200, "private, no-store")
        answer: dict[str, Any] = found.json()
        assert [error.message for error in validator.iter_errors(answer)] == []
        return answer

    answer = asked(day=DAY, link_id=shop.link, campaign_id=shop.campaign, utm_source="none")
    # The example has no null fields: the day is neither held nor sealed.
    shown = keys(schemas["components"]["schemas"]["Explanation"]["examples"][0])
    assert shown == keys(answer) - {"held_at", "sealed_at"}
    message = answer["explanation"]
    assert (message["stored"]["visits"], message["measured"]["visits"], message["counted"]["entries"]) == (1, 1, 1)
    with request(shop.database, shop.member) as reader:
        asked_in_sql = "SELECT public.marketing_explain(%s, %s, link_id => %s)"
        assert reader.execute(asked_in_sql.encode(), [shop.ours, DAY, str(shop.link)]).fetchone() == (answer,)

    # Several groups match: they are listed. None matches: the nearest are listed. A missing day is reported.
    assert (asked(day=DAY)["matching"], asked(day=DAY)["explanation"]) == (3, None)
    nothing = asked(day=DAY, utm_source="kako", utm_medium="chat")
    assert (nothing["matching"], nothing["nearest"][0]["utm_source"]) == (0, "kakao")
    never = asked(day=MISSING, utm_source="kakao")
    assert (never["explanation"]["stored"], never["explanation"]["agrees"]) == (None, False)
    assert asked()["matching"] == 0
    counted = 'route="/api/clients/{client_id}/campaigns/explain",status="200"'
    assert counted in http.get("/metrics").text


def closed(schema: Any) -> Any:
    """The schema without additional properties: an undocumented field is an error."""
    if isinstance(schema, dict):
        more = {"additionalProperties": False} if "properties" in schema else {}
        return {key: closed(value) for key, value in schema.items()} | more
    return [closed(value) for value in schema] if isinstance(schema, list) else schema


def test_a_malformed_request_is_refused_with_a_hint(http: httpx.Client, shop: Shop) -> None:
    url = f"/api/clients/{shop.ours}/campaigns/explain"
    for query, message in (
        ({"day": "today"}, "day: 'today' is no day of the calendar written YYYY-MM-DD"),
        ({"link_id": "17"}, "link_id: '17' is neither an id nor none"),
        ({"campaign_id": ""}, "campaign_id: '' is neither an id nor none"),
        ({"utm_source": ""}, "utm_source: String should have at least 1 character"),
        ({"utm_medium": "a\x00"}, "utm_medium: it has a character that no stored text can have"),
        ({"utm_campaign": "a" * 2001}, "utm_campaign: String should have at most 2000 characters"),
        ({"day": "9999-12-31"}, None),
        ({"day": "0001-01-01"}, "day: 0001-01-01 is too early; 0001-02-01 is the first day that can be asked for"),
    ):
        found = http.get(url, params=query, headers=bearer(shop.member))
        assert (found.status_code, found.json().get("detail")) == (400 if message else 200, message)
    for user, client in ((shop.stranger, shop.ours), (shop.member, shop.theirs), (shop.member, uuid4())):
        found = http.get(f"/api/clients/{client}/campaigns/explain", params={"day": str(DAY)}, headers=bearer(user))
        assert (found.status_code, found.json()["error"]) == (404, "not_found")
    assert http.get(url).status_code == 401
