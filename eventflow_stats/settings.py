"""Every setting, with its type, from the environment (prefix ``EVENTFLOW_``)."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from eventflow_stats.errors import Refused
from eventflow_stats.setting_types import HostNames, MemorySize, Percent, Seconds, TimeZone
from eventflow_stats.urls import is_of_web, is_plain, readable

JWT_AUDIENCE = "authenticated"
"""The audience of a signed-in user's token. Supabase issues no other."""


class Settings(BaseSettings):
    """The settings of one deployment, read by :func:`load_settings`."""

    model_config = SettingsConfigDict(env_prefix="EVENTFLOW_", env_ignore_empty=True, frozen=True)

    database_url: str | None = Field(
        None, description="PostgreSQL 15 or newer with EventFlow's tables. Not set: an embedded server."
    )
    dagster_url: str | None = Field(
        None, description="Database of Dagster's storage. Not set: database `dagster` on the same server."
    )
    data_dir: Path = Field(
        Path(".eventflow"), description="Folder of the embedded server, of Dagster's local files and of logs."
    )
    bucket_timezone: TimeZone = Field(
        "UTC", description="IANA time zone of the days. It is recorded at the first migration and cannot change later."
    )
    start_date: date = Field(
        date(2012, 1, 1), description="First daily partition. Facts of earlier days are not aggregated."
    )
    max_partitions_per_run: Annotated[int, Field(ge=1, le=10_000)] = Field(
        250, description="Days per run of a backfill: 1,000 days are four runs."
    )
    lock_timeout: Seconds = Field(60, description="Seconds to wait for a day that another run is writing.")
    statement_timeout: Seconds = Field(
        1800, description="Seconds after which a statement is canceled and its run fails."
    )
    detection: Literal["snapshot", "time"] = Field(
        "snapshot",
        description="How facts that arrived are found: `snapshot` compares the version of the row with the snapshot of "
        "the client-day; `time` compares times alone, where row versions have no meaning (Citus).",
    )
    detection_overlap: Seconds = Field(
        3600,
        description="Seconds before the last detection that a detection covers again. A fact that is committed later "
        "than that is found by the sweep.",
    )
    max_drift_age: Annotated[float, Field(ge=0.001, le=8760)] = Field(
        24, description="Hours within which every computed day is verified again as a whole."
    )
    max_deleted_share: Percent = Field(
        50,
        description="Percent of a day's visit rows or conversions. When more of them disappear from the facts, the day "
        "is held and keeps its numbers. A loss of fewer than 1,000 visit rows and fewer than 100 conversions never "
        "holds a day. `100`: no day is held.",
    )
    facts_kept_days: Annotated[int, Field(ge=1, le=36_500)] | None = Field(
        None,
        description="Days after which facts may be purged: older days are verified once more and sealed. Not set: no "
        "day is sealed automatically.",
    )
    alert_webhook: SecretStr | None = Field(
        None, description="Slack-compatible webhook (http or https) that alerts are posted to. It is a secret."
    )
    tick_minutes: Annotated[int, Field(ge=1, le=5)] = Field(
        5,
        description="Minutes between ticks of the schedule, 1 to 5. The rolling verification runs half as often.",
    )
    sensor_seconds: Annotated[int, Field(ge=5, le=300)] = Field(
        60, description="Seconds between evaluations of the sensors, 5 to 300."
    )
    api_host: str = Field("127.0.0.1", description="Address on which `up` serves the read API.")
    api_port: Annotated[int, Field(ge=0, le=65535)] = Field(
        8000, description="Port on which `up` serves the read API. `0`: any free one."
    )
    api_database_url: str | None = Field(
        None,
        description="Login that the read API reads numbers with, a member of role `authenticated` (Supabase: "
        "`authenticator`). Not set: the login of `EVENTFLOW_DATABASE_URL`.",
    )
    api_connections: Annotated[int, Field(ge=1)] = Field(
        10, description="Maximum of database connections of one process of the read API."
    )
    api_connections_per_caller: Annotated[int, Field(ge=1)] = Field(
        3,
        description="Maximum of database connections of one caller of the read API (the `sub` of a token). It never "
        "has all of them. Further requests of the caller wait.",
    )
    api_timeout: Seconds = Field(10, description="Seconds after which the read API stops working on a request.")
    jwt_secret: SecretStr | None = Field(
        None,
        description="Secret of HS256 tokens (Supabase: the project's JWT secret), 32 characters or more. Not set: the "
        "embedded server has its own.",
    )
    jwks_url: str | None = Field(
        None,
        description="URL of the public keys of RS256, ES256 and EdDSA tokens (Supabase: .../.well-known/jwks.json).",
    )
    cors_origins: str = Field("", description="Origins from which browsers may call the read API, separated by commas.")
    cron_secret: SecretStr | None = Field(
        None, description="Bearer secret of the cron route, 16 characters or more. Not set: the route is closed."
    )
    dagster_graphql_url: str = Field(
        "http://127.0.0.1:3000/graphql", description="GraphQL endpoint of the Dagster web server, for the cron route."
    )
    ui_hosts: HostNames = Field(
        (),
        description="Host names under which browsers may open the Dagster UI, separated by commas. The loopback names "
        "and `up --host` are always allowed.",
    )
    report_token: SecretStr | None = Field(
        None,
        description="Bearer token of Dagster's endpoints `/report_asset_*`, 16 characters or more. Not set: they are "
        "closed.",
    )
    min_linkage_rate: Percent = Field(
        70, description="Data-quality goal: percent of a client's entries of a day that a visit is linked to."
    )
    min_utm_fill_rate: Percent = Field(
        60, description="Data-quality goal: percent of a client's visits and entries of a day with any UTM."
    )
    max_unknown_rate: Percent = Field(
        10, description="Data-quality goal: maximum percent of visits and entries with neither link nor UTM."
    )
    min_tracking_success_rate: Percent = Field(
        80, description="Data-quality goal: percent of a client's entries of a day with a link or any UTM."
    )
    work_mem: MemorySize = Field(
        "256MB", description="PostgreSQL `work_mem` of the engine's sessions (sorting and hashing a day)."
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
        # A slash in the password ends the host too early. The rest of the password would pass for a database name and
        # be shown in messages.
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
"""The settings that no message quotes. True: a URL with a password in it. False: the whole value is secret."""


def load_settings() -> Settings:
    """Return the settings of the environment.

    Raises:
        Refused: a setting is invalid. The message names it, its value and what it should be.
    """
    settings, problems = usable_settings()
    for problem in problems.values():
        raise Refused(problem)
    return settings


def usable_settings() -> tuple[Settings, dict[str, str]]:
    """Return the settings of the environment, and a message for each invalid one, by field name. An invalid setting has
    its default value."""
    try:
        return Settings(), {}
    except ValidationError as error:
        problems: dict[str, str] = {}
        for found in error.errors():
            field = str(found["loc"][0])
            name = f"EVENTFLOW_{field.upper()}"
            # A value of another setting, such as an origin, may contain a password by mistake.
            if field in SECRET_SETTINGS:
                is_url = SECRET_SETTINGS[field] or field == "alert_webhook"
                value = f"a {'URL' if is_url else 'secret'} that cannot be used"
            else:
                value = "a text with an @ in it" if "@" in str(found["input"]) else repr(found["input"])
            wanted = str(found["msg"]).removeprefix("Value error, ")
            problems.setdefault(field, f"setting {name} is {value}: {wanted}")
        return Settings(**{field: Settings.model_fields[field].default for field in problems}), problems
