"""One message to a Slack-compatible webhook, within a bounded time."""

import json
import queue
import threading
import time
import urllib.request
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError

TRIES = 2
TRY_SECONDS = 3.0
ALL_SECONDS = 8.0
"""For all tries together: Dagster gives a sensor's tick a minute, and a tick may have five alerts to send."""
PAUSE_SECONDS = 0.5


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would arrive elsewhere, as a GET without its message."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect)


def post(url: str, text: str) -> str | None:
    """POST ``{"text": ...}``; None when the receiver took it, else why not, in a few words.

    Those words never hold the URL: its path is the secret. Nothing is raised, and nobody waits longer than
    ``ALL_SECONDS``, however slowly the other side answers.
    """
    # What Slack wants escaped; nothing else of the text means anything to it, least of all <!channel>.
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    body = json.dumps({"text": escaped}).encode()
    outcome: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    # urllib's timeout is for each read and not for name lookups: only a thread can be left behind.
    threading.Thread(target=lambda: outcome.put(_try_to_post(url, body)), daemon=True).start()
    try:
        return outcome.get(timeout=ALL_SECONDS)
    except queue.Empty:
        return f"it gave no answer within {ALL_SECONDS:g} s"


def _try_to_post(url: str, body: bytes) -> str | None:
    gives_up = time.monotonic() + ALL_SECONDS - TRY_SECONDS
    why: str | None = None
    for number in range(TRIES):
        if number:
            time.sleep(PAUSE_SECONDS)
            if time.monotonic() > gives_up:
                break
        why = _post_once(url, body)
        if why is None:
            return None
    return why


def _post_once(url: str, body: bytes) -> str | None:
    headers = {"Content-Type": "application/json", "User-Agent": "eventflow-stats"}
    try:
        request = urllib.request.Request(url, body, headers)  # noqa: S310 (http or https, by the setting)
        with _opener.open(request, timeout=TRY_SECONDS):
            return None
    except HTTPError as error:
        with error:
            return f"it answered {error.code}"
    except (OSError, HTTPException, ValueError) as error:
        cause = error.reason if isinstance(error, URLError) else error
        if isinstance(cause, TimeoutError):
            return f"it gave no answer within {TRY_SECONDS:g} s"
        # An error's text may quote the URL; the system's own words and a type's name do not.
        return f"it cannot be reached ({getattr(cause, 'strerror', None) or type(cause).__name__})"
