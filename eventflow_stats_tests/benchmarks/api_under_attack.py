"""Attacks the read API with endless headers, unfinished requests and a tenant that asks too much.

Run with ``python -m eventflow_stats_tests.benchmarks.api_under_attack``. All traffic stays on the loopback interface.
Every attack is bounded in count and time. During each attack another tenant asks one question after the other, each on
a new connection. Clients, service and database share the machine.
"""

import http.client
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import click
import psutil

from eventflow_stats_tests.api.serving import bearer
from eventflow_stats_tests.api.shop import COMPUTED, Shop
from eventflow_stats_tests.benchmarks.fresh_database import fresh_database
from eventflow_stats_tests.benchmarks.load import Question
from eventflow_stats_tests.benchmarks.read_api import served_by
from eventflow_stats_tests.benchmarks.side_by_side import CONSOLE, plain_table
from eventflow_stats_tests.facts import connect

QUESTIONS = 50
"""The number of questions that the other tenant asks during each attack."""
ENOUGH_SECONDS = 60.0
LINES = b"a:b\r\n" * 20_000


@dataclass(frozen=True)
class OtherTenant:
    """The answers to the other tenant, and the peak memory of the service meanwhile."""

    answered: int
    milliseconds: tuple[float, ...]
    most_memory: int

    @property
    def median(self) -> float:
        return statistics.median(self.milliseconds)


def ask(url: str, question: Question) -> bool:
    """Ask on a new connection; returns whether the answer was 200."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        connection.request("GET", question.path, headers=question.headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status == 200
    except OSError:
        return False
    finally:
        connection.close()


def observe(url: str, pid: int, question: Question) -> OtherTenant:
    """Ask ``QUESTIONS`` times, with short pauses."""
    took, answered, most = [], 0, 0
    for _ in range(QUESTIONS):
        started = time.perf_counter()
        answered += ask(url, question)
        took.append((time.perf_counter() - started) * 1000)
        most = max(most, psutil.Process(pid).memory_info().rss)
        time.sleep(0.02)
    return OtherTenant(answered, tuple(took), most)


@contextmanager
def endless_headers(url: str, megabytes: int, sent: list[int]) -> Iterator[None]:
    """Send ``megabytes`` of header lines, on a new connection whenever the service closes one."""

    def send() -> None:
        deadline = time.monotonic() + ENOUGH_SECONDS
        while sum(sent) < megabytes * 1_000_000 and time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(_address(url), timeout=10) as line:
                line.sendall(b"GET / HTTP/1.1\r\n")
                while sum(sent) < megabytes * 1_000_000:
                    sent.append(line.send(LINES))

    sending = threading.Thread(target=send)
    sending.start()
    yield
    sending.join()


@contextmanager
def unfinished_requests(url: str, count: int) -> Iterator[None]:
    """Open ``count`` connections at once, each with the beginning of a request."""
    with ExitStack() as stack:
        for _ in range(count):
            with suppress(OSError):
                line = stack.enter_context(socket.create_connection(_address(url), timeout=10))
                line.sendall(b"GET /api/clients HTTP/1.1\r\nHost: ")
        yield


# This is a separate process, because it would slow down the measurements in this one.
BUSY = """
import asyncio, sys, time
from collections import Counter

async def ask(host, port, request, deadline, answers):
    while time.monotonic() < deadline:
        try:
            reader, writer = await asyncio.open_connection(host, port)
            while time.monotonic() < deadline:
                writer.write(request)
                head = await reader.readuntil(b"\\r\\n\\r\\n")
                await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\\r\\n")[0]))
                answers[head[9:12].decode()] += 1
            writer.close()
        except (OSError, EOFError):
            answers["closed"] += 1
            await asyncio.sleep(0.1)

async def main():
    host, port, count, seconds = sys.argv[1], *map(int, sys.argv[2:5])
    answers, deadline = Counter(), time.monotonic() + seconds
    request = sys.stdin.buffer.read()
    await asyncio.gather(*(ask(host, port, request, deadline, answers) for _ in range(count)))
    print(", ".join(f"{count:,} x {status}" for status, count in sorted(answers.items())))

asyncio.run(main())
"""


@contextmanager
def busy_tenant(url: str, at_once: int, seconds: int, question: Question, answers: list[str]) -> Iterator[None]:
    """Let one tenant ask ``at_once`` times at once, each time again as soon as it is answered."""
    host, port = _address(url)
    lines = "".join(f"{name}: {value}\r\n" for name, value in question.headers.items())
    request = f"GET {question.path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n".encode()
    command = [sys.executable, "-c", BUSY, host, str(port), str(at_once), str(seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(request)
        process.stdin.close()
        time.sleep(min(1.0, seconds / 2))
        yield
        assert process.stdout is not None
        answers.append(process.stdout.read().decode().strip())


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0


def report(found: dict[str, OtherTenant], before: int) -> None:
    table = plain_table(
        f"Another tenant's {QUESTIONS} questions, and the service's memory ({_megabytes(before)} MB before)",
        "answered", "median ms", "ratio of medians", "slowest ms", "peak memory, MB",
    )  # fmt: skip
    usual = next(iter(found.values()))
    for name, other in found.items():
        ratio = f"{other.median / usual.median:.1f}"
        cells = (f"{other.median:,.1f}", ratio, f"{max(other.milliseconds):,.0f}", _megabytes(other.most_memory))
        table.add_row(name, f"{other.answered} of {QUESTIONS}", *cells)
    CONSOLE.print(table)


def _megabytes(count: int) -> str:
    return f"{count / 1_000_000:,.0f}"


@click.command()
@click.option("--megabytes", default=600, show_default=True, help="Header lines sent in all.")
@click.option("--unfinished", default=1_000, show_default=True, help="Requests begun and not finished.")
@click.option("--at-once", default=400, show_default=True, help="Requests at once of one tenant.")
@click.option("--seconds", default=20, show_default=True, help="How long that tenant asks.")
def main(megabytes: int, unfinished: int, at_once: int, seconds: int) -> None:
    """Start a read API, attack it, and show the answers to another tenant. Needs no database."""
    with fresh_database() as database, connect(database) as connection:
        shop = Shop(database, connection)
        days = f"from={COMPUTED[0]}&to={COMPUTED[-1]}"
        of_busy = Question(f"/api/clients/{shop.ours}/campaigns/summary?{days}", bearer(shop.member, exp=2**31))
        of_other = Question(f"/api/clients/{shop.theirs}/campaigns/summary?{days}", bearer(shop.stranger, exp=2**31))
        with served_by(database) as (url, pid):
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            # This is the limit of this process. The service has set its own already.
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, unfinished + at_once + 200), hard), hard))
            observe(url, pid, of_other)
            before = psutil.Process(pid).memory_info().rss
            found = {"no attack": observe(url, pid, of_other)}
            sent: list[int] = []
            with endless_headers(url, megabytes, sent):
                found[f"{megabytes} MB of endless headers"] = observe(url, pid, of_other)
            with unfinished_requests(url, unfinished):
                found[f"{unfinished:,} unfinished requests"] = observe(url, pid, of_other)
            answers: list[str] = []
            with busy_tenant(url, at_once, seconds, of_busy, answers):
                found[f"{at_once} requests at once of one tenant"] = observe(url, pid, of_other)
    report(found, before)
    CONSOLE.print(f"sent of the headers: {_megabytes(sum(sent))} MB; the busy tenant was answered {answers[0]}")


if __name__ == "__main__":
    main()
