"""URLs as settings give them: read without quoting one that cannot be read."""

from typing import TypeGuard
from urllib.parse import SplitResult, urlsplit


def readable(url: str) -> SplitResult | None:
    """The parts of a URL; None where it has none. What the parser says of a wrong one quotes it."""
    try:
        parts = urlsplit(url)
        return None if parts.netloc.endswith(":") or parts.port == 0 else parts
    except ValueError:
        return None


def is_of_web(parts: SplitResult | None) -> TypeGuard[SplitResult]:
    """Whether they are those of an http or https URL with a host."""
    return parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname)


def is_plain(url: str) -> bool:
    """Whether it has no blank, no control character and no letter beyond ASCII."""
    return url.isascii() and url.isprintable() and " " not in url
