"""Removes passwords from messages and logs.

Messages of this package never quote a setting with a secret. Messages of drivers, libraries and Dagster may, so they go
through :func:`without_secrets`.
"""

import os
import re
from logging import Formatter, LogRecord
from urllib.parse import parse_qsl, quote, unquote

from pydantic import SecretStr

from eventflow_stats.settings import SECRET_SETTINGS, Settings

HIDDEN = "***"
SHORTEST_SECRET = 4
"""A shorter one would match anywhere."""
LONGEST_WORD = 8
"""A secret of at most this length may be an ordinary word, so it is replaced as a whole word only."""
# PASSWORD is the placeholder in messages of this package.
_PASSWORDS = re.compile(
    r"(://[^\s:/@\"]*):(?!PASSWORD@)[^\s\"]*@|\b(password\s*=\s*)(?:'[^'\"]*'|[^\s\"',;]+)", re.IGNORECASE
)


def without_secrets(text: str, *secrets: str | None, settings: Settings | None = None) -> str:
    """Return the text with ``***`` instead of secrets: the given ones, those of the settings, those of the environment,
    and any other password in a URL or a connection string."""
    found = {secret for secret in secrets if secret} | _secrets(settings)
    for secret in sorted((each for each in found if len(each) >= SHORTEST_SECRET), key=len, reverse=True):
        word = re.escape(secret) if len(secret) > LONGEST_WORD else rf"(?<!\w){re.escape(secret)}(?!\w)"
        text = re.sub(word, HIDDEN, text)
    return _PASSWORDS.sub(lambda found: f"{found[1]}:{HIDDEN}@" if found[1] else f"{found[2]}{HIDDEN}", text)


class WithoutSecrets(Formatter):
    """Formats log lines and tracebacks without secrets."""

    def format(self, record: LogRecord) -> str:
        return without_secrets(super().format(record))


def _secrets(settings: Settings | None) -> set[str]:
    found: set[str] = set()
    for name, is_url in SECRET_SETTINGS.items():
        given = None if settings is None else getattr(settings, name)
        plain = given.get_secret_value() if isinstance(given, SecretStr) else given
        for value in filter(None, (os.environ.get(f"EVENTFLOW_{name.upper()}"), plain)):
            found |= _passwords_of(value) if is_url else {value}
    return found


def _passwords_of(url: str) -> set[str]:
    """Return the passwords of a URL, which may be invalid, as they are and percent-encoded."""
    rest = url.partition("://")[2] or url
    user_and_password, has_user, _ = rest.rpartition("@")
    given = [user_and_password.partition(":")[2]] if has_user else []
    given += [text for name, text in parse_qsl(rest.partition("?")[2]) if "password" in name.lower()]
    return {
        spelled
        for password in given
        for spelled in (password, unquote(password), quote(password, safe=""), quote(unquote(password), safe=""))
    }
