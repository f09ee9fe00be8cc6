"""URLs in settings. No function here raises an error that quotes the URL, because a URL may contain a password."""

from typing import TypeGuard
from urllib.parse import SplitResult, urlsplit


def readable(url: str) -> SplitResult | None:
    """Return the parts of a URL, or None for an invalid one. The parser's own error message quotes the URL."""
    try:
        parts = urlsplit(url)
        return None if parts.netloc.endswith(":") or parts.port == 0 else parts
    except ValueError:
        return None


def is_of_web(parts: SplitResult | None) -> TypeGuard[SplitResult]:
    """Return whether it is an http or https URL with a host."""
    return parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname)


def is_plain(url: str) -> bool:
    """Return whether the URL has only printable ASCII characters and no space."""
    return url.isascii() and url.isprintable() and " " not in url
