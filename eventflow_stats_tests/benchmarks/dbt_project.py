"""The same rollup as a dbt project: an incremental model over the same views, run by the real dbt.

dbt is no dependency of this project. It is installed from the package index into its own environment.
"""

import json
import os
import subprocess
import time
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.errors import EventflowError

PACKAGES = ("dbt-core<1.11", "dbt-postgres<1.10")
Strategy = Literal["delete+insert", "microbatch"]
FIRST_BATCH = date(2026, 1, 1)

_PROJECT = """
name: rollup
version: "1.0"
profile: rollup
model-paths: [models]
flags:
  send_anonymous_usage_stats: false
  partial_parse: true
"""
_SOURCES = """
sources:
  - name: eventflow_stats
    schema: eventflow_stats
    tables:
      - name: visit_facts
        config: {event_time: event_at}
      - name: conversion_facts
        config: {event_time: event_at}
"""
_KEY = "client_id, bucket_date, campaign_id, link_id, utm_source, utm_medium, utm_campaign"
# The last days are replaced whole, as dbt's users do, with the same two-level GROUP BY on the same views.
_SELECT = """
select {id} {key}, cast(sum(visits) as bigint) as visits, cast(sum(conversions) as bigint) as conversions
from (
    select {key}, count(session_key) as visits, 0 as conversions
    from (
        select {key}, session_key
        from (
            select *, cast(event_at at time zone 'UTC' as date) as bucket_date
            from {{{{ source('eventflow_stats', 'visit_facts') }}}}
            {where}
        ) as visit_facts
        where client_id is not null
        group by {key}, session_key
    ) as sessions
    group by {key}
    union all
    select {key}, 0, count(*)
    from (
        select *, cast(event_at at time zone 'UTC' as date) as bucket_date
        from {{{{ source('eventflow_stats', 'conversion_facts') }}}}
        {where}
    ) as conversion_facts
    where client_id is not null
    group by {key}
) as facts
group by {key}
"""
_DELETE_INSERT = """{{{{ config(
    materialized='incremental', incremental_strategy='delete+insert', unique_key='bucket_date',
    indexes=[{{'columns': ['bucket_date']}}]
) }}}}
"""
_WINDOW = """where event_at >= timestamptz '{{ var("first_day") }} 00:00 UTC'
                and event_at < timestamptz '{{ var("next_day") }} 00:00 UTC'"""
# On PostgreSQL microbatch merges by a unique key that is never NULL: the id that the rollup derives from the group.
_MICROBATCH = """{{{{ config(
    materialized='incremental', incremental_strategy='microbatch', unique_key='id', event_time='bucket_date',
    batch_size='day', lookback=1, begin='{begin}', indexes=[{{'columns': ['id'], 'unique': true}}]
) }}}}
"""
_ID = f"eventflow_stats.group_id({_KEY}) as id,"


@dataclass(frozen=True)
class DbtRun:
    """Seconds of one ``dbt run``: of the whole process, and of the model as dbt reports it."""

    process: float
    model: float


class Dbt:
    """Runs dbt in its own environment, on a project whose models write tables of schema ``dbt``."""

    def __init__(self, environment: Path, project: Path, database: Database) -> None:
        self.project = project
        self.command = str(environment / "bin" / "dbt")
        if not Path(self.command).exists():
            venv.create(environment, with_pip=True)
            pip = [str(environment / "bin" / "pip"), "install", "--quiet", *PACKAGES]
            if subprocess.run(pip, check=False).returncode:
                raise EventflowError(f"dbt could not be installed ({', '.join(PACKAGES)}); a package index is needed")
        models = project / "models"
        models.mkdir(parents=True)
        (project / "dbt_project.yml").write_text(_PROJECT, encoding="utf-8")
        (project / "profiles.yml").write_text(_profile(database), encoding="utf-8")
        (models / "sources.yml").write_text(_SOURCES, encoding="utf-8")
        (models / f"{table_of('delete+insert')}.sql").write_text(
            _DELETE_INSERT.format() + _SELECT.format(id="", key=_KEY, where=_WINDOW), encoding="utf-8"
        )
        (models / f"{table_of('microbatch')}.sql").write_text(
            _MICROBATCH.format(begin=FIRST_BATCH) + _SELECT.format(id=_ID, key=_KEY, where=""), encoding="utf-8"
        )

    def run(self, strategy: Strategy, days: Sequence[date], threads: int = 1) -> DbtRun:
        """Run ``dbt run`` as a process, with one model and these consecutive days.

        Raises:
            EventflowError: dbt failed. The message has the end of its output.
        """
        first, end = min(days), max(days) + timedelta(days=1)
        command = [self.command, "run", "--select", table_of(strategy), "--threads", str(threads), "--quiet"]
        if strategy == "microbatch":
            command += ["--event-time-start", str(first), "--event-time-end", str(end)]
        command += ["--vars", json.dumps({"first_day": str(first), "next_day": str(end)})]
        started = time.perf_counter()
        done = subprocess.run(
            command,
            cwd=self.project,
            env={**os.environ, "DBT_PROFILES_DIR": str(self.project), "DO_NOT_TRACK": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - started
        if done.returncode:
            raise EventflowError(f"dbt run failed: {(done.stdout + done.stderr)[-2000:]}")
        results = json.loads((self.project / "target" / "run_results.json").read_text(encoding="utf-8"))["results"]
        return DbtRun(seconds, sum(result["execution_time"] for result in results))


def table_of(strategy: Strategy) -> str:
    """Return the name of the model, which is also the name of its table in schema ``dbt``."""
    return "stats_by_" + strategy.replace("+", "_")


def _profile(database: Database) -> str:
    url = database.url
    output = {
        "type": "postgres",
        "host": url.host or url.query.get("host"),
        "port": url.port or 5432,
        "user": url.username,
        "password": url.password or "",
        "dbname": url.database,
        "schema": "dbt",
        "threads": 1,
    }
    return json.dumps({"rollup": {"target": "here", "outputs": {"here": output}}})
