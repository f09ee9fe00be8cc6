"""The project follows the rules of the house, and each rule finds what is planted against it."""

from pathlib import Path

import pytest

from eventflow_stats_tests.house_rules import (
    DAGSTER_INTERNALS,
    MODULE_LINES,
    README_LINES,
    ROOT,
    RULES,
    Rule,
    import_circles,
    long_modules,
    long_readme,
    outside_pages,
    package_lines,
    private_dagster_imports,
    retired_words,
)
from eventflow_stats_tests.readme_references import dead_references
from eventflow_stats_tests.retired_words import Allowed

MODULE = "eventflow_stats/module.py"


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_project_follows_the_rule(rule: Rule) -> None:
    assert rule.broken_by(ROOT) == []


def test_a_module_of_one_line_too_many_is_found(tmp_path: Path) -> None:
    write(tmp_path, "eventflow_stats/short.py", "x = 1\n" * MODULE_LINES)
    write(tmp_path, MODULE, "x = 1\n" * (MODULE_LINES + 1))

    assert long_modules(tmp_path) == [f"{MODULE}: {MODULE_LINES + 1} lines"]


def test_a_circle_of_three_modules_is_found_also_inside_a_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    write(tmp_path, "in_a_row/__init__.py", "")
    write(tmp_path, "in_a_row/a.py", "from in_a_row import b\n")
    write(tmp_path, "in_a_row/b.py", "from in_a_row import c\n")
    write(tmp_path, "in_a_row/c.py", "")
    write(tmp_path, "in_a_circle/__init__.py", "")
    write(tmp_path, "in_a_circle/a.py", "from in_a_circle import b\n")
    write(tmp_path, "in_a_circle/b.py", "from in_a_circle import c\n")
    write(tmp_path, "in_a_circle/c.py", "def f():\n    from in_a_circle import a\n")

    assert import_circles("in_a_row") == []
    (circle,) = import_circles("in_a_circle")
    assert {f"in_a_circle.{name}" for name in "abc"} == set(circle.split(" -> "))


@pytest.mark.parametrize(
    "line",
    [
        "from dagster._core.storage.tags import BACKFILL_ID_TAG",
        "    import dagster._utils",
        "from dagster_postgres._x import y",
        "from dagster import _check",
        "from dagster import op, _check",
    ],
)
def test_a_private_import_of_dagster_is_found_outside_its_module(tmp_path: Path, line: str) -> None:
    write(tmp_path, DAGSTER_INTERNALS, f"{line}\n")
    write(tmp_path, MODULE, f"import dagster as dg\n{line}\nfrom dagster import op\n")

    assert private_dagster_imports(tmp_path) == [f"{MODULE}:2: {line.strip()}"]


@pytest.mark.parametrize(
    "text",
    [
        "what it told",
        "def told_days():",
        "TOLD = 1",
        "class ToldDay:",
        "isTold",
        "Tell it",
        "``disproved``",
        "missed_days",
    ],
)
def test_a_retired_word_is_found_in_every_form_of_a_name(tmp_path: Path, text: str) -> None:
    write(tmp_path, MODULE, text)

    (found,) = retired_words(tmp_path, exceptions=())
    assert found.startswith(f"{MODULE}:1: ")


def test_words_that_contain_a_retired_one_are_not_found(tmp_path: Path) -> None:
    write(tmp_path, MODULE, "retold intelligent telescope scopeless provide improve layer player standard")

    assert retired_words(tmp_path, exceptions=()) == []


@pytest.mark.parametrize("name", ["eventflow_stats_tests/test_x.py", "sql/queries/x.sql", "sql/README.md", "README.md"])
def test_a_retired_word_is_found_in_tests_sql_and_readmes(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, "one\nthe verdict\n")

    assert retired_words(tmp_path, exceptions=()) == [f"{name}:2: verdict -> result, rule: the verdict"]


def test_a_retired_word_is_found_in_the_name_of_a_file(tmp_path: Path) -> None:
    write(tmp_path, "sql/laid.txt", "")

    assert len(retired_words(tmp_path, exceptions=())) == 1


def test_an_exception_excuses_its_word_in_its_file_and_line_alone(tmp_path: Path) -> None:
    allowed = Allowed("eventflow_stats/*", ("scope",), "a reason", line="scope=")
    write(tmp_path, MODULE, "scope=1\nscope\nscope= told\n")
    write(tmp_path, "sql/x.sql", "scope=1\n")

    found = [line.split(": ")[0] for line in retired_words(tmp_path, exceptions=(allowed,))]
    assert found == [f"{MODULE}:2", f"{MODULE}:3", "sql/x.sql:1"]


