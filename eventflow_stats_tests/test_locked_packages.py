"""The packages: version bounds that exclude faults and new major versions, and exact versions with hashes."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUIRED = [Requirement(text) for text in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]]
LOCKED = (ROOT / ".ci" / "locked.txt").read_text(encoding="utf-8")


def test_every_requirement_has_a_lower_and_an_upper_bound() -> None:
    for each in REQUIRED:
        operators = {bound.operator for bound in each.specifier}
        assert operators == {"=="} or operators >= {">=", "<"}, str(each)


def test_no_version_of_pyjwt_with_known_faults_is_allowed() -> None:
    (pyjwt,) = (each for each in REQUIRED if each.name == "pyjwt")
    assert not [version for version in ("2.10.1", "2.11.0", "2.12.1") if pyjwt.specifier.contains(version)]
    assert pyjwt.specifier.contains("2.13.0")


def test_the_locked_versions_are_those_that_are_required_and_each_has_its_hashes() -> None:
    lines = "\n".join(line for line in LOCKED.splitlines() if not line.lstrip().startswith("#"))
    versions: dict[str, list[str]] = {}
    for entry in re.split(r"\n(?=[a-z0-9])", lines):
        first, *hashes = entry.splitlines()
        named = re.match(r"([a-z0-9._-]+)(?:\[[^]]*\])?==([^ ;]+)", first)
        assert named, first
        assert hashes, first
        assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in hashes), first
        versions.setdefault(canonicalize_name(named[1]), []).append(named[2])
    for each in REQUIRED:
        found = versions.get(canonicalize_name(each.name))
        assert found, f"{each.name}: renew .ci/locked.txt"
        assert all(each.specifier.contains(version) for version in found), f"{each}: renew .ci/locked.txt"


def test_the_locked_versions_name_no_registry() -> None:
    assert "://" not in LOCKED
    assert "--index" not in LOCKED.replace("--no-emit-index-url", "")
