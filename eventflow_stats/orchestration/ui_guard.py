"""The guard before Dagster's web server, which has no login and accepts requests from any page open in a browser.

A page of another site reaches a local port through the browser of its visitor. The guard answers only the host names
that are allowed, because a foreign name can resolve to this machine. A request may change something only if it comes
from the UI's own pages or from a program, in a form that a page of another site cannot send. Dagster reads a body
completely, so the guard reads it first and refuses a large one.
"""

import hmac
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
MOST_BODY_BYTES = 1024 * 1024
"""The largest bodies of the UI are the configuration of a run and the partitions of a backfill."""
DEFAULT_PORTS = {"http": ":80", "https": ":443"}
GRAPHQL = "/graphql"
REPORTS = "/report_asset_"

Refusal = tuple[int, str]
"""HTTP status, and one line that names the fault and the remedy."""

FOREIGN_HOST: Refusal = (
    403,
    "this Host name is not allowed; name it in EVENTFLOW_UI_HOSTS or with `eventflow-stats up --allow-host`",
)
FOREIGN_ORIGIN: Refusal = (403, "requests of other sites are refused; open the UI itself")
NOT_BY_GET: Refusal = (405, "GraphQL is not answered by GET; send POST with Content-Type application/json")
NOT_JSON: Refusal = (415, "send GraphQL as JSON, with Content-Type application/json")
NO_SUCH_METHOD: Refusal = (405, "only GET, and POST to /graphql, are answered")
REPORTS_CLOSED: Refusal = (403, "closed; set EVENTFLOW_REPORT_TOKEN to take reports of assets")
LARGE_BODY: Refusal = (413, f"the body may have {MOST_BODY_BYTES:,} bytes")
WRONG_TOKEN: Refusal = (401, "send `Authorization: Bearer` with the deployment's EVENTFLOW_REPORT_TOKEN")


class UiGuard:
    """ASGI middleware around Dagster's web server, for requests and websockets.

    ``hosts``: names without ports that the Host header may have, besides those of the loopback interface.
    Without ``report_token`` the endpoints ``/report_asset_*`` are closed.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str] = (), report_token: str | None = None) -> None:
        self._app = app
        self._hosts = {name.lower() for name in (*LOOPBACK, *hosts)}
        self._token = report_token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None and scope["type"] == "http" and scope["method"] == "POST":
            body = await _read_body(scope, receive)
            if body is None:
                return
            if isinstance(body, bytes):
                receive = _received(body, receive)
            else:
                refusal = body
        if refusal is not None:
            status, why = refusal
            # The rest of a large body is not read, so the connection ends with the answer.
            headers = {"Connection": "close"} if refusal is LARGE_BODY else None
            await PlainTextResponse(f"{why}\n", status, headers)(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                _forbid_other_sites(MutableHeaders(scope=message))
            await send(message)

        await self._app(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> Refusal | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or _name(hosts[0]) not in self._hosts:
            return FOREIGN_HOST
        if scope["type"] == "websocket":
            return FOREIGN_ORIGIN if _is_foreign(headers, hosts[0]) else None
        if scope["method"] in ("GET", "HEAD"):
            # For text/html Dagster answers with the page of its playground and executes nothing.
            runs = scope["path"] == GRAPHQL and "text/html" not in headers.get("accept", "")
            return NOT_BY_GET if runs else None
        if scope["method"] == "POST":
            return self._refusal_of_post(scope["path"], headers, hosts[0])
        return NO_SUCH_METHOD

    def _refusal_of_post(self, path: str, headers: Headers, host: str) -> Refusal | None:
        if _is_foreign(headers, host):
            return FOREIGN_ORIGIN
        if path.startswith(REPORTS):
            return self._refusal_of_report(headers)
        if path != GRAPHQL:
            return NO_SUCH_METHOD
        # Before a browser sends this type to another site it asks for permission, and gets none here. The whole value
        # is compared: Dagster accepts any type that contains these words, a browser asks only for exactly these.
        types = [text.partition(";")[0].strip().lower() for text in headers.getlist("content-type")]
        return None if types == ["application/json"] else NOT_JSON

    def _refusal_of_report(self, headers: Headers) -> Refusal | None:
        if self._token is None:
            return REPORTS_CLOSED
        # Headers are bytes that were read as Latin-1.
        given = headers.get("authorization", "").encode("latin-1")
        return None if hmac.compare_digest(given, f"Bearer {self._token}".encode()) else WRONG_TOKEN


async def _read_body(scope: Scope, receive: Receive) -> bytes | Refusal | None:
    """Read the whole body; returns a refusal for a large one, and None when the peer left before the end."""
    announced = Headers(scope=scope).get("content-length", "0")
    # The length is checked first, because Python refuses to parse a number with thousands of digits.
    if announced.isdecimal() and (len(announced) > 15 or int(announced) > MOST_BODY_BYTES):
        return LARGE_BODY
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > MOST_BODY_BYTES:
            return LARGE_BODY
        if not message.get("more_body", False):
            return bytes(body)


def _received(body: bytes, receive: Receive) -> Receive:
    """A receive function that first returns the body already read."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_read() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_read


def _name(host: str) -> str:
    """The name in a Host header, in lower case, without a port."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host).lower()


def _is_foreign(headers: Headers, host: str) -> bool:
    """Whether a browser marks the request as sent by a page of another origin. Programs send no such headers."""
    if any(site not in ("same-origin", "none") for site in headers.getlist("sec-fetch-site")):
        return True
    return any(not _is_origin_of(origin, host) for origin in headers.getlist("origin"))


def _is_origin_of(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    # The scheme may differ, because a proxy in front may use https.
    default = DEFAULT_PORTS.get(parts.scheme)
    if default is None:
        return False
    return parts.netloc.lower().removesuffix(default) == host.lower().removesuffix(default)


def _forbid_other_sites(headers: MutableHeaders) -> None:
    """Forbid other sites to load the UI's files, or to show it in a frame where its buttons could be clicked unseen."""
    headers["X-Frame-Options"] = "SAMEORIGIN"
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    # Added to Dagster's own policy: a browser obeys both.
    headers.append("Content-Security-Policy", "frame-ancestors 'self'")
