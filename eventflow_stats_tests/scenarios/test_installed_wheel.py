"""The package works when it is installed as a wheel, without its checkout."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Return the ``bin`` folder of a new environment with the built wheel and the dependencies of this environment."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, str(wheel)], check=True)
    # A path in a .pth file adds the packages, but not their own .pth files. So this checkout is not added.
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return environment / "bin"


def test_the_main_job_runs_from_a_wheel_in_an_empty_folder(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EVENTFLOW_DATA_DIR")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    folder = tmp_path / "empty"
    folder.mkdir()
    where = subprocess.run(
        [installed / "python", "-c", "import eventflow_stats; print(eventflow_stats.__file__)"],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Path(where.stdout.strip()).is_relative_to(installed.parent)

    done = subprocess.run(
        [installed / "eventflow-stats", "demo", "--json"], cwd=folder, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["ok"]
    assert answer["wrong_groups"] == 0
    assert answer["groups_compared"] > 0
    assert os.listdir(folder) == [".eventflow"]  # noqa: PTH208 (names alone)

    report = ["verify", "--report", "report.html"]
    subprocess.run([installed / "eventflow-stats", *report], cwd=folder, capture_output=True, check=False)
    assert "prefers-color-scheme" in (folder / "report.html").read_text()
