"""A query of the API is one read-only transaction with the caller's rights, and leaves no setting behind."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import LiteralString

import pytest

from eventflow_stats.api.database import Reader
from eventflow_stats.api.errors import NotFound, Unavailable
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.settings import Settings

SESSION: LiteralString = (
    "SELECT current_user::text, current_setting('transaction_read_only'), current_setting('statement_timeout'), "
    "current_setting('request.jwt.claims', true), pg_backend_pid()"
)
QUOTED = """'; DROP TABLE marketing_stats_daily; -- \\' $$ %s %(claims)s "é" """
"""A text with quotes of every kind, as a claim of a token."""


def asked(database: Database, questions: Callable[[Reader], Awaitable[None]], timeout: float = 7) -> None:
    """Run ``questions`` on one connection with a timeout of ``timeout`` seconds each."""
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)

    async def ask() -> None:
        async with Reader(url, Settings(api_connections=1, api_timeout=timeout)).opened() as reader:
            await questions(reader)

    asyncio.run(ask())


def test_a_query_is_read_only_with_the_callers_rights_and_a_timeout(database: Database) -> None:
    async def questions(reader: Reader) -> None:
        claims = json.dumps({"sub": QUOTED})
        assert (await reader.ask(claims, SESSION, {}))[:-1] == ("authenticated", "on", "7s", claims)

    asked(database, questions)


@pytest.mark.parametrize("fails", [False, True])
def test_a_query_leaves_no_setting_for_the_next_one(database: Database, fails: bool) -> None:
    async def questions(reader: Reader) -> None:
        async with reader._pool.connection() as connection:
            before = await (await connection.execute(SESSION)).fetchone()
        if fails:
            with pytest.raises(NotFound):
                await reader.ask("{}", "SELECT marketing_summary(gen_random_uuid(), NULL, NULL)", {})
        else:
            await reader.ask("{}", "SELECT 1", {})
        async with reader._pool.connection() as connection:
            after = await (await connection.execute(SESSION)).fetchone()
        assert before is not None
        # It is the same session: the setting is empty, not unknown.
        assert after == (*before[:3], "", before[4])
        assert after[0] != "authenticated"

    asked(database, questions)


def test_a_query_that_takes_too_long_is_canceled_and_its_session_is_used_again(database: Database) -> None:
    async def questions(reader: Reader) -> None:
        session = (await reader.ask("{}", SESSION, {}))[-1]
        with pytest.raises(Unavailable, match=r"no answer within 0\.3 s; ask for a shorter range"):
            await reader.ask("{}", "SELECT pg_sleep(60)", {})
        assert (await reader.ask("{}", SESSION, {}))[-1] == session

    asked(database, questions, timeout=0.3)
