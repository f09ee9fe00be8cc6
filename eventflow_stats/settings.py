"""Every setting, typed, from the environment (prefix ``EVENTFLOW_``)."""

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from eventflow_stats.errors import Refused

_UNTOLD = {
    "EVENTFLOW_DATABASE_URL": "a PostgreSQL URL that cannot be read",
    "EVENTFLOW_DAGSTER_URL": "a PostgreSQL URL that cannot be read",
    "EVENTFLOW_ALERT_WEBHOOK": "a URL that cannot be used",
    "EVENTFLOW_API_DATABASE_URL": "a PostgreSQL URL that cannot be read",
    "EVENTFLOW_JWT_SECRET": "a secret that cannot be used",
    "EVENTFLOW_CRON_SECRET": "a secret that cannot be used",
}
"""Settings that hold a secret: a message does not quote them."""

_READ_AS_OFFSETS = {"CET": "Europe/Berlin", "EET": "Europe/Athens", "MET": "Europe/Berlin", "WET": "Europe/Lisbon"}
"""PostgreSQL looks an abbreviation up before a zone's name; all other names read alike (tried, 1970 to 2037)."""

Seconds = Annotated[float, Field(ge=0.001, le=604_800)]
"""From PostgreSQL's shortest timeout, a millisecond (0 would be none at all), to a week."""

Percent = Annotated[float, Field(ge=0, le=100)]


