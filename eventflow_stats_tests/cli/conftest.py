"""The command line as a person calls it, on databases of the session's server."""

import sys
from collections.abc import Callable

import pytest

from eventflow_stats.cli.main import main
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats_tests.conftest import Cluster

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session")
def dagster_storage(cluster: Cluster) -> str:
    """One storage for all runs of these tests: creating it takes longer than a test."""
    return cluster.create()


@pytest.fixture
def own(database: Database, dagster_storage: str) -> dict[str, str]:
    """The settings of a migrated database of the test's own."""
    return {
        "EVENTFLOW_DATABASE_URL": database.url.render_as_string(hide_password=False).replace("+psycopg", ""),
        "EVENTFLOW_DAGSTER_URL": dagster_storage,
    }


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """Call the command's entry point in this process; returns exit code, stdout and stderr."""

    def called(*words: str, **settings: str) -> tuple[int, str, str]:
        with monkeypatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["eventflow-stats", *words])
            capfd.readouterr()
            with pytest.raises(SystemExit) as ended:
                main()
        message = capfd.readouterr()
        return int(ended.value.code or 0), message.out, message.err

    return called
