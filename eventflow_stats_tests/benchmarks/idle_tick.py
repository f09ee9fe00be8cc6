"""Measures the CPU seconds of a tick with nothing new, and of a tick that refreshes something.

Run with ``python -m eventflow_stats_tests.benchmarks.idle_tick``. The real schedule and the real sensors are evaluated
on a real Dagster instance. The daemon that calls them is not measured.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import click
import dagster as dg
import psutil

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import EventflowError
from eventflow_stats_tests.benchmarks.cpu_time import Cpu, cpu_spent, server_process
from eventflow_stats_tests.benchmarks.dagster_home import dagster_beside
from eventflow_stats_tests.benchmarks.facts import Shape, fill_days
from eventflow_stats_tests.benchmarks.fresh_database import fresh_database
from eventflow_stats_tests.benchmarks.new_facts import add_visits, clients_of, set_detection_to_end_of
from eventflow_stats_tests.benchmarks.side_by_side import CONSOLE, plain_table

SCHEDULE, SENSORS = "every_five_minutes", ("late_facts", "repair")
FEW = 5


class Deployment:
    """Evaluates the schedule and the sensors of the project at a fixed moment, the end of the measured day."""

    def __init__(self, database: Database, instance: dg.DagsterInstance, day: date) -> None:
        from eventflow_stats.definitions import defs
        from eventflow_stats.orchestration.resources import RollupDatabase

        self.database = database
        self.instance = instance
        self.day = day
        self.due = datetime(day.year, day.month, day.day, 23, 55, tzinfo=UTC)
        self.repository = defs.get_repository_def()
        self.resources = {"database": RollupDatabase()}

    def schedule_tick(self) -> list[dg.RunRequest]:
        """Evaluate one tick of the 5-minute schedule; returns the runs that it asks for."""
        with dg.build_schedule_context(
            self.instance,
            scheduled_execution_time=self.due,
            repository_def=self.repository,
            resources=self.resources,
        ) as context:
            return list(self.repository.get_schedule_def(SCHEDULE).evaluate_tick(context).run_requests or [])

    def sensor_tick(self, name: str) -> list[dg.RunRequest]:
        """Evaluate one tick of a sensor; returns the runs that it asks for."""
        with dg.build_sensor_context(
            self.instance, repository_def=self.repository, resources=self.resources
        ) as context:
            return list(self.repository.get_sensor_def(name).evaluate_tick(context).run_requests or [])

    def carry_out(self, request: dg.RunRequest) -> None:
        """Carry out, in this process, the run that a tick asked for."""
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        result = self.repository.get_job("refresh_recent_days").execute_in_process(
            instance=self.instance,
            run_config={**request.run_config, **quiet},
            tags=dict(request.tags),
            raise_on_error=False,
        )
        if not result.success:
            raise EventflowError("the refresh run failed")


def require_idle(tick: Callable[[], list[dg.RunRequest]]) -> None:
    """Evaluate a tick that must ask for no run.

    Raises:
        EventflowError: it asked for one.
    """
    requests = tick()
    if requests:
        raise EventflowError(f"an idle tick asked for a run: {dict(requests[0].tags)}")


def spent_on(
    action: Callable[[], object], times: int, server: psutil.Process, prepare: Callable[[], object] = lambda: None
) -> Cpu:
    """Return the average CPU seconds of ``times`` repetitions, because the kernel counts in hundredths.

    ``prepare`` runs before each repetition and is not counted.
    """
    total = Cpu()
    for _ in range(times):
        prepare()
        with cpu_spent(server) as spent:
            action()
        total.python += spent.python / times
        total.server += spent.server / times
    return total


def measure(deployment: Deployment, times: int, runs: int) -> dict[str, Cpu]:
    """Measure idle ticks, then a tick with new facts and its run, then the start of a process for a run."""
    database, day = deployment.database, deployment.day
    server = server_process(database)

    def in_service() -> None:
        set_detection_to_end_of(database, day)

    ticks = {SCHEDULE: deployment.schedule_tick}
    ticks |= {name: partial(deployment.sensor_tick, name) for name in SENSORS}
    found = {}
    for name, tick in ticks.items():
        in_service()
        require_idle(tick)
        found[f"idle tick of {name}"] = spent_on(partial(require_idle, tick), times, server, in_service)

    def new_facts() -> None:
        clients = clients_of(database)
        add_visits(database, day, 1_000, clients[len(clients) // 20 :: len(clients) // FEW][:FEW])
        in_service()

    def busy() -> None:
        requests = deployment.schedule_tick()
        if len(requests) != 1:
            raise EventflowError("a tick after new facts asked for no run")
        deployment.carry_out(requests[0])

    found["tick with 1,000 new facts, and its run"] = spent_on(busy, runs, server, new_facts)
    start = [sys.executable, "-c", "import eventflow_stats.definitions"]
    found["  starting a process for that run"] = spent_on(lambda: subprocess.run(start, check=True), runs, server)
    return found


def report(found: dict[str, Cpu], facts: int, times: int) -> None:
    """Print CPU seconds and their ratio to the idle tick of the schedule."""
    base = next(iter(found.values())).seconds
    table = plain_table(
        f"CPU seconds (user and system), days of {facts:,} visits, averages of {times} ticks",
        "Python", "PostgreSQL", "together", "ratio",
    )  # fmt: skip
    for name, cpu in found.items():
        seconds = (cpu.python, cpu.server, cpu.seconds)
        table.add_row(name, *(f"{value:.3f}" for value in seconds), f"{cpu.seconds / base:.2f}")
    CONSOLE.print(table)
    names = [name for name in found if name.startswith("idle")]
    # The schedule has 288 ticks a day, a sensor has 1,440.
    a_day = sum(found[name].seconds * (288 if SCHEDULE in name else 1440) for name in names)
    CONSOLE.print(f"idle for a day: {a_day:.0f} CPU seconds, {a_day / 864:.2f} % of one core\n")


@click.command()
@click.option("--facts", default=1_000_000, show_default=True, help="Visits a day, on each of two days.")
@click.option("--clients", default=200, show_default=True, help="Clients that share them, unevenly.")
@click.option("--ticks", default=20, show_default=True, help="Idle ticks of each kind.")
@click.option("--runs", default=3, show_default=True, help="Ticks with new facts, each with its run.")
def main(facts: int, clients: int, ticks: int, runs: int) -> None:
    """Evaluate the schedule and the sensors where nothing is new, and count CPU seconds. Needs no database."""
    started = time.perf_counter()
    today = datetime.now(UTC).date()
    # Yesterday is the measured tick's "today", because all of its facts have happened.
    days = [today - timedelta(days=2), today - timedelta(days=1)]
    with tempfile.TemporaryDirectory(prefix="eventflow-dagster-") as folder, fresh_database() as database:
        with CONSOLE.status("making facts, first builds"):
            fill_days(database, days, Shape(facts, max(facts // 10, clients), clients))
            list(rebuild(database, days))
            list(verify(database, days))
            detect(database)
        with dagster_beside(database, Path(folder)) as instance, CONSOLE.status("ticking"):
            found = measure(Deployment(database, instance, days[-1]), ticks, runs)
        report(found, facts, ticks)
    CONSOLE.print(f"whole benchmark: {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    try:
        main()
    except EventflowError as error:
        sys.exit(f"{error}")
