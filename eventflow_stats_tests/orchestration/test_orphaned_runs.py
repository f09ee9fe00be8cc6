"""Runs that lost their process are ended when the system starts again."""

import json
import os
import socket
from pathlib import Path

import dagster as dg

from eventflow_stats.definitions import defs
from eventflow_stats.orchestration.runs.orphaned_runs import PROCESS_TAG, end_dead_runs, this_process


def started_run(instance: dg.DagsterInstance, tags: dict[str, str], status: dg.DagsterRunStatus) -> str:
    job = defs.resolve_job_def("refresh_recent_days")
    return instance.create_run_for_job(job, status=status, tags=tags).run_id


def code_server(path: Path) -> dict[str, str]:
    return {".dagster/grpc_info": json.dumps({"host": "localhost", "socket": str(path)})}


def test_only_runs_whose_process_is_gone_are_ended(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    listening = tmp_path / "lives"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(listening))
        server.listen()
        # A killed server leaves its socket file behind.
        with socket.socket(socket.AF_UNIX) as killed:
            killed.bind(str(tmp_path / "killed"))
        tags = {
            "carried out here": this_process(),
            "killed": {PROCESS_TAG: f"{socket.gethostname()}:{dead_pid()}"},
            "on another machine": {PROCESS_TAG: f"elsewhere:{dead_pid()}"},
            "server lives": code_server(listening),
            "server killed": code_server(tmp_path / "killed"),
            "server gone": code_server(tmp_path / "none"),
        }
        runs = {name: started_run(instance, tags[name], dg.DagsterRunStatus.STARTED) for name in tags}
        waiting = started_run(instance, tags["server gone"], dg.DagsterRunStatus.NOT_STARTED)

        ended = end_dead_runs(instance)

    assert set(ended) == {runs["killed"], runs["server killed"], runs["server gone"]}
    for run_id in ended:
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert run.status == dg.DagsterRunStatus.FAILURE
    left = instance.get_run_by_id(waiting)
    assert left is not None
    assert left.status == dg.DagsterRunStatus.NOT_STARTED


def dead_pid() -> int:
    """The pid of a process that has ended."""
    pid = os.posix_spawn("/bin/true", ["true"], os.environ)
    os.waitpid(pid, 0)
    return pid
