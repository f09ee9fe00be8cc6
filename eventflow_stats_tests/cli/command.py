"""Calls of the real `eventflow-stats`, their output, and the content of a database before and after."""

import os
import subprocess
import sysconfig
from pathlib import Path

import psycopg
from psycopg import sql

SCRIPT = Path(sysconfig.get_path("scripts")) / "eventflow-stats"


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """The environment of a call in ``folder``: its own data folder and nothing of the developer's settings."""
    ours = ("EVENTFLOW_", "DAGSTER_HOME")
    others = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {
        **others,
        "EVENTFLOW_DATA_DIR": str(folder / "data"),
        "COLUMNS": "200",
        "EVENTFLOW_API_PORT": "0",
        **settings,
    }


def eventflow(folder: Path, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run `eventflow-stats` to its end, in ``folder``."""
    return subprocess.run(
        [SCRIPT, *words],
        cwd=folder,
        env=environment(folder, **settings),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def started(folder: Path, *words: str, **settings: str) -> "subprocess.Popen[str]":
    """Start `eventflow-stats` as a terminal would: a process group of its own."""
    return subprocess.Popen(
        [SCRIPT, *words],
        cwd=folder,
        env=environment(folder, **settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def one_line(message: str) -> str:
    """Check that stderr is one line of ours, and return it."""
    assert message.startswith("eventflow-stats: "), message
    assert message.count("\n") == 1, message
    return message.strip()


def contents(url: str) -> dict[str, tuple[int, str | None]]:
    """Every table of a database: how many rows, and a digest of all their values."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables "
            "WHERE schemaname IN ('public', 'auth', 'eventflow_stats') ORDER BY 1, 2"
        ).fetchall()
        found = {}
        for schema, table in tables:
            statement = sql.SQL("SELECT count(*), md5(string_agg(t::text, ';' ORDER BY t::text)) FROM {} AS t")
            count, digest = connection.execute(statement.format(sql.Identifier(schema, table))).fetchone() or (0, None)
            found[f"{schema}.{table}"] = (count, digest)
        return found


def processes_of(folder: Path) -> list[int]:
    """The processes that were started for this folder's data and still run, PostgreSQL's own included."""
    data = f"{folder / 'data'}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                message = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
                state = (entry / "stat").read_text().rpartition(") ")[2][0]
            except OSError:
                continue
            if data in message and state != "Z":
                found.append(int(entry.name))
    return found