def test_an_exception_that_excuses_nothing_is_found(tmp_path: Path) -> None:
    write(tmp_path, MODULE, "x = 1\n")

    (found,) = retired_words(tmp_path, exceptions=(Allowed("old.py", ("scope",), "a reason"),))
    assert "old.py" in found


def test_a_readme_of_one_line_too_many_is_found(tmp_path: Path) -> None:
    write(tmp_path, "README.md", "x\n" * README_LINES)
    assert long_readme(tmp_path) == []
    write(tmp_path, "README.md", "x\n" * (README_LINES + 1))
    assert len(long_readme(tmp_path)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "(missing.md, Operations)",
        "see a_page.md",
        "in /home/me/project",
        "distinct sessions (R44)",
        "as D18 says",
        "Promises 1 and 3",
        "issue 16",
    ],
)
def test_a_reference_to_a_page_outside_the_project_is_found(tmp_path: Path, text: str) -> None:
    write(tmp_path, "sql/x.sql", f"-- {text}\n-- see sql/README.md\n")

    assert outside_pages(tmp_path) == [f"sql/x.sql:1: -- {text}"]


@pytest.mark.parametrize("line", ['"""See missing.md."""', "x = 1  # missing.md"])
def test_a_page_outside_the_project_is_found_in_the_comments_of_tests(tmp_path: Path, line: str) -> None:
    name = "eventflow_stats_tests/test_x.py"
    write(tmp_path, name, f'{line}\nwrite("verify.md")\n')

    assert outside_pages(tmp_path) == [f"{name}:1: {line}"]


DEAD = {
    "[x](missing.md)": "no file missing.md",
    "[x](sql/README.md#no-such-heading)": "no heading #no-such-heading in sql/README.md",
    "[x](#no-such-heading)": "no heading #no-such-heading in README.md",
    "see `sql/queries/missing.sql`": "no file sql/queries/missing.sql",
    "see `missing_*.sql`": "no file missing_*.sql",
    "see `sql/missing/`": "no folder sql/missing/",
    "set `EVENTFLOW_START_DAET`": "no setting EVENTFLOW_START_DAET",
    "```sh\nexport EVENTFLOW_START_DAET=x\n```": "no setting EVENTFLOW_START_DAET",
    "`eventflow-stats prove`": "no command or option prove",
    "`eventflow-stats verify --scope 1`": "no command or option verify --scope",
    "```\neventflow-stats verify \\\n  --scope 1\n```": "no command or option verify --scope",
    "`python -m eventflow_stats_tests.missing`": "no module eventflow_stats_tests.missing",
    "`…benchmarks.missing`": "no module benchmarks.missing",
}
ALIVE = """
## A heading, with *signs*
[a](sql/README.md) [b](#a-heading-with-signs) [c](https://example.org/x.md) `sql/queries/there.sql` `there.sql`
`th*.sql` `sql/queries/`
`EVENTFLOW_START_DATE` `eventflow-stats verify --from DAY --to DAY` `…benchmarks.tick` `a/b` `x.csv`
`python -m eventflow_stats_tests.house_rules`
```
warn  no setting of this project: EVENTFLOW_START_DAET
```
"""


@pytest.mark.parametrize("text", DEAD)
def test_a_dead_reference_of_a_readme_is_found_with_its_line(tmp_path: Path, text: str) -> None:
    write(tmp_path, "sql/README.md", "# SQL\n")
    write(tmp_path, "README.md", f"first line\n{text}\n{ALIVE}")
    write(tmp_path, "sql/queries/there.sql", "")

    (found,) = dead_references(tmp_path)
    assert found.startswith("README.md:")
    assert found.endswith(DEAD[text])
    assert int(found.split(":")[1]) in (2, 3)


@pytest.mark.parametrize("text", ['"""Seals days (engine/missing.py)."""', "-- see sql/queries/missing.sql"])
def test_a_path_in_a_source_file_that_does_not_exist_is_found(tmp_path: Path, text: str) -> None:
    write(tmp_path, MODULE, f"# see sql/queries/there.sql\n{text}\n")
    write(tmp_path, "sql/queries/there.sql", "")

    (found,) = dead_references(tmp_path)
    assert found.startswith(f"{MODULE}:2: no file ")


def test_lines_are_counted_by_language(tmp_path: Path) -> None:
    write(tmp_path, MODULE, "x = 1\n" * 3)
    write(tmp_path, "sql/x.sql", "SELECT\n" * 2)

    assert package_lines(tmp_path) == {"Python": 3, "SQL": 2}
