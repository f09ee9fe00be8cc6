"""The rules of the house, as checks on the project's files.

``python -m eventflow_stats_tests.house_rules`` prints what breaks a rule, and how many lines the package has.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp

from eventflow_stats_tests.readme_references import OF_THE_READER, dead_references
from eventflow_stats_tests.retired_words import EXCEPTIONS, RETIRED_WORDS, Allowed

ROOT = Path(__file__).parents[1]
PACKAGE = "eventflow_stats"
MODULE_LINES = 250
README_LINES = 150
DAGSTER_INTERNALS = f"{PACKAGE}/orchestration/dagster_internals.py"
FOLDERS = (PACKAGE, f"{PACKAGE}_tests", "sql")
TEXT_FILES = (".py", ".sql", ".md", ".html", ".css", ".txt")
THE_LISTS = ("house_rules.py", "retired_words.py", "readme_references.py", "test_house_rules.py")
"""These files name what is retired or outside the project. They are not searched for it."""
_PAGE = rf"(?<![\w-])(?!README|{'|'.join(map(re.escape, OF_THE_READER))})[\w-]+\.md\b"
OUTSIDE_PAGE = re.compile(_PAGE)
"""Every page of the project is a README.md."""
OUTSIDE_PAGE_IN_TESTS = re.compile(rf'(?:#|""").*{_PAGE}')
"""In comments and the first lines of docstrings. The code of tests writes pages of its own, such as reports."""
OUTSIDE_NUMBER = re.compile(r"\b[RD]\d{1,3}\b|\b[Pp]romises? \d|\bissue \d|(?<![\w.])/(?:home|root|Users)/")
PRIVATE_DAGSTER = re.compile(r"^\s*(?:from|import)\s+dagster\w*(?:\.\w+)*\._\w|^\s*from dagster\w* import .*\b_\w")


def text_files(root: Path, *folders: str) -> Iterator[Path]:
    """The text files below these folders, and the README beside them."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in TEXT_FILES and "__pycache__" not in path.parts:
                yield path
    if (root / "README.md").exists():
        yield root / "README.md"


def line_count(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def long_modules(root: Path) -> list[str]:
    """Modules of the package with more than ``MODULE_LINES`` lines."""
    counts = {path: line_count(path) for path in text_files(root, PACKAGE) if path.suffix == ".py"}
    return [f"{path.relative_to(root)}: {lines} lines" for path, lines in counts.items() if lines > MODULE_LINES]


def import_circles(package: str) -> list[str]:
    """One circle of modules that import each other, or an empty list."""
    graph = grimp.build_graph(package, cache_dir=None)
    try:
        TopologicalSorter({name: graph.find_modules_directly_imported_by(name) for name in graph.modules}).prepare()
    except CycleError as error:
        return [" -> ".join(reversed(error.args[1]))]
    return []


def private_dagster_imports(root: Path) -> list[str]:
    """Lines of the package that import a private module or name of Dagster outside ``DAGSTER_INTERNALS``."""
    files = [path for path in text_files(root, PACKAGE) if path.suffix == ".py" and path != root / DAGSTER_INTERNALS]
    return lines_with(root, files, PRIVATE_DAGSTER)


def outside_pages(root: Path) -> list[str]:
    """Lines that refer to a page or a number outside the project, or to a folder of one machine."""
    files = [path for path in text_files(root, *FOLDERS) if path.name not in THE_LISTS]
    tests = [path for path in files if path.is_relative_to(root / f"{PACKAGE}_tests") and path.suffix == ".py"]
    return [
        *lines_with(root, [path for path in files if path not in tests], OUTSIDE_PAGE),
        *lines_with(root, tests, OUTSIDE_PAGE_IN_TESTS),
        *lines_with(root, files, OUTSIDE_NUMBER),
    ]


def lines_with(root: Path, files: Sequence[Path], pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path.relative_to(root)}:{number}: {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]


def words_of(line: str) -> list[str]:
    """The words of a line in lower case, those inside of names too, and the names in snake case."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", line) + re.findall(r"\w+_\w+", line)]


def retired_words(
    root: Path, retired: Mapping[str, str] = RETIRED_WORDS, exceptions: Sequence[Allowed] = EXCEPTIONS
) -> list[str]:
    """Lines and file names with a retired word, and exceptions that excuse nothing."""
    pattern = re.compile("|".join(f"({form})" for form in retired))
    replacements = list(retired.values())
    found, used = [], set()
    for path in text_files(root, *FOLDERS):
        if path.name in THE_LISTS:
            continue
        name = str(path.relative_to(root))
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate([name, *lines]):
            for word in dict.fromkeys(words_of(line)):
                match = pattern.fullmatch(word)
                if not match:
                    continue
                allowed = next((each for each in exceptions if each.excuses(name, line, word)), None)
                if allowed is not None:
                    used.add(allowed)
                    continue
                instead = replacements[(match.lastindex or 1) - 1]
                found.append(f"{name}:{number}: {word} -> {instead}: {line.strip()}")
    unused = [each for each in exceptions if each not in used]
    return found + [f"retired_words.py: the exception for {each.path} excuses nothing" for each in unused]


def long_readme(root: Path) -> list[str]:
    """The top README, when it has more than ``README_LINES`` lines."""
    lines = line_count(root / "README.md")
    return [f"README.md: {lines} lines"] if lines > README_LINES else []


def package_lines(root: Path) -> dict[str, int]:
    """Lines of the package's Python, and of the SQL files."""
    python = sum(line_count(path) for path in (root / PACKAGE).rglob("*.py"))
    return {"Python": python, "SQL": sum(line_count(path) for path in (root / "sql").rglob("*.sql"))}


@dataclass(frozen=True)
class Rule:
    """``broken_by`` returns one line for each place where the rule is broken."""

    name: str
    broken_by: Callable[[Path], list[str]]


RULES = (
    Rule(f"modules over {MODULE_LINES} lines", long_modules),
    Rule("import circles", lambda _root: import_circles(PACKAGE)),
    Rule(f"private modules of Dagster outside {DAGSTER_INTERNALS}", private_dagster_imports),
    Rule("retired words", retired_words),
    Rule(f"top README over {README_LINES} lines", long_readme),
    Rule("dead references in READMEs and docstrings", dead_references),
    Rule("references to pages outside the project", outside_pages),
)


def main() -> int:
    """Print what breaks each rule; returns 1 if anything does. Arguments are patterns of files to show."""
    broken = 0
    for rule in RULES:
        found = rule.broken_by(ROOT)
        broken += len(found)
        shown = [line for line in found if not sys.argv[1:] or any(fnmatch(line, f"{each}*") for each in sys.argv[1:])]
        print(f"{rule.name}: {len(found) or 'none'}", *shown, sep="\n  ")
    for language, lines in package_lines(ROOT).items():
        print(f"lines of {language}: {lines:,}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
