"""The security headers of every answer, and the page /docs, which loads files of this service only."""

import re

import httpx

from eventflow_stats_tests.api.serving import bearer, serving, settings_for
from eventflow_stats_tests.api.shop import DAY, Shop
from eventflow_stats_tests.engine.postgres.inspecting import run

STRICT = "default-src 'none'; frame-ancestors 'none'"


def test_every_answer_has_the_security_headers(shop: Shop) -> None:
    summary = f"/api/clients/{shop.ours}/campaigns/summary?from={DAY}&to={DAY}"
    settings = settings_for(shop.database, cors_origins="https://app.example.com")
    with serving(settings) as url, httpx.Client(base_url=url, headers={"Origin": "https://app.example.com"}) as http:

        def ask(path: str, method: str = "GET", **headers: str) -> httpx.Response:
            return http.request(method, path, headers=headers)

        answers = [
            (200, ask(summary, **bearer(shop.member))),
            (304, ask(summary, **bearer(shop.member), **{"If-None-Match": "*"})),
            (404, ask(summary, **bearer(shop.stranger))),
            (400, ask(f"{summary}&x=1", **bearer(shop.member))),
            (401, ask(summary)),
            (404, ask("/nothing")),
            (405, ask(summary, "DELETE")),
            (200, ask(summary, "OPTIONS", **{"Access-Control-Request-Method": "GET"})),
            (200, ask("/openapi.json")),
            (200, ask("/metrics")),
            (200, ask("/docs/swagger-ui.css")),
        ]
        run(shop.database, "ALTER FUNCTION public.marketing_overview RENAME TO gone")
        run(
            shop.database,
            """CREATE FUNCTION public.marketing_overview(client_id uuid, "from" date, "to" date) RETURNS json
            LANGUAGE sql STABLE RETURN (1 / 0)::text::json""",
        )
        answers.append((500, ask(f"/api/clients/{shop.ours}/statistics/overview", **bearer(shop.member))))
    assert [
        (answer.request.url.path, answer.status_code) for status, answer in answers if status != answer.status_code
    ] == []
    for _, answer in answers:
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"], answer
        assert answer.headers.get_list("content-security-policy") == [STRICT], answer


def test_the_documentation_page_loads_nothing_from_other_sites(http: httpx.Client) -> None:
    page = http.get("/docs")
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert "<script>" not in page.text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) >= 4
    for path in loaded:
        plain = http.get(f"/{path}", headers={"Accept-Encoding": "identity"})
        assert plain.status_code == http.get(f"/{path}").status_code == 200
        assert plain.content == http.get(f"/{path}").content
    assert http.get("/redoc").status_code == 404
