"""Options and output that several commands share."""

import getpass
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from eventflow_stats.engine.assumptions.day_windows import today
from eventflow_stats.errors import InvalidInput
from eventflow_stats.formatting import format_json
from eventflow_stats.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])

to_people = Console(stderr=True, highlight=False)
"""Progress and remarks go to stderr; stdout has only the answer."""


class Day(click.ParamType[date]):
    """A calendar day, YYYY-MM-DD."""

    name = "YYYY-MM-DD"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return datetime.strptime(str(value), "%Y-%m-%d").replace(tzinfo=UTC).date()
        except ValueError:
            self.fail(f"{value!r} is not a date; it should be YYYY-MM-DD, such as 2026-02-28", param, ctx)


def day_range(required: bool) -> Callable[[Command], Command]:
    """Add ``--from`` and ``--to``, both days included."""

    def decorate(command: Command) -> Command:
        for name, target, text in (
            ("--to", "last_day", "Last day, included."),
            ("--from", "first_day", "First day, in the bucket time zone."),
        ):
            command = click.option(name, target, type=Day(), required=required, help=text)(command)
        return command

    return decorate


def check_days(first_day: date, last_day: date, settings: Settings) -> None:
    """Refuse a range that ends before it begins, or that has days without a partition.

    Raises:
        InvalidInput: the message names the day or days.
    """
    if first_day > last_day:
        raise InvalidInput(f"--from {first_day} is after --to {last_day}; swap them")
    for day in (first_day, last_day):
        if not settings.start_date <= day <= today(settings):
            raise InvalidInput(
                f"{day} has no partition; days go from {settings.start_date} (setting EVENTFLOW_START_DATE) to today"
            )


client_option = click.option(
    "--client",
    "clients",
    multiple=True,
    metavar="ID|SLUG|NAME",
    help="Only this client; may be given several times.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object for a program to read.")
file_type = click.Path(path_type=Path, exists=True, dir_okay=False, readable=True)


def progress_bar() -> Progress:
    """A progress bar with count and remaining time on stderr; nothing if stderr is not a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=to_people,
        disable=not to_people.is_terminal,
        transient=True,
    )


def operator() -> str:
    """The caller for the ledger: the name of the user of this machine, if it is known."""
    try:
        return f"{getpass.getuser()} at the command line"
    except (KeyError, OSError):
        return "an unknown user at the command line"


def print_json(answer: dict[str, Any]) -> None:
    """Print one JSON object on stdout; dates and instants in ISO 8601, durations in seconds."""
    click.echo(format_json(answer, _plain))


def print_lines(lines: Iterable[str]) -> None:
    """Print lines on stdout."""
    for line in lines:
        click.echo(line)


def _plain(value: object) -> str | float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value.isoformat() if isinstance(value, date) else str(value)


def campaign_id(value: str | None) -> UUID | None:
    """The id of option --campaign; None for none.

    Raises:
        InvalidInput: it is not an id.
    """
    try:
        return None if value is None else UUID(value)
    except ValueError:
        raise InvalidInput(f"--campaign is {value!r}; it should be a campaign's id, or none") from None
