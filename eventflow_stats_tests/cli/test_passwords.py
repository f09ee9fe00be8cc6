"""No password of a setting reaches a terminal or a log, however the setting is written."""

import asyncio
import io
import logging
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from unittest.mock import patch
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from eventflow_stats.api.application import create_app
from eventflow_stats.api.auth import TokenVerifier
from eventflow_stats.api.errors import ApiError
from eventflow_stats.cli.main import main
from eventflow_stats.engine.postgres.database import connection_string, driver_url
from eventflow_stats.errors import EventflowError
from eventflow_stats.redaction import without_secrets
from eventflow_stats.settings import SECRET_SETTINGS, load_settings
from eventflow_stats_tests.cli.command import environment
from eventflow_stats_tests.cli.conftest import Call

CORE = "S3cretC0re"
"""A part of every password; no output may contain it."""
URL_SETTINGS = sorted(f"EVENTFLOW_{name.upper()}" for name in SECRET_SETTINGS)
AWAY = "postgresql://me@127.0.0.1:1/eventflow"
odd = st.text(st.sampled_from(" %@/:?#&=+'\"\\[]{}<>\t\n.,;한\u202e\x9bzA1"), max_size=6)
passwords = st.builds(lambda before, after: f"{before}{CORE}{after}", odd, odd)


@st.composite
def urls(draw: st.DrawFn) -> str:
    """URLs with a password; most of them are wrong in some way."""
    password = draw(passwords)
    written = draw(st.sampled_from([password, quote(password, safe="")]))
    scheme = draw(st.sampled_from(["postgresql", "postgres", "postgresql+psycopg", "https", "http", "ftp", ""]))
    port = draw(st.sampled_from(["1", "", "0", "port", "99999"]))
    query = draw(st.sampled_from(["", f"?password={written}", "?sslmode=%zz", "?no_such_option=1"]))
    path = draw(st.sampled_from(["/eventflow", "", "/a b", "/%zz"]))
    return f"{scheme}://me:{written}@127.0.0.1:{port}{path}{query}"


def output_of(command: str, **given_settings: str) -> str:
    """Everything that a command prints."""
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.dict(os.environ, given_settings),
        patch.object(sys, "argv", ["eventflow-stats", command]),
        redirect_stdout(out),
        redirect_stderr(err),
        suppress(SystemExit),
    ):
        main()
    return out.getvalue() + err.getvalue()


@pytest.fixture(scope="module", autouse=True)
def logged() -> io.StringIO:
    """Everything that any library logs from here on, in Python's default format."""
    lines = io.StringIO()
    logging.getLogger().addHandler(logging.StreamHandler(lines))
    return lines


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(URL_SETTINGS), url=urls())
@example(name="EVENTFLOW_API_DATABASE_URL", url=f"postgresql+psycopg://me:{CORE}@127.0.0.1:1/eventflow")
@example(name="EVENTFLOW_API_DATABASE_URL", url=f"postgresql://me:{CORE}%zz@127.0.0.1:1/eventflow")
@example(name="EVENTFLOW_API_DATABASE_URL", url=f"postgresql://me:a {CORE} b@127.0.0.1:1/eventflow")
@example(name="EVENTFLOW_DAGSTER_GRAPHQL_URL", url=f"http://me:{CORE}@[::1/graphql")
@example(name="EVENTFLOW_DAGSTER_GRAPHQL_URL", url=f"http://me:{CORE}@host:port/graphql")
@example(name="EVENTFLOW_JWKS_URL", url=f"ftp://me:{CORE}@host/keys")
@example(name="EVENTFLOW_JWKS_URL", url=f"https://me:{CORE}@ho\uff0fst/keys")
@example(name="EVENTFLOW_CORS_ORIGINS", url=f"https://me:{CORE}@host")
def test_no_command_shows_the_password_of_a_url(logged: io.StringIO, name: str, url: str) -> None:
    given_settings = {"EVENTFLOW_DATABASE_URL": AWAY, name: url}
    shown = output_of("status", **given_settings)
    assert shown
    assert CORE not in shown
    with patch.dict(os.environ, given_settings):
        try:
            usable = load_settings()
        except EventflowError:
            return
        # The read API starts with these settings, and libpq and httpx can read them.
        create_app(usable)
        with suppress(ApiError):
            asyncio.run(TokenVerifier(usable).claims("eyJhbGciOiJSUzI1NiJ9.e30.x"))
        for database_url in filter(None, (usable.database_url, usable.api_database_url, usable.dagster_url)):
            with suppress(EventflowError):
                conninfo_to_dict(connection_string(driver_url(database_url)))
    assert CORE not in logged.getvalue()


@settings(deadline=None)
@given(password=passwords, spelled=st.booleans(), name=st.sampled_from([n for n in URL_SETTINGS if n.endswith("URL")]))
def test_a_password_that_a_library_quotes_is_hidden_too(password: str, spelled: bool, name: str) -> None:
    """As it was written, as a URL spells it, as it was meant, or in any connection string."""
    written = quote(password, safe="") if spelled else password
    with patch.dict(os.environ, {name: f"postgresql://me:{written}@host/x"}):
        for quoted in {written, unquote(written), f"https://me:{written}@host/x"}:
            assert CORE not in without_secrets(f"cannot read {quoted}, it said")
    assert CORE not in without_secrets(f"host=h password='{CORE}'")
    assert CORE not in without_secrets(f"to postgresql://me:{CORE}@host/x")


WRONG = {
    "EVENTFLOW_DAGSTER_GRAPHQL_URL": f"http://me:{CORE}@[::1/graphql",
    "EVENTFLOW_JWKS_URL": f"https://me:{CORE}@host:port/keys",
    "EVENTFLOW_API_DATABASE_URL": f"postgresql+psycopg://me:a {CORE}%zz@127.0.0.1:1/eventflow",
    "EVENTFLOW_DAGSTER_URL": f"postgresql://me:{CORE}%zz@127.0.0.1:1/dagster",
}


def test_the_doctor_shows_none_either(call: Call) -> None:
    code, out, err = call("doctor", EVENTFLOW_DATABASE_URL=f"postgresql://me:{CORE}%zz@127.0.0.1:1/eventflow", **WRONG)
    assert code == 1
    assert "EVENTFLOW_JWKS_URL is a URL that cannot be used" in out
    assert CORE not in out + err


@pytest.mark.parametrize("password", [f"a {CORE}", f"{CORE}%zz", f"{CORE}"])
def test_the_log_of_a_read_api_that_cannot_connect_shows_none(tmp_path: Path, password: str) -> None:
    """The real process as `up` starts it, until its pool reports that it cannot connect."""
    given_settings = {
        "EVENTFLOW_DATABASE_URL": AWAY,
        "EVENTFLOW_API_DATABASE_URL": f"postgresql+psycopg://me:{password}@127.0.0.1:1/eventflow",
        "EVENTFLOW_JWT_SECRET": "x" * 32,
        "EVENTFLOW_API_PORT": "0",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "eventflow_stats.api:app", "--port", "0"],
        env=environment(tmp_path, **given_settings),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if "error connecting" in line:
            break
    process.terminate()
    lines += process.communicate()[1].splitlines()
    assert any("error connecting" in line for line in lines), lines
    assert CORE not in "\n".join(lines)
    assert any("Connection refused" in line for line in lines)
