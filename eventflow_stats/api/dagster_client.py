"""Dagster as the cron route asks it: GraphQL to its webserver; nothing of Dagster is imported here.

What Dagster says of a failure is logged, its first line alone, and never passed on.
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
"""Its webserver needs about as long to start."""
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
# Not NOT_STARTED: one that stays so was made by a launch that failed before it was queued, and never begins. That the
# moment before a run is queued is not seen has it recomputed twice, one after the other.
_UNFINISHED_RUNS = """
query UnfinishedRuns($job: String!) {
  runsOrError(limit: 1, filter: {
    pipelineName: $job, statuses: [QUEUED, MANAGED, STARTING, STARTED, CANCELING]
  }) {
    __typename
    ... on Runs { results { runId } }
    ... on PythonError { message }
  }
}
"""
_OPEN_BACKFILLS = """
query OpenBackfills {
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
    """The Dagster whose GraphQL endpoint has that URL. Every method raises Unavailable when it is away, answers
    nonsense or fails."""

    def __init__(self, url: str) -> None:
        endpoint = httpx.URL(url)
        # A password apart from the address: that one is logged, and told to the caller as where to watch.
        self._auth = (endpoint.username, endpoint.password) if endpoint.userinfo else None
        self._url = endpoint.copy_with(userinfo=b"")
        self._pages = str(self._url.copy_with(query=None)).removesuffix("/graphql").rstrip("/")
        self.asking = asyncio.Lock()
        """Held from the look at what is under way until the launch. Another process of the API may still be as quick:
        the days are then recomputed twice, one after the other."""

    def run_page(self, run_id: str) -> str:
        return f"{self._pages}/runs/{run_id}"

    def backfill_page(self, backfill_id: str) -> str:
        return f"{self._pages}/runs/b/{backfill_id}"

    async def repository_of(self, job: str) -> dict[str, str]:
        """Where that job is defined, as GraphQL's selectors name it."""
        for found in await self._ask(_REPOSITORIES, "repositoriesOrError", "RepositoryConnection", "nodes"):
            if any(known["name"] == job for known in found["jobs"]):
                return {"repositoryName": found["name"], "repositoryLocationName": found["location"]["name"]}
        LOG.error("Dagster has no job %s: its code location is not loaded", job)
        raise Unavailable("Dagster has not loaded the rollup's code", RETRY_AFTER_SECONDS)

    async def unfinished_run(self, job: str) -> str | None:
        """A run of that job that is queued, starting, under way or being canceled."""
        found = await self._ask(_UNFINISHED_RUNS, "runsOrError", "Runs", "results", {"job": job})
        return str(found[0]["runId"]) if found else None

    async def unfinished_backfill(self, key: str, value: str) -> str | None:
        """A backfill with that tag of which not every run has ended."""
        for found in await self._ask(_OPEN_BACKFILLS, "partitionBackfillsOrError", "PartitionBackfills", "results"):
            if {"key": key, "value": value} in found["tags"]:
                return str(found["id"])
        return None

    async def launch_run(self, job: str, config: Mapping[str, Any], tags: Mapping[str, str]) -> str:
        """Queues a run of that job; its id."""
        params = {
            "selector": {**await self.repository_of(job), "jobName": job},
            "runConfigData": config,
            "executionMetadata": {"tags": _tags(tags)},
        }
        launched = await self._ask(_LAUNCH_RUN, "launchRun", "LaunchRunSuccess", "run", {"params": params})
        return str(launched["runId"])

    async def launch_backfill(
        self, days: Sequence[str], config: Mapping[str, Any], tags: Mapping[str, str], title: str
    ) -> str:
        """Asks for those partitions of the rollup, in as few runs as its policy allows; the backfill's id."""
        params = {
            "assetSelection": [{"path": [ASSET]}],
            "partitionNames": list(days),
            "runConfigData": config,
            "tags": _tags(tags),
            "title": title,
        }
        field, success = "launchPartitionBackfill", "LaunchBackfillSuccess"
        return str(await self._ask(_LAUNCH_BACKFILL, field, success, "backfillId", {"params": params}))

    async def _ask(
        self, document: str, field: str, success: str, part: str, variables: Mapping[str, Any] | None = None
    ) -> Any:
        """That part of the field, which must be of the type that means success."""
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
        raise Unavailable("Dagster did not do what it was asked for; try again", RETRY_AFTER_SECONDS)


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def _first_line(failure: Mapping[str, Any]) -> str:
    text = [failure.get("message"), *(error.get("message") for error in failure.get("errors") or [])]
    return next((str(message).strip().splitlines()[0][:200] for message in text if str(message or "").strip()), "")
