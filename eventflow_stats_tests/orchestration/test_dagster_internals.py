"""Only ``dagster_internals`` imports Dagster's private modules. Import-linter sees ``dagster`` only as a whole."""

import ast
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import eventflow_stats
from eventflow_stats.orchestration import dagster_internals

PACKAGE = Path(eventflow_stats.__file__).parent


def private_imports(source: str) -> Iterator[str]:
    """The private modules of Dagster's packages that a source file imports."""
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            package, *rest = name.split(".")
            if package.startswith("dagster") and any(part.startswith("_") and part != "__version__" for part in rest):
                yield name


def test_only_one_module_imports_private_modules_of_dagster() -> None:
    found = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if list(private_imports(path.read_text(encoding="utf-8")))
    }

    assert found == {"orchestration/dagster_internals.py"}


def test_every_private_import_is_found() -> None:
    source = (
        "import dagster._core.events\ndef f():\n    from dagster import _check\n    from dagster_postgres._x import y\n"
    )

    assert list(private_imports(source)) == ["dagster._core.events", "dagster._check", "dagster_postgres._x.y"]


def test_every_private_import_has_a_reason_before_it() -> None:
    lines = Path(str(dagster_internals.__file__)).read_text(encoding="utf-8").splitlines()

    # Imports that follow each other without a blank line share the reason above the first.
    blocks = [before for before, line in pairwise(lines) if line.startswith("from dagster")]

    assert [line for line in blocks if not line.startswith(("#", "from dagster", ")"))] == []
