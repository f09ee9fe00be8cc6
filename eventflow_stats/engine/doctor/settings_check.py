"""The settings: those that cannot be used, names that mean nothing, and what they mean together."""

import difflib
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from eventflow_stats.engine.doctor.diagnosis import Diagnosis, Outcome, run_check
from eventflow_stats.formatting import listed
from eventflow_stats.settings import JWT_AUDIENCE, Settings

AREA = "settings"
PREFIX = "EVENTFLOW_"


def examine_settings(settings: Settings, problems: Mapping[str, str]) -> list[Diagnosis]:
    """How the environment's settings stand. ``problems``: as usable_settings() tells them."""
    return [
        run_check(AREA, "values", lambda: values(problems)),
        run_check(AREA, "names", lambda: names(list(os.environ))),
        run_check(AREA, "timeouts", lambda: timeouts(settings)),
        run_check(AREA, "read API tokens", lambda: tokens(settings, problems)),
        run_check(AREA, "cron route", lambda: cron_route(settings, problems)),
        run_check(AREA, "alerts", lambda: alerts(settings, problems)),
    ]


def values(problems: Mapping[str, str]) -> Outcome:
    if problems:
        return Outcome("fail", "; ".join(problems.values()), "correct or unset them: nothing starts before")
    return Outcome("ok", "every one can be used")


def names(given: list[str]) -> Outcome:
    known = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields}
    unknown = sorted(name for name in given if name.upper().startswith(PREFIX) and name.upper() not in known)
    if not unknown:
        return Outcome("ok", "none is unknown")
    message = []
    for name in unknown:
        nearest = difflib.get_close_matches(name.upper(), known, 1, 0.0)
        message.append(f"{name} (nearest: {nearest[0]})")
    return Outcome("warn", f"no setting of this project: {listed(message)}", "rename or unset: it has no effect")


def timeouts(settings: Settings) -> Outcome:
    if settings.statement_timeout <= settings.lock_timeout:
        return Outcome(
            "warn",
            f"EVENTFLOW_STATEMENT_TIMEOUT ({settings.statement_timeout:g} s) is not above EVENTFLOW_LOCK_TIMEOUT "
            f"({settings.lock_timeout:g} s): a run that waits for a busy day ends as failed",
            "raise EVENTFLOW_STATEMENT_TIMEOUT",
        )
    return Outcome(
        "ok", f"a statement has {settings.statement_timeout:g} s, waiting for a busy day {settings.lock_timeout:g} s"
    )


def tokens(settings: Settings, problems: Mapping[str, str]) -> Outcome:
    if {"jwt_secret", "jwks_url"} & set(problems):
        return Outcome("fail", "unknown: the setting that says what signs them cannot be used", "see values")
    signed = [
        name
        for name, given in (("EVENTFLOW_JWT_SECRET", settings.jwt_secret), ("EVENTFLOW_JWKS_URL", settings.jwks_url))
        if given
    ]
    if signed:
        return Outcome("ok", f"checked by {' and '.join(signed)}, audience {JWT_AUDIENCE!r}")
    if settings.database_url is None and "database_url" not in problems:
        return Outcome("ok", "checked by the embedded server's own secret (`eventflow-stats token` makes one)")
    return Outcome(
        "warn",
        "neither EVENTFLOW_JWT_SECRET nor EVENTFLOW_JWKS_URL is set: the read API answers 401 to everybody",
        "set one of them (Supabase: the project's JWT secret, or .../.well-known/jwks.json)",
    )


def cron_route(settings: Settings, problems: Mapping[str, str]) -> Outcome:
    if "cron_secret" in problems:
        return Outcome("fail", "closed: EVENTFLOW_CRON_SECRET cannot be used", "see values")
    if settings.cron_secret is None:
        return Outcome("ok", "closed, as EVENTFLOW_CRON_SECRET is not set")
    host = urlsplit(settings.dagster_graphql_url).hostname
    return Outcome("ok", f"open to who knows EVENTFLOW_CRON_SECRET; asks Dagster at {host}")


def alerts(settings: Settings, problems: Mapping[str, str]) -> Outcome:
    if "alert_webhook" in problems:
        return Outcome("fail", "EVENTFLOW_ALERT_WEBHOOK cannot be used", "see values")
    if settings.alert_webhook is None:
        return Outcome("ok", "on stdout alone, as EVENTFLOW_ALERT_WEBHOOK is not set")
    return Outcome("ok", "on stdout, and posted to EVENTFLOW_ALERT_WEBHOOK")
