"""Posts one message to a Slack-compatible webhook within a bounded time."""

import logging
import queue
import threading
import time

import httpx

TRIES = 2
TRY_SECONDS = 3.0
ALL_SECONDS = 8.0
"""For all tries together: Dagster gives a sensor's tick a minute, and a tick may have five alerts to send."""
PAUSE_SECONDS = 0.5

# At level INFO, httpx logs the URL of every request; the path of a webhook is its secret.
logging.getLogger("httpx").setLevel(logging.WARNING)


def post(url: str, text: str) -> str | None:
    """POST ``{"text": ...}``; returns None when the receiver accepted it, else the reason in a few words.

    The reason never contains the URL, whose path is the secret. Raises nothing. Returns after ``ALL_SECONDS`` at the
    latest, however slowly the receiver answers.
    """
    # Slack wants these characters escaped. No text can then address a channel (<!channel>).
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    outcome: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    # httpx limits each read, but neither the name lookup nor the sum. Only a thread can be left behind.
    threading.Thread(target=lambda: outcome.put(_post_with_retry(url, escaped)), daemon=True).start()
    try:
        return outcome.get(timeout=ALL_SECONDS)
    except queue.Empty:
        return f"it gave no answer within {ALL_SECONDS:g} s"


def _post_with_retry(url: str, text: str) -> str | None:
    last_start = time.monotonic() + ALL_SECONDS - TRY_SECONDS
    failure: str | None = None
    for number in range(TRIES):
        if number:
            time.sleep(PAUSE_SECONDS)
            if time.monotonic() > last_start:
                break
        failure = _post_once(url, text)
        if failure is None:
            break
    return failure


def _post_once(url: str, text: str) -> str | None:
    try:
        # httpx follows no redirect: a redirected POST would become a GET without the message. The body is not read.
        with httpx.stream("POST", url, json={"text": text}, timeout=TRY_SECONDS) as response:
            return None if response.is_success else f"it answered {response.status_code}"
    except httpx.TimeoutException:
        return f"it gave no answer within {TRY_SECONDS:g} s"
    except Exception as error:  # noqa: BLE001 (a failed alert stops no work, and a traceback would show the URL)
        # The error's own text may quote the URL; the operating system's words and the name of the type do not.
        return f"it cannot be reached ({getattr(_root_cause(error), 'strerror', None) or type(error).__name__})"


def _root_cause(error: BaseException) -> BaseException:
    # Not __cause__: httpcore raises its own errors without it.
    while error.__context__ is not None:
        error = error.__context__
    return error