class Settings(BaseSettings):
    """The settings of one deployment. Read them with :func:`load_settings`."""

    model_config = SettingsConfigDict(env_prefix="EVENTFLOW_", env_ignore_empty=True, frozen=True)

    database_url: str | None = Field(
        None, description="PostgreSQL 15 or newer that holds EventFlow's tables. Default: an embedded server."
    )
    dagster_url: str | None = Field(
        None, description="Database of Dagster's storage. Default: database `dagster` on the same server."
    )
    data_dir: Path = Field(
        Path(".eventflow"), description="Folder of the embedded server and of Dagster's local files."
    )
    bucket_timezone: str = Field(
        "UTC", description="IANA time zone of the bucket days; recorded at the first migration, fixed then."
    )
    start_date: date = Field(date(2012, 1, 1), description="First daily partition; no fact before it is aggregated.")
    max_partitions_per_run: Annotated[int, Field(ge=1, le=10_000)] = Field(
        250, description="Days per run of a backfill; 1,000 days are four runs."
    )
    lock_timeout: Seconds = Field(60, description="Seconds to wait for a day that another run is writing.")
    statement_timeout: Seconds = Field(
        1800, description="Seconds after which a statement is given up and its run fails."
    )
    retry_delay: Seconds = Field(
        5, description="Seconds until a run that lost its connection tries again; doubled each time, at most 3 times."
    )
    keep_runs_days: Annotated[int, Field(ge=1, le=36_500)] = Field(
        7, description="Days after which ended runs of the fast jobs are deleted from Dagster's storage."
    )
    detection: Literal["snapshot", "time"] = Field(
        "snapshot",
        description="How new facts are told from counted ones: by the row's version and the scope's snapshot, or by "
        "time alone where row versions mean nothing (Citus).",
    )
    detection_overlap: Seconds = Field(
        3600, description="Seconds that detection looks back behind the last one; later commits are the sweep's."
    )
    max_drift_age: Annotated[float, Field(ge=0.001, le=8760)] = Field(
        24, description="Hours within which every computed day is proved whole again: drift is never undetected longer."
    )
    alert_webhook: SecretStr | None = Field(
        None, description="Slack-compatible webhook (http or https) that alerts are posted to; its path is a secret."
    )
    tick_minutes: Annotated[int, Field(ge=1, le=5)] = Field(
        5,
        description="Minutes between ticks of the schedule, 1 (Dagster's shortest) to 5; proofs roll half as often.",
    )
    sensor_seconds: Annotated[int, Field(ge=5, le=300)] = Field(
        60, description="Seconds between looks of the sensors for late facts and for wrong groups."
    )
    api_host: str = Field("127.0.0.1", description="Address that the read API listens on.")
    api_port: Annotated[int, Field(ge=0, le=65535)] = Field(
        8000, description="Port that the read API listens on; 0 is any free one."
    )
    api_database_url: str | None = Field(
        None,
        description="Login that the read API reads numbers with, a member of role `authenticated` (Supabase: "
        "`authenticator`). "
        "Default: EVENTFLOW_DATABASE_URL.",
    )
    api_connections: Annotated[int, Field(ge=1)] = Field(
        10, description="Database connections of one process of the read API, at most."
    )
    api_connections_per_caller: Annotated[int, Field(ge=1)] = Field(
        3,
        description="Database connections that one caller of the read API (a token's `sub`) has at once, at most, and "
        "never all of them; the caller's other requests wait.",
    )
    api_timeout: Seconds = Field(10, description="Seconds after which the read API gives a request up.")
    jwt_secret: SecretStr | None = Field(
        None, description="Secret of HS256 tokens (Supabase: the project's JWT secret), 32 characters or more."
    )
    jwks_url: str | None = Field(
        None,
        description="URL of the public keys of RS256, ES256 and EdDSA tokens (Supabase: .../.well-known/jwks.json).",
    )
    jwt_audience: str = Field("authenticated", description="Audience (`aud`) that a token must be made for.")
    cors_origins: str = Field(
        "", description="Origins that browsers may call the read API from, separated by commas. Default: none."
    )
    cron_secret: SecretStr | None = Field(
        None, description="Bearer secret of the cron route, 16 characters or more; without it the route is closed."
    )
    dagster_graphql_url: str = Field(
        "http://127.0.0.1:3000/graphql", description="GraphQL endpoint of the Dagster webserver, for the cron route."
    )
    max_raw_share: Annotated[float, Field(ge=0, le=100)] = Field(
        10, description="Percent of the read API's answers of an hour that may be measured from facts before a warning."
    )
    min_linkage_rate: Percent = Field(
        70, description="Goal of data quality: percent of a client's entries of a day that some visit names."
    )
    min_utm_fill_rate: Percent = Field(
        60, description="Goal of data quality: percent of a client's visits and entries of a day with any UTM."
    )
    max_unknown_rate: Percent = Field(
        10, description="Goal of data quality: percent of them with neither link nor UTM, at most."
    )
    min_tracking_success_rate: Percent = Field(
        80, description="Goal of data quality: percent of a client's entries of a day with a link or any UTM."
    )
    quality_min_facts: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        50,
        description="A client's day with fewer facts (or entries, for rates of entries) is not judged by the goals: of "
        "50, chance alone moves a rate by 7 points.",
    )
    work_mem: str = Field(
        "256MB", description="PostgreSQL work_mem of the engine's sessions (sorting and hashing a day)."
    )

    @field_validator("database_url", "dagster_url", "api_database_url")
    @classmethod
    def _is_postgresql_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        wanted = "should be postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        try:
            parts = urlsplit(value)
            readable = parts.port is None or parts.port > 0
        except ValueError:
            readable = False
        if not readable or parts.scheme.split("+")[0] not in ("postgres", "postgresql") or not parts.path.strip("/"):
            raise ValueError(f"{wanted}, with special characters of the password percent-encoded (@ as %40)")
        # A slash in the password ends the host early: the rest of the password would pass for a
        # database name and be shown in messages.
        if "@" in parts.path or parts.netloc.count("@") > 1:
            raise ValueError(f"{wanted}; a / or @ in the password must be percent-encoded (%2F, %40)")
        return value

    @field_validator("alert_webhook")
    @classmethod
    def _is_http_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        url = value.get_secret_value()
        try:
            parts = urlsplit(url)
            readable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            readable = False
        plain = url.isascii() and url.isprintable() and " " not in url
        if not readable or not plain or parts.scheme not in ("http", "https") or "@" in parts.netloc:
            raise ValueError("should be https://HOST/PATH, such as https://hooks.slack.com/services/...")
        return value

    @field_validator("jwks_url", "dagster_graphql_url")
    @classmethod
    def _is_endpoint(cls, value: str | None) -> str | None:
        if value is not None and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname):
            raise ValueError("should be a URL such as https://HOST/PATH")
        return value

    @field_validator("jwt_secret", "cron_secret")
    @classmethod
    def _is_long_enough(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        least = 32 if info.field_name == "jwt_secret" else 16
        if value is not None and len(value.get_secret_value()) < least:
            raise ValueError(f"should have {least} characters or more, random ones")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: str) -> str:
        for origin in filter(None, map(str.strip, value.split(","))):
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query:
                raise ValueError("should be origins such as https://app.example.com, separated by commas")
        return value

    @field_validator("bucket_timezone")
    @classmethod
    def _is_known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("should be an IANA time zone such as UTC or Asia/Seoul")
        if value in _READ_AS_OFFSETS:
            raise ValueError(
                f"should be the name of a region, such as {_READ_AS_OFFSETS[value]}: PostgreSQL reads {value} as a "
                "fixed offset, Python as a zone with summer time"
            )
        return value

    @field_validator("work_mem")
    @classmethod
    def _is_memory_size(cls, value: str) -> str:
        size = re.fullmatch(r"(\d{1,10})(kB|MB|GB)", value)
        if not size or not 64 <= int(size[1]) * {"kB": 1, "MB": 1024, "GB": 1024**2}[size[2]] < 2**31:
            raise ValueError("should be a PostgreSQL memory size such as 256MB, from 64kB to 2047GB")
        return value

    @field_validator("start_date", mode="before")
    @classmethod
    def _is_day(cls, value: object) -> date:
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            raise ValueError("should be a date such as 2012-01-31") from None


def load_settings() -> Settings:
    """The settings of the environment.

    Raises:
        Refused: a setting cannot be used; the line names it, what it was and what it should be.
    """
    settings, problems = usable_settings()
    for problem in problems.values():
        raise Refused(problem)
    return settings


def usable_settings() -> tuple[Settings, dict[str, str]]:
    """The settings of the environment, and for each that cannot be used a line that says why, by field name: it
    has its default instead."""
    try:
        return Settings(), {}
    except ValidationError as error:
        problems: dict[str, str] = {}
        for found in error.errors():
            field = str(found["loc"][0])
            name = f"EVENTFLOW_{field.upper()}"
            value = _UNTOLD.get(name) or repr(found["input"])
            wanted = str(found["msg"]).removeprefix("Value error, ")
            problems.setdefault(field, f"setting {name} is {value}: {wanted}")
        return Settings(**{field: Settings.model_fields[field].default for field in problems}), problems
