"""Measures how fast the read API answers a 30-day summary: from the rollup, cached, unchanged, and from facts.

Run with ``python -m eventflow_stats_tests.benchmarks.read_api``. It first makes 18 million facts and ten million rollup
rows, which takes ten minutes. The service is one process, as `eventflow-stats up` starts it. Clients, service and
database share the machine. Answers are compressed, as a browser asks for them.
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from uuid import UUID, uuid4

import click
import httpx
from sqlalchemy import text

from eventflow_stats.cli.up import LIMITED_HTTP
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.errors import EventflowError
from eventflow_stats_tests.api.serving import SECRET, token
from eventflow_stats_tests.benchmarks.facts import Shape, fill_days
from eventflow_stats_tests.benchmarks.fresh_database import fresh_database
from eventflow_stats_tests.benchmarks.load import Latencies, Question, repeated, under_load
from eventflow_stats_tests.benchmarks.side_by_side import CONSOLE, plain_table
from eventflow_stats_tests.running import free_port, wait_until

FIRST = date(2024, 6, 1)
RANGE_DAYS = 30
MISSING_DAYS = 31
"""The newest days are never computed, so their answers come from facts."""
AT_ONCE = (1, 8, 32)
CLIENTS = 200
SEED = 17


class Deployment:
    """A database with ``facts`` visits, computed except for the newest days, and a user who may read every client."""

    def __init__(self, database: Database, facts: int, days: int) -> None:
        self.database = database
        self.days = [FIRST + timedelta(days=count) for count in range(days)]
        self.computed = self.days[:-MISSING_DAYS]
        a_day = facts // days
        with CONSOLE.status(f"making {days} days of {a_day:,} visits"):
            # About one group for each session, so that there are nearly as many rows as sessions.
            fill_days(database, self.days, Shape(a_day, a_day * 40, CLIENTS))
        with CONSOLE.status("computing the rollup"):
            for _ in rebuild(database, self.computed):
                pass
            detect(database)
        with database.login_session() as connection:
            agency = connection.scalar(text("SELECT id FROM agencies"))
            self.user = uuid4()
            insert = text("INSERT INTO agency_members (agency_id, user_id, role) VALUES (:agency, :user, 'analyst')")
            connection.execute(insert, {"agency": agency, "user": self.user})
            connection.commit()
            self.rows = connection.scalar(text("SELECT count(*) FROM marketing_stats_daily")) or 0
            sizes = connection.execute(
                text("SELECT client_id FROM marketing_stats_daily GROUP BY client_id ORDER BY count(*) DESC")
            )
            self.clients: list[UUID] = [row.client_id for row in sizes]
            connection.commit()
            connection.connection.driver_connection.autocommit = True  # type: ignore[union-attr]
            connection.exec_driver_sql("VACUUM (ANALYZE) marketing_stats_daily")

    def summary(self, client: UUID, last: date, days: int = RANGE_DAYS, tag: str | None = None) -> Question:
        """Return a question about one client's ``days`` days up to ``last``."""
        path = f"/api/clients/{client}/campaigns/summary?from={last - timedelta(days=days - 1)}&to={last}"
        headers = {
            "Authorization": f"Bearer {token(self.user, exp=int(time.time()) + 36_000)}",
            "Accept-Encoding": "gzip",
        }
        return Question(path, headers | ({"If-None-Match": tag} if tag else {}))

    def any_summaries(self, count: int, draw: random.Random) -> list[Question]:
        """Draw ``count`` different questions about any client and any 30 computed days.

        Raises:
            EventflowError: there are fewer.
        """
        every = [(client, last) for client in self.clients for last in self.computed[RANGE_DAYS:]]
        if count > len(every):
            raise EventflowError(
                f"{count:,} different questions are needed and there are {len(every):,}: "
                "give more --days or fewer --requests"
            )
        drawn = draw.sample(every, count)
        return [self.summary(client, last) for client, last in drawn]


@contextmanager
def served(database: Database) -> Iterator[str]:
    """Start the service as a process; yields its address."""
    with served_by(database) as (base, _):
        yield base


