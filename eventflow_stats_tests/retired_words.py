"""Words that the project does not use any more, the words to use, and the exceptions with their reasons."""

from dataclasses import dataclass
from fnmatch import fnmatch

RETIRED_WORDS = {
    "told|tells?|telling": "report, return, show",
    "prov(?:e|es|ed|en|ing)|proofs?|disprov\\w*": "verify, verified, wrong",
    "scopes?|scoped": "client-day",
    "(?:re)?dirt(?:y|ied)": "stale",
    "upkeep": "status, progress",
    "verdicts?|judg\\w*": "result, rule",
    "reconcil\\w*": "verify",
    "patien(?:ce|t|tly)": "retry, timeout",
    "repairers?": "repaired_by",
    "vanish\\w*": "disappear",
    "uncovered|missed_days|unfinished_days": "missing",
    "laid|lays?|laying": "create, make",
    "corrections?": "adjustment",
    "stands": "is, remains",
    "differing|disagree\\w*": "wrong, different",
    "heard": "receive, report",
}
"""A pattern for one whole word or name in lower case, without groups, and what to write instead."""


@dataclass(frozen=True)
class Allowed:
    """Files in which some retired words are right: ``path`` is a pattern, ``line`` a text that the line contains."""

    path: str
    words: tuple[str, ...]
    reason: str
    line: str = ""

    def excuses(self, path: str, line: str, word: str) -> bool:
        return word in self.words and self.line in line and fnmatch(path, self.path)


SCOPE = ("scope", "scopes")
EXCEPTIONS = (
    Allowed("eventflow_stats/api/*", SCOPE, "the ASGI name of a request's attributes"),
    Allowed("eventflow_stats/orchestration/ui_guard.py", SCOPE, "the ASGI name of a request's attributes"),
    Allowed("eventflow_stats_tests/*", SCOPE, "pytest's parameter of a fixture", line="scope="),
    Allowed("eventflow_stats/reports/templates/*", SCOPE, "HTML's attribute of a table header", line="scope="),
    Allowed("eventflow_stats_tests/*", ("scoped",), "a name of hypothesis", line="function_scoped_fixture"),
)
