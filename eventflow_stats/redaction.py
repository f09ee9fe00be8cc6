"""What people and logs are shown, without passwords: one function, for every message that may quote a setting.

Messages of ours never quote a setting that holds a secret. What drivers, libraries and Dagster say may, so their words
go through :func:`without_secrets`.
"""

import os
import re
from logging import Formatter, LogRecord
from urllib.parse import parse_qsl, quote, unquote

from pydantic import SecretStr

from eventflow_stats.settings import SECRET_SETTINGS, Settings

HIDDEN = "***"
SHORTEST_SECRET = 4
"""A shorter one would be found anywhere."""
LONGEST_WORD = 8
# Not the word that stands for one in what our own messages say would be right.
_PASSWORDS = re.compile(
    r"(://[^\s:/@\"]*):(?!PASSWORD@)[^\s\"]*@|\b(password\s*=\s*)(?:'[^'\"]*'|[^\s\"',;]+)", re.IGNORECASE
)


def without_secrets(text: str, *secrets: str | None, settings: Settings | None = None) -> str:
    """The text with ``***`` for the secrets given, those of the settings given and those of the environment, and for
    any other password that stands in a URL or a connection string."""
    found = {secret for secret in secrets if secret} | _secrets(settings)
    for secret in sorted((each for each in found if len(each) >= SHORTEST_SECRET), key=len, reverse=True):
        # A short one may be a word, such as "postgres", and is not looked for within others.
        word = re.escape(secret) if len(secret) > LONGEST_WORD else rf"(?<!\w){re.escape(secret)}(?!\w)"
        text = re.sub(word, HIDDEN, text)
    return _PASSWORDS.sub(lambda found: f"{found[1]}:{HIDDEN}@" if found[1] else f"{found[2]}{HIDDEN}", text)


class WithoutSecrets(Formatter):
    """Log lines, tracebacks included, without secrets."""

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
    """The passwords of a URL that perhaps cannot be read, as they are and as URLs spell them."""
    rest = url.partition("://")[2] or url
    user_and_password, has_user, _ = rest.rpartition("@")
    given = [user_and_password.partition(":")[2]] if has_user else []
    given += [text for name, text in parse_qsl(rest.partition("?")[2]) if "password" in name.lower()]
    return {
        spelled
        for password in given
        for spelled in (password, unquote(password), quote(password, safe=""), quote(unquote(password), safe=""))
    }
