"""The help texts of the commands."""

import click
import pytest

from eventflow_stats.cli.main import cli
from eventflow_stats_tests.cli.conftest import Call


@pytest.mark.parametrize("name", cli.commands)
def test_the_help_of_every_command_says_what_it_does_and_names_its_options(call: Call, name: str) -> None:
    code, out, err = call(name, "--help")
    assert (code, err) == (0, "")
    command = cli.commands[name]
    assert out.startswith(f"Usage: eventflow-stats {name} [OPTIONS]")
    assert (command.help or "").splitlines()[0] in " ".join(out.split())
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            assert str(parameter.metavar or parameter.name).upper() in out.splitlines()[0]
            continue
        for spelled in parameter.opts:
            assert spelled in out
    assert max(len(line) for line in out.splitlines()) <= 110


def test_the_help_names_every_command_and_every_exit_code(call: Call) -> None:
    code, out, _ = call("--help")
    assert code == 0
    for name in cli.commands:
        assert f"\n  {name} " in out
    assert "Exit codes: 0 done and right, 1 something is wrong, 2 wrong usage, 3 refused" in " ".join(out.split())


def test_the_bare_command_shows_the_help_as_wrong_usage(call: Call) -> None:
    code, out, err = call()
    assert code == 2
    assert "Start with `eventflow-stats demo`" in " ".join((out + err).split())


def test_the_version_is_the_package_s(call: Call) -> None:
    from eventflow_stats import __version__

    assert call("--version")[:2] == (0, f"eventflow-stats, version {__version__}\n")
