"""explain: shows how the number of one group was counted."""

from dataclasses import asdict
from datetime import date
from typing import Any

import click

from eventflow_stats.cli.explain_format import format_day, format_explanation, format_group_key, format_groups
from eventflow_stats.cli.options import Day, campaign_id, json_option, print_json
from eventflow_stats.engine.adjustments import adjustments_of_days
from eventflow_stats.engine.assumptions.day_windows import today
from eventflow_stats.engine.explain import AskedGroup, explain, parse_dimension, quote_dimension
from eventflow_stats.engine.rollup.clients import find_clients
from eventflow_stats.errors import FAILED, InvalidInput
from eventflow_stats.formatting import escape_unprintable, quote_for_shell
from eventflow_stats.local.server import open_database
from eventflow_stats.settings import load_settings

OPTIONS = {
    "campaign": ("--campaign", "campaign_id"),
    "link": ("--link", "link_id"),
    "source": ("--source", "utm_source"),
    "medium": ("--medium", "utm_medium"),
    "utm_campaign": ("--utm-campaign", "utm_campaign"),
}
"""The fields of AskedGroup: option, and name in an answer."""
NEAREST_NAMED = 3


@click.command("explain")
@click.option("--client", required=True, metavar="ID|SLUG|NAME", help="The client.")
@click.option("--day", required=True, type=Day(), help="The day, in the bucket time zone.")
@click.option("--campaign", metavar="ID|none", help="Of this campaign.")
@click.option("--link", metavar="ID|NAME|none", help="Of this link.")
@click.option("--source", metavar="VALUE|none", help="With this utm_source.")
@click.option("--medium", metavar="VALUE|none", help="With this utm_medium.")
@click.option("--utm-campaign", metavar="VALUE|none", help="With this utm_campaign.")
@json_option
def explain_command(client: str, day: date, as_json: bool, **asked: str | None) -> int:
    """Show how the number of one group was counted. Without a group, list the groups of the day.

    A dimension that is left out means any; none (or __null__) means that it is absent. A value in double quotes is
    taken literally: '"none"' is a source called none. Nothing is changed, and no personal data is shown.

    Exit code 1 if the rollup does not equal the facts in a group that was asked for.
    """
    group = AskedGroup(**asked)
    for name, value in asdict(group).items():
        if value is not None and (not value or "\x00" in value):
            raise InvalidInput(
                f"{OPTIONS[name][0]} is {value!r}; leave it out for any value, give none for the absent one"
            )
    campaign_id(parse_dimension(group.campaign))
    settings = load_settings()
    with open_database(settings) as database:
        (client_id,) = find_clients(database, [client]) or []
        answer = explain(database, client_id, day, group)
        adjustments = adjustments_of_days(database, day, day, [client_id]).get(day)
    if not answer["matching"] and group != AskedGroup():
        raise InvalidInput(_nothing(client, day, group, answer["nearest"]))
    if as_json:
        print_json(answer)
    else:
        message = format_explanation(answer) if answer["explanation"] else format_groups(answer, options_of)
        for line in [*format_day(answer, settings.start_date, today(settings), adjustments), *message]:
            click.echo(line)
    return FAILED if answer["matching_that_differ"] else 0


def options_of(group: dict[str, Any]) -> str:
    """The options that select exactly this group, quoted for a shell."""
    return " ".join(f"{option} {quote_for_shell(quote_dimension(group[name]))}" for option, name in OPTIONS.values())


def _nothing(client: str, day: date, asked: AskedGroup, nearest: list[dict[str, Any]]) -> str:
    named = ((OPTIONS[name][0], value) for name, value in asdict(asked).items() if value is not None)
    given, client = (
        escape_unprintable(" ".join(f"{option} {value}" for option, value in named)),
        escape_unprintable(client),
    )
    if not nearest:
        return f"{client} has no group on {day}"
    message = ", or ".join(format_group_key(group) for group in nearest[:NEAREST_NAMED])
    return f"{client} has no group on {day} with {given}; nearest: {message}; leave out an option to list more"