@contextmanager
def served_by(database: Database) -> Iterator[tuple[str, int]]:
    """Start the service as a process; yields its address and the id of the process."""
    port = free_port()
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    environment = {**os.environ, "EVENTFLOW_DATABASE_URL": url, "EVENTFLOW_JWT_SECRET": SECRET}
    command = [sys.executable, "-m", "uvicorn", "eventflow_stats.api:app", "--http", LIMITED_HTTP]
    quiet = ["--no-access-log", "--log-level", "warning"]
    with subprocess.Popen([*command, *quiet, "--port", str(port)], env=environment) as process:
        base = f"http://127.0.0.1:{port}"
        try:
            wait_until(lambda: _answers(base), 60, "the service to answer", every=0.1)
            yield base, process.pid
        finally:
            process.terminate()


def _answers(base: str) -> bool:
    try:
        return httpx.get(f"{base}/openapi.json").status_code == 200
    except httpx.HTTPError:
        return False


def report(title: str, found: dict[str, Latencies], base: Latencies) -> None:
    table = plain_table(title, "median ms", "95 %", "99 %", "requests/s", "ratio of medians")
    for name, took in found.items():
        cells = (took.median, took.percentile(95), took.percentile(99), took.per_second)
        table.add_row(name, *(f"{cell:,.1f}" for cell in cells), f"{took.median / base.median:.2f}")
    CONSOLE.print(table)
    CONSOLE.print()


def measure(deployment: Deployment, url: str, requests: int) -> None:
    """Measure every kind of answer with several clients at once; ratios are to one client and computed answers."""
    draw = random.Random(SEED)
    middle = deployment.clients[len(deployment.clients) // 2]
    last, newest = deployment.computed[-1], deployment.days[-1]
    warm = deployment.any_summaries(requests // 4, draw)
    under_load(url, warm, 8)
    computed = {
        f"{count} at once": under_load(url, deployment.any_summaries(requests, draw), count) for count in AT_ONCE
    }
    base = computed["1 at once"]
    report(f"any client, any {RANGE_DAYS} days, computed from the rollup", computed, base)

    dashboards = deployment.any_summaries(50, draw)
    under_load(url, dashboards, 8)
    cached = {f"{count} at once": under_load(url, repeated(dashboards, requests // 50), count) for count in AT_ONCE}
    report("the same 50 questions again: cached answers, each checked in the ledger", cached, base)

    tagged = [_with_tag(url, question) for question in dashboards]
    unchanged = {f"{count} at once": under_load(url, repeated(tagged, requests // 50), count, 304) for count in AT_ONCE}
    report("the same with If-None-Match: 304", unchanged, base)

    several = max(requests // 100, 5)
    by_size = {
        f"{name} client, {message}": under_load(url, questions, 1)
        for name, client in (("middle", middle), ("largest", deployment.clients[0]))
        for message, questions in _by_source(deployment, client, last, newest, several).items()
    }
    report(f"one client's {RANGE_DAYS} days, one at a time", by_size, by_size[f"middle client, {FROM_ROLLUP}"])


FROM_ROLLUP = "from the rollup"


def _by_source(
    deployment: Deployment, client: UUID, last: date, newest: date, several: int
) -> dict[str, Sequence[Question]]:
    ends = [last - timedelta(days=count) for count in range(several)]
    return {
        FROM_ROLLUP: [deployment.summary(client, end) for end in ends],
        "29 days from the rollup, 1 from facts": [deployment.summary(client, last + timedelta(days=1))] * several,
        "1 day from facts": [deployment.summary(client, newest, days=1)] * several,
        "all from facts": [deployment.summary(client, newest)] * several,
    }


def _with_tag(url: str, question: Question) -> Question:
    answer = httpx.get(url + question.path, headers=question.headers)
    return Question(question.path, question.headers | {"If-None-Match": answer.headers["etag"]})


@click.command()
@click.option("--facts", default=18_000_000, show_default=True, help="Visits in all.")
@click.option("--days", default=400, show_default=True, help="Days they are spread over.")
@click.option("--requests", default=2_000, show_default=True, help="Requests per figure.")
def main(facts: int, days: int, requests: int) -> None:
    """Time 30-day summaries over HTTP. Needs no database."""
    started = time.perf_counter()
    with fresh_database() as database:
        deployment = Deployment(database, facts, days)
        CONSOLE.print(
            f"{deployment.rows:,} rollup rows of {len(deployment.computed)} days, {len(deployment.clients)} clients, "
            f"{facts:,} visits; ready after {time.perf_counter() - started:.0f} s\n"
        )
        with served(database) as url:
            measure(deployment, url, requests)
    CONSOLE.print(f"whole benchmark: {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    try:
        main()
    except EventflowError as error:
        sys.exit(f"{error}")
