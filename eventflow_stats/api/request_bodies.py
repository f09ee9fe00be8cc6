"""The limit of a request's body: a larger one is refused before it is read."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eventflow_stats.api.errors import ApiError, problem_response

MOST_BODY_BYTES = 64 * 1024
"""The only body that any route reads names two days and a client."""


class BodyTooLarge(ApiError):
    """413: the body is not read, and the connection is closed."""

    def __init__(self) -> None:
        detail = f"the body may have {MOST_BODY_BYTES:,} bytes"
        super().__init__(413, "body_too_large", detail, {"Connection": "close"})


class BodyLimit:
    """Middleware: 413 for a body whose announced or received size is above the limit."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        # The length first: Python refuses to parse a number of thousands of digits.
        if announced.isdecimal() and (len(announced) > 15 or int(announced) > MOST_BODY_BYTES):
            await problem_response(BodyTooLarge())(scope, receive, send)
            return
        read = 0

        async def receive_limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > MOST_BODY_BYTES:
                raise BodyTooLarge
            return message

        await self._app(scope, receive_limited, send)
