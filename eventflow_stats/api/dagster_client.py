"""The client of Dagster's GraphQL API for the cron route. Dagster itself is not imported.

The first line of an error message of Dagster is logged. It is never passed on to the caller.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from eventflow_stats.api.errors import Unavailable

LOG = logging.getLogger("eventflow_stats.api")
ANSWER_SECONDS = 30.0
"""Dagster plans a run in its code location before it answers."""
RETRY_AFTER_SECONDS = 15
"""Dagster's web server needs about as long to start."""
ASSET = "marketing_stats_daily"

_REPOSITORIES = """
query Repositories {
  repositoriesOrError {
    __typename
    ... on RepositoryConnection { nodes { name location { name } jobs { name } } }
    ... on PythonError { message }
  }
}
"""
# Without NOT_STARTED: a run stays so when its launch failed before it was queued, and it never starts. A run that is
# just being queued is missed, so its days may be rebuilt twice, one after the other.
_ACTIVE_RUNS = """
query ActiveRuns($job: String!) {
  runsOrError(limit: 1, filter: {
    pipelineName: $job, statuses: [QUEUED, MANAGED, STARTING, STARTED, CANCELING]
  }) {
    __typename
    ... on Runs { results { runId } }
    ... on PythonError { message }
  }
}
"""
_ACTIVE_BACKFILLS = """
query ActiveBackfills {
  partitionBackfillsOrError(filters: {statuses: [REQUESTED, CANCELING, FAILING]}) {
    __typename
    ... on PartitionBackfills { results { id tags { key value } } }
    ... on PythonError { message }
  }
}
"""
_LAUNCH_RUN = """
mutation LaunchRun($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on Error { message }
  }
}
"""
_LAUNCH_BACKFILL = """
mutation LaunchBackfill($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on Error { message }
  }
}
"""


class DagsterClient:
    """Sends queries to Dagster's GraphQL endpoint. Every method raises Unavailable when Dagster is away, answers in an
    unknown form or fails."""

    def __init__(self, url: str) -> None:
        endpoint = httpx.URL(url)
        # The password is removed from the address, because the address is logged and returned to the caller.
        self._auth = (endpoint.username, endpoint.password) if endpoint.userinfo else None
        self._url = endpoint.copy_with(userinfo=b"")
        self._pages = str(self._url.copy_with(query=None)).removesuffix("/graphql").rstrip("/")
        self.launching = asyncio.Lock()
        """Held from the check for an active run until the launch. Another process of the API may launch in between.
        Then the days are rebuilt twice, one after the other."""

    def run_page(self, run_id: str) -> str:
        return f"{self._pages}/runs/{run_id}"

    def backfill_page(self, backfill_id: str) -> str:
        return f"{self._pages}/runs/b/{backfill_id}"

    async def repository_of(self, job: str) -> dict[str, str]:
        """Return the selector of the repository that defines the job."""
        for found in await self._query(_REPOSITORIES, "repositoriesOrError", "RepositoryConnection", "nodes"):
            if any(each["name"] == job for each in found["jobs"]):
                return {"repositoryName": found["name"], "repositoryLocationName": found["location"]["name"]}
        LOG.error("Dagster has no job %s: its code location is not loaded", job)
        raise Unavailable("Dagster has not loaded the rollup's code", RETRY_AFTER_SECONDS)

    async def active_run(self, job: str) -> str | None:
        """Return the id of a run of that job that is queued, starting, running or being canceled."""
        found = await self._query(_ACTIVE_RUNS, "runsOrError", "Runs", "results", {"job": job})
        return str(found[0]["runId"]) if found else None

    async def active_backfill(self, key: str, value: str) -> str | None:
        """Return the id of a backfill with that tag that has not ended."""
        for found in await self._query(_ACTIVE_BACKFILLS, "partitionBackfillsOrError", "PartitionBackfills", "results"):
            if {"key": key, "value": value} in found["tags"]:
                return str(found["id"])
        return None

    async def launch_run(self, job: str, config: Mapping[str, Any], tags: Mapping[str, str]) -> str:
        """Queue a run of that job and return its id."""
        params = {
            "selector": {**await self.repository_of(job), "jobName": job},
            "runConfigData": config,
            "executionMetadata": {"tags": _tags(tags)},
        }
        launched = await self._query(_LAUNCH_RUN, "launchRun", "LaunchRunSuccess", "run", {"params": params})
        return str(launched["runId"])

    async def launch_backfill(
        self, days: Sequence[str], config: Mapping[str, Any], tags: Mapping[str, str], title: str
    ) -> str:
        """Start a backfill of those partitions of the rollup and return its id."""
        params = {
            "assetSelection": [{"path": [ASSET]}],
            "partitionNames": list(days),
            "runConfigData": config,
            "tags": _tags(tags),
            "title": title,
        }
        field, success = "launchPartitionBackfill", "LaunchBackfillSuccess"
        return str(await self._query(_LAUNCH_BACKFILL, field, success, "backfillId", {"params": params}))

    async def _query(
        self, document: str, field: str, success: str, part: str, variables: Mapping[str, Any] | None = None
    ) -> Any:
        """Return that part of the field. Its type must be ``success``."""
        try:
            async with httpx.AsyncClient(timeout=ANSWER_SECONDS, auth=self._auth) as http:
                answer = await http.post(self._url, json={"query": document, "variables": variables or {}})
        except httpx.HTTPError as error:
            LOG.error("Dagster does not answer %s: %s", field, type(error).__name__)
            raise Unavailable("Dagster cannot be reached; try again", RETRY_AFTER_SECONDS) from None
        try:
            found = answer.json()["data"][field]
            kind = found["__typename"]
            if kind == success:
                return found[part]
        except (ValueError, LookupError, TypeError):
            LOG.error("Dagster answered %s with status %d and no %s", field, answer.status_code, success)
        else:
            LOG.error("Dagster answered %s with %s: %s", field, kind, _first_line(found))
        raise Unavailable("Dagster refused the request; try again", RETRY_AFTER_SECONDS)


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def _first_line(failure: Mapping[str, Any]) -> str:
    text = [failure.get("message"), *(error.get("message") for error in failure.get("errors") or [])]
    return next((str(message).strip().splitlines()[0][:200] for message in text if str(message or "").strip()), "")
