"""Ends the runs whose process is gone: ``python -m eventflow_stats.orchestration.runs.orphaned_runs``.

A run that was killed together with the daemon stays "started" in Dagster's storage and occupies a place in the queue.
`up` calls this before it starts the other processes. It also creates Dagster's tables, which two processes must not do
at the same time.
"""

import json
import os
import socket
import sys
from pathlib import Path

import dagster as dg
import psutil

from eventflow_stats.errors import EventflowError
from eventflow_stats.orchestration.dagster_internals import GRPC_INFO_TAG, IN_PROGRESS_RUN_STATUSES

PROCESS_TAG = "eventflow/process"


def this_process() -> dict[str, str]:
    """The tag of a run that is executed in this process: its host and process id."""
    return {PROCESS_TAG: f"{socket.gethostname()}:{os.getpid()}"}


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark as failed every started run of this machine whose process is gone; returns their ids.

    Runs of other machines and queued runs are not changed.
    """
    ended = []
    for run in instance.get_runs(dg.RunsFilter(statuses=list(IN_PROGRESS_RUN_STATUSES))):
        if _is_dead(run):
            instance.report_run_failed(run, "The process of this run is gone: it was killed, or the machine restarted.")
            ended.append(run.run_id)
    return ended


def _is_dead(run: dg.DagsterRun) -> bool:
    if PROCESS_TAG in run.tags:
        host, _, pid = run.tags[PROCESS_TAG].rpartition(":")
        return host == socket.gethostname() and not psutil.pid_exists(int(pid))
    # A run launched by the daemon or the UI has the socket of the code server that executes it in a tag.
    server = json.loads(run.tags.get(GRPC_INFO_TAG, "{}")).get("socket")
    if server is None:
        return False
    if not Path(server).exists():
        return True
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(server) != 0


def main() -> None:
    """Create Dagster's tables if they are missing, end dead runs, and print the id of each on a line."""
    with dg.DagsterInstance.get() as instance:
        for run_id in end_dead_runs(instance):
            print(run_id)


if __name__ == "__main__":
    try:
        main()
    except EventflowError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
