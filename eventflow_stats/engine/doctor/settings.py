"""Checks of the settings: values that cannot be used, names that mean nothing, settings that do not fit together."""

import difflib
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from eventflow_stats.engine.doctor.check_result import CheckResult, DoctorLine, run_check
from eventflow_stats.formatting import format_list
from eventflow_stats.settings import JWT_AUDIENCE, Settings

AREA = "settings"
PREFIX = "EVENTFLOW_"
SEE_VALUES = "see the first line"


def check_settings(settings: Settings, problems: Mapping[str, str]) -> list[DoctorLine]:
    """Check the settings of the environment. ``problems``: as usable_settings() returns them."""
    return [
        run_check(AREA, "values", lambda: check_values(problems)),
        run_check(AREA, "names", lambda: check_names(list(os.environ))),
        run_check(AREA, "timeouts", lambda: check_timeouts(settings)),
        run_check(AREA, "read API tokens", lambda: check_tokens(settings, problems)),
        run_check(AREA, "cron route", lambda: check_cron_route(settings, problems)),
        run_check(AREA, "alerts", lambda: check_alerts(settings, problems)),
    ]


def check_values(problems: Mapping[str, str]) -> CheckResult:
    if problems:
        return CheckResult("fail", "; ".join(problems.values()), "correct or unset them: nothing starts before")
    return CheckResult("ok", "all can be used")


def check_names(given: list[str]) -> CheckResult:
    known = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields}
    unknown = sorted(name for name in given if name.upper().startswith(PREFIX) and name.upper() not in known)
    if not unknown:
        return CheckResult("ok", "all are known")
    message = []
    for name in unknown:
        nearest = difflib.get_close_matches(name.upper(), known, 1, 0.0)
        message.append(f"{name} (nearest: {nearest[0]})")
    return CheckResult(
        "warn", f"no setting of this project: {format_list(message)}", "rename or unset: it has no effect"
    )


def check_timeouts(settings: Settings) -> CheckResult:
    if settings.statement_timeout <= settings.lock_timeout:
        return CheckResult(
            "warn",
            f"EVENTFLOW_STATEMENT_TIMEOUT ({settings.statement_timeout:g} s) is not above EVENTFLOW_LOCK_TIMEOUT "
            f"({settings.lock_timeout:g} s): a run that waits for a busy day fails",
            "raise EVENTFLOW_STATEMENT_TIMEOUT",
        )
    return CheckResult(
        "ok",
        f"a statement may take {settings.statement_timeout:g} s, waiting for a busy day {settings.lock_timeout:g} s",
    )


def check_tokens(settings: Settings, problems: Mapping[str, str]) -> CheckResult:
    """Check that the read API can verify tokens."""
    if {"jwt_secret", "jwks_url"} & set(problems):
        return CheckResult("fail", "EVENTFLOW_JWT_SECRET or EVENTFLOW_JWKS_URL cannot be used", SEE_VALUES)
    signed = [
        name
        for name, given in (("EVENTFLOW_JWT_SECRET", settings.jwt_secret), ("EVENTFLOW_JWKS_URL", settings.jwks_url))
        if given
    ]
    if signed:
        return CheckResult("ok", f"checked by {' and '.join(signed)}, audience {JWT_AUDIENCE!r}")
    if settings.database_url is None and "database_url" not in problems:
        return CheckResult("ok", "checked by the embedded server's own secret (`eventflow-stats token` makes a token)")
    return CheckResult(
        "warn",
        "neither EVENTFLOW_JWT_SECRET nor EVENTFLOW_JWKS_URL is set: the read API answers 401 to everybody",
        "set one of them (Supabase: the project's JWT secret, or .../.well-known/jwks.json)",
    )


def check_cron_route(settings: Settings, problems: Mapping[str, str]) -> CheckResult:
    if "cron_secret" in problems:
        return CheckResult("fail", "closed: EVENTFLOW_CRON_SECRET cannot be used", SEE_VALUES)
    if settings.cron_secret is None:
        return CheckResult("ok", "closed: EVENTFLOW_CRON_SECRET is not set")
    host = urlsplit(settings.dagster_graphql_url).hostname
    return CheckResult("ok", f"open to callers with EVENTFLOW_CRON_SECRET; starts runs in Dagster at {host}")


def check_alerts(settings: Settings, problems: Mapping[str, str]) -> CheckResult:
    if "alert_webhook" in problems:
        return CheckResult("fail", "EVENTFLOW_ALERT_WEBHOOK cannot be used", SEE_VALUES)
    if settings.alert_webhook is None:
        return CheckResult("ok", "on stdout only: EVENTFLOW_ALERT_WEBHOOK is not set")
    return CheckResult("ok", "on stdout, and posted to EVENTFLOW_ALERT_WEBHOOK")
