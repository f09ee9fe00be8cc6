"""The SQL files and their loader."""

import re
from pathlib import Path

import pytest

from eventflow_stats.engine.postgres.sql import query, shipped

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "sql" / "queries"
QUERIES = sorted(path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.sql"))


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_file_is_one_statement_and_begins_with_a_comment(name: str) -> None:
    content = (FOLDER / f"{name}.sql").read_text(encoding="utf-8")

    assert re.match(r"-- \w+", content), "the first line is a comment: what the query answers"
    code = "\n".join(line for line in content.splitlines() if not line.lstrip().startswith("--"))
    if "$$" not in code:
        assert ";" not in code


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_file_is_used_and_names_each_of_its_parameters(name: str) -> None:
    statement = query(name)
    comment = "\n".join(line for line in str(statement).splitlines() if line.startswith("--"))

    for parameter in statement.compile().params:
        assert re.search(rf"\b{parameter}\b", comment), f"{parameter} is not explained"
    python = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "eventflow_stats").rglob("*.py"))
    staged = re.sub(r"create_staged_(visits|conversions)", "create_{kind.table}", name)
    assert f'"{name}"' in python or f'"{staged}"' in python


def test_an_unknown_query_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        query("no_such_query")


def test_the_files_that_dagster_needs_are_shipped_with_the_package() -> None:
    for name in ("dagster.yaml", "workspace.yaml"):
        assert shipped(name).read_text(encoding="utf-8") == (ROOT / name).read_text(encoding="utf-8")
