"""token: a development token for the read API of a local database."""

from datetime import timedelta

import click

from eventflow_stats.cli.database_commands import bring_up_to_date
from eventflow_stats.cli.options import json_option, print_json, to_people
from eventflow_stats.engine.rollup.clients import find_clients
from eventflow_stats.formatting import escape_unprintable, format_count
from eventflow_stats.local.server import open_database
from eventflow_stats.local.tokens import development_token
from eventflow_stats.settings import load_settings


@click.command("token")
@click.option("--client", required=True, metavar="ID|SLUG|NAME", help="A client that the token may read.")
@click.option(
    "--minutes",
    type=click.IntRange(1, 60 * 24 * 30),
    default=60,
    show_default=True,
    help="How long the token is valid.",
)
@json_option
def token_command(client: str, minutes: int, as_json: bool) -> None:
    """Print a token for the read API of a local database.

    The token reads the numbers of the client, and of every client that an earlier token was made for.

    stdout has only the token. stderr shows the client and an example of a request.
    """
    settings = load_settings()
    with open_database(settings) as database:
        bring_up_to_date(database, settings)
        for found in find_clients(database, [client]) or ():
            token = development_token(database, found, timedelta(minutes=minutes))
            if as_json:
                print_json({"client_id": found, "token": token, "minutes": minutes})
                continue
            click.echo(token)
            to_people.print(
                f"reads client {escape_unprintable(client)}, valid for {format_count(minutes, 'minute')}; for example "
                f"http://{settings.api_host}:{settings.api_port}/api/clients/{found}/campaigns/summary",
                soft_wrap=True,
            )
