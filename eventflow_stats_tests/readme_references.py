"""Finds references in READMEs, docstrings and comments that lead nowhere: links, files, settings, commands, modules."""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from eventflow_stats.cli.main import cli
from eventflow_stats.settings import Settings

FOLDERS = ("eventflow_stats", "eventflow_stats_tests", "sql", ".ci")
LINK = re.compile(r"\]\(([^)\s]+)\)")
INLINE_CODE = re.compile(r"(`+)(.+?)\1", re.DOTALL)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"(?<![\w./<>*…-])[\w./*-]*[\w*]\.(?:py|sql|md|yaml|toml)(?![\w*-])")
FOLDER = re.compile(r"[\w.-]+(?:/[\w.-]+)*/")
SETTING = re.compile(r"\bEVENTFLOW_[A-Z_]*[A-Z]\b")
COMMAND = re.compile(r"\beventflow-stats ([a-z][a-z-]+)([^\n`|]*)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
MODULE = re.compile(r"(?:python -m |…)((?:\w+\.)+\w+)")
PATH_IN_SOURCE = re.compile(r"(?<![\w./{}*-])[a-z_]+(?:/[a-z_0-9]+)+\.(?:py|sql|md)\b")
OF_THE_READER = ("report.md", "verification.md")
"""Files in examples that the reader makes."""
PLACEHOLDER = ".NAME"
OF_THE_TESTS = ("EVENTFLOW_SCREENSHOTS",)
"""Settings that only tests read."""


def dead_references(root: Path) -> list[str]:
    """One line for each reference that leads nowhere."""
    files = [path.relative_to(root).as_posix() for path in root.glob("*") if path.is_file()]
    files += FOLDERS
    files += [path.relative_to(root).as_posix() for folder in FOLDERS for path in (root / folder).rglob("*")]
    files = [path for path in files if "__pycache__" not in path]
    found = []
    for readme in [path for path in files if path.endswith("README.md")]:
        text = (root / readme).read_text(encoding="utf-8")
        dead = [*dead_links(root, readme, text), *dead_names(files, text)]
        found += [f"{readme}:{line}: {what}" for line, what in sorted(dead)]
    return found + list(dead_paths_in_source(root, files))


def line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def anchors(text: str) -> set[str]:
    """The anchors of a Markdown file's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(root: Path, readme: str, text: str) -> Iterator[tuple[int, str]]:
    """Relative links to a file or heading that does not exist."""
    for match in LINK.finditer(FENCE.sub(lambda fence: "\n" * fence[0].count("\n"), text)):
        target, _, anchor = match[1].partition("#")
        if ":" in target:
            continue
        path = (root / readme).parent / target if target else root / readme
        if not path.exists():
            yield line_of(text, match.start()), f"no file {target}"
        elif anchor and path.suffix == ".md" and anchor not in anchors(path.read_text(encoding="utf-8")):
            yield line_of(text, match.start()), f"no heading #{anchor} in {target or readme}"


def code_of(text: str) -> Iterator[tuple[int, str, str]]:
    """The position, language and content of code: fences with their language, spans as ``inline``."""
    for fence in FENCE.finditer(text):
        yield fence.start(2), fence[1] or "output", fence[2]
    without_fences = FENCE.sub(lambda fence: " " * len(fence[0]), text)
    for span in INLINE_CODE.finditer(without_fences):
        yield span.start(2), "inline", span[2]


def dead_names(files: list[str], text: str) -> Iterator[tuple[int, str]]:
    """Files, settings, commands, options and modules in code that do not exist."""
    settings = {f"EVENTFLOW_{name.upper()}" for name in Settings.model_fields} | {*OF_THE_TESTS}
    for start, language, code in code_of(text):
        joined = re.sub(r"\\\n\s*", " ", code)
        names = [f"no command or option {each}" for each in dead_commands(joined)]
        names += [f"no module {each}" for each in MODULE.findall(joined) if not module_exists(each)]
        if language in ("inline", "sh"):
            names += [f"no setting {each}" for each in SETTING.findall(code) if each not in settings]
        if language == "inline":
            names += [f"no file {each}" for each in FILE.findall(code) if not is_there(each, files)]
            names += [f"no folder {code}"] if FOLDER.fullmatch(code) and not is_there(code.rstrip("/"), files) else []
        for name in names:
            yield line_of(text, start), name


def is_there(name: str, files: list[str]) -> bool:
    """Whether some file's path ends with this one; ``*`` stands for a part of a name."""
    if name in OF_THE_READER or name.startswith((".eventflow", "postgres/")):
        return True
    ending = re.compile(r"(?:.*/)?" + re.escape(name.removeprefix("../")).replace(r"\*", "[^/]*"))
    return any(ending.fullmatch(path) for path in files)


def dead_commands(code: str) -> Iterator[str]:
    for match in COMMAND.finditer(code):
        command = cli.commands.get(match[1])
        if command is None:
            yield match[1]
        else:
            known = options_of(command)
            yield from (f"{match[1]} {option}" for option in OPTION.findall(match[2]) if option not in known)


def options_of(command: click.Command) -> set[str]:
    parameters: list[Any] = command.params
    return {name for each in parameters for name in (*each.opts, *each.secondary_opts)} | {"--help"}


def module_exists(name: str) -> bool:
    full = f"eventflow_stats_tests.{name}" if name.startswith("benchmarks.") else name
    if not full.startswith("eventflow_stats") or full.endswith(PLACEHOLDER):
        return True
    try:
        return find_spec(full) is not None
    except ModuleNotFoundError:
        return False


def dead_paths_in_source(root: Path, files: list[str]) -> Iterator[str]:
    """Paths of project files in Python and SQL that do not exist."""
    for name in files:
        if not name.endswith((".py", ".sql")) or name.endswith(("house_rules.py", "readme_references.py")):
            continue
        text = (root / name).read_text(encoding="utf-8")
        for match in PATH_IN_SOURCE.finditer(text):
            if not is_there(match[0], files):
                yield f"{name}:{line_of(text, match.start())}: no file {match[0]}"
