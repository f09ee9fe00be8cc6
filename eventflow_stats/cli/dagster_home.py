"""The folder of Dagster's files, and the environment of its processes."""

import os
from pathlib import Path

from eventflow_stats.engine.postgres.sql import shipped
from eventflow_stats.errors import Refused
from eventflow_stats.local.closed_folders import close_data_folder, make_closed_folder
from eventflow_stats.settings import Settings

_TICK_TIMEOUTS = ("DAGSTER_SCHEDULE_GRPC_TIMEOUT_SECONDS", "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS")
TICK_SECONDS = 300
"""How long Dagster's daemon waits for a tick. Its default of 60 s is too short for the first detection in a history of
many million facts."""


def dagster_environment(settings: Settings) -> dict[str, str]:
    """The environment for Dagster's processes: a DAGSTER_HOME with ``dagster.yaml``, and long timeouts for ticks.

    DAGSTER_HOME is used if it is set. Otherwise it is ``dagster/`` in the data folder, with the files of this package.

    Raises:
        Refused: DAGSTER_HOME has no ``dagster.yaml``, or the data folder cannot be written.
    """
    data_dir = settings.data_dir.expanduser().resolve()
    own = os.environ.get("DAGSTER_HOME")
    home = Path(own).expanduser().resolve() if own else data_dir / "dagster"
    if own and not (home / "dagster.yaml").is_file():
        raise Refused(f"DAGSTER_HOME is {own}, which has no dagster.yaml; copy the project's file there or unset it")
    if not own:
        try:
            close_data_folder(data_dir)
            make_closed_folder(home)
            for name in ("dagster.yaml", "workspace.yaml"):
                (home / name).write_text(shipped(name).read_text(encoding="utf-8"), encoding="utf-8")
        except OSError as error:
            raise Refused(f"cannot write {home}: {error.strerror}; set EVENTFLOW_DATA_DIR") from error
    timeouts = dict.fromkeys(_TICK_TIMEOUTS, str(TICK_SECONDS))
    return {**timeouts, **os.environ, "DAGSTER_HOME": str(home), "EVENTFLOW_DATA_DIR": str(data_dir)}


def workspace_file(environment: dict[str, str]) -> Path:
    """The workspace file that names this project's code location."""
    own = Path(environment["DAGSTER_HOME"]) / "workspace.yaml"
    if not own.is_file():
        raise Refused(f"{own} is missing; copy the project's workspace.yaml there")
    return own
