"""Every setting, typed, from the environment (prefix ``EVENTFLOW_``)."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from eventflow_stats.errors import Refused
from eventflow_stats.setting_types import HostNames, MemorySize, Percent, Seconds, TimeZone
from eventflow_stats.urls import is_of_web, is_plain, readable


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
    bucket_timezone: TimeZone = Field(
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
        description="How new facts are reported from counted ones: by the row's version and the client-day's snapshot, or by "
        "time alone where row versions mean nothing (Citus).",
    )
    detection_overlap: Seconds = Field(
        3600, description="Seconds that detection looks back behind the last one; later commits are the sweep's."
    )
    max_drift_age: Annotated[float, Field(ge=0.001, le=8760)] = Field(
        24,
        description="Hours within which every computed day is verified whole again: drift is never undetected longer.",
    )
    max_deleted_share: Percent = Field(
        50,
        description="Percent of a day's visits, or conversions, that may disappear from the facts before the day is "
        "held instead of emptied; one that loses fewer than 1,000 visits and 100 conversions never is. 100: none is.",
    )
    facts_kept_days: Annotated[int, Field(ge=1, le=36_500)] | None = Field(
        None,
        description="Days after which facts may be purged: older days are verified once more and sealed. Default: "
        "facts are kept for ever, and no day is sealed by itself.",
    )
    alert_webhook: SecretStr | None = Field(
        None, description="Slack-compatible webhook (http or https) that alerts are posted to; its path is a secret."
    )
    tick_minutes: Annotated[int, Field(ge=1, le=5)] = Field(
        5,
        description="Minutes between ticks of the schedule, 1 (Dagster's shortest) to 5; verifications roll half as often.",
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
    ui_hosts: HostNames = Field(
        (), description="Names that browsers may open the Dagster UI under, beside those of the loopback interface."
    )
    report_token: SecretStr | None = Field(
        None, description="Bearer token of Dagster's endpoints /report_asset_*; without it they are closed."
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
    work_mem: MemorySize = Field(
        "256MB", description="PostgreSQL work_mem of the engine's sessions (sorting and hashing a day)."
    )

    @field_validator("database_url", "dagster_url", "api_database_url")
    @classmethod
    def _is_postgresql_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        wanted = "should be postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        parts = readable(value)
        if parts is None or parts.scheme.split("+")[0] not in ("postgres", "postgresql") or not parts.path.strip("/"):
            raise ValueError(f"{wanted}, with special characters of the password percent-encoded (@ as %40)")
        # A slash in the password ends the host early: the rest of the password would pass for a
        # database name and be shown in messages.
        if value.count("@") > ("@" in parts.netloc):
            raise ValueError(f"{wanted}; a /, ?, # or @ in the password must be percent-encoded (%2F, %3F, %23, %40)")
        return value

    @field_validator("alert_webhook")
    @classmethod
    def _is_http_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        url = value.get_secret_value()
        parts = readable(url)
        if not is_of_web(parts) or not is_plain(url) or "@" in parts.netloc:
            raise ValueError("should be https://HOST/PATH, such as https://hooks.slack.com/services/...")
        return value

    @field_validator("jwks_url", "dagster_graphql_url")
    @classmethod
    def _is_endpoint(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = readable(value)
        if not is_of_web(parts) or not is_plain(value) or value.count("@") > ("@" in parts.netloc):
            raise ValueError(
                "should be a URL such as https://HOST/PATH, with special characters of a password percent-encoded"
            )
        return value

    @field_validator("jwt_secret", "cron_secret", "report_token")
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
            parts = readable(origin)
            if not is_of_web(parts) or parts.path or parts.query or "@" in origin:
                raise ValueError("should be origins such as https://app.example.com, separated by commas")
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


SECRET_SETTINGS = {
    name: name.endswith("_url")
    for name, field in Settings.model_fields.items()
    if name.endswith("_url") or "SecretStr" in str(field.annotation)
}
"""The settings that no message quotes, and whether each is a URL with a password in it; else all of it is secret."""


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
            # A setting that is none of these, such as origins, may have been given a password too.
            if field in SECRET_SETTINGS:
                is_url = SECRET_SETTINGS[field] or field == "alert_webhook"
                value = f"a {'URL' if is_url else 'secret'} that cannot be used"
            else:
                value = "a text with an @ in it" if "@" in str(found["input"]) else repr(found["input"])
            wanted = str(found["msg"]).removeprefix("Value error, ")
            problems.setdefault(field, f"setting {name} is {value}: {wanted}")
        return Settings(**{field: Settings.model_fields[field].default for field in problems}), problems
