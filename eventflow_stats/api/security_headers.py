"""Headers of every answer for the browser that gets it."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eventflow_stats.limited_connection import HEADERS_OF_EVERY_ANSWER


class SecurityHeaders:
    """Middleware around everything. It adds the headers, except those that a page sets itself (/docs)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(h for h in HEADERS_OF_EVERY_ANSWER if h[0] not in present)]
            await send(message)

        await self._app(scope, receive, with_headers)
