"""The page /docs: Swagger UI. People enter tokens there, so every file of it comes from this service."""

import gzip
from collections.abc import Awaitable, Callable
from functools import cache
from importlib.resources import files
from typing import Annotated

from fastapi import FastAPI, Header, Response

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>eventflow-stats: read API</title>
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="page"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#page",
  deepLinking: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
});
"""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
TYPES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
    "start.js": "text/javascript",
}
ONE_DAY = {"Cache-Control": "public, max-age=86400", "Vary": "Accept-Encoding"}
AcceptEncoding = Annotated[str, Header()]


def add_documentation(app: FastAPI) -> None:
    """Add the routes of the page and of its files."""

    @app.get("/docs", include_in_schema=False)
    @app.head("/docs", include_in_schema=False)
    async def page() -> Response:
        return Response(PAGE, media_type="text/html", headers={"Content-Security-Policy": POLICY})

    for name in TYPES:
        app.add_api_route(f"/docs/{name}", _serving(name), methods=["GET", "HEAD"], include_in_schema=False)


def _serving(name: str) -> Callable[..., Awaitable[Response]]:
    async def file(accept_encoding: AcceptEncoding = "") -> Response:
        if "gzip" in accept_encoding:
            # Compressed once: the middleware would do it for every request, which takes as long as a hundred answers.
            return Response(_compressed(name), media_type=TYPES[name], headers=ONE_DAY | {"Content-Encoding": "gzip"})
        return Response(_content(name), media_type=TYPES[name], headers=ONE_DAY)

    return file


@cache
def _content(name: str) -> bytes:
    if name == "start.js":
        return START.encode()
    return (files("fastapi_swagger") / "resources" / name).read_bytes()


@cache
def _compressed(name: str) -> bytes:
    return gzip.compress(_content(name))
