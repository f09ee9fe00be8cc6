"""The `eventflow-stats` command: one line for every expected failure, and an exit code for its kind.

0: done, and right. 1: done, and something is wrong. 2: wrong usage. 3: refused, nothing changed.
"""

import sys
from collections.abc import Sequence
from contextlib import nullcontext

import click
from psycopg import Error as DriverError
from sqlalchemy.exc import SQLAlchemyError

from eventflow_stats import __version__
from eventflow_stats.cli.adjustments import (
    adjust_command,
    adjustments_command,
    import_adjustments_command,
    revert_adjustment_command,
)
from eventflow_stats.cli.database_commands import import_command, migrate_command, sample_command
from eventflow_stats.cli.day_commands import accept_deletion_command, backfill_command, seal_command
from eventflow_stats.cli.demo import demo_command
from eventflow_stats.cli.doctor import doctor_command
from eventflow_stats.cli.explain import explain_command
from eventflow_stats.cli.status import status_command
from eventflow_stats.cli.token import token_command
from eventflow_stats.cli.up import up_command
from eventflow_stats.cli.verify import verify_command
from eventflow_stats.engine.alerts.delivery import alerts_on_stderr
from eventflow_stats.errors import FAILED, INTERRUPTED, EventflowError, InvalidInput
from eventflow_stats.formatting import escape_unprintable
from eventflow_stats.redaction import without_secrets


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="eventflow-stats")
def cli() -> None:
    """Exact daily marketing statistics on PostgreSQL, verified against the facts.

    Start with `eventflow-stats demo`, then `eventflow-stats up`. Settings are environment variables
    (EVENTFLOW_DATABASE_URL and others, see eventflow_stats/cli/README.md). Without settings everything runs on an
    embedded PostgreSQL below .eventflow/.

    Exit codes: 0 done and right, 1 something is wrong, 2 wrong usage, 3 refused.
    """


for command in (
    up_command,
    demo_command,
    migrate_command,
    import_command,
    sample_command,
    backfill_command,
    verify_command,
    seal_command,
    accept_deletion_command,
    explain_command,
    status_command,
    doctor_command,
    adjust_command,
    adjustments_command,
    revert_adjustment_command,
    import_adjustments_command,
    token_command,
):
    cli.add_command(command)


def _require_text(words: Sequence[str]) -> None:
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise InvalidInput(f"{word!a} is not UTF-8; write it in UTF-8") from None


def _print(line: str) -> None:
    """Print one line on stderr, without the passwords and control characters that an error may quote."""
    message = "\n".join(map(escape_unprintable, without_secrets(line).split("\n")))
    click.echo(f"eventflow-stats: {message}", err=True)


def main() -> None:
    """Run the command line. An expected error prints one line and no stack trace."""
    try:
        _require_text(sys.argv[1:])
        # The alerts of `up` go to stdout, like those of its processes.
        with nullcontext() if sys.argv[1:2] == ["up"] else alerts_on_stderr():
            code = cli(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        hint = f"; see `{context.command_path} --help`" if context else ""
        _print(f"{error.format_message().rstrip('.')}{hint}")
        sys.exit(error.exit_code)
    except EventflowError as error:
        _print(str(error))
        sys.exit(error.exit_code)
    except (SQLAlchemyError, DriverError) as error:
        line = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        _print(f"the database answered: {line}")
        sys.exit(FAILED)
    except (click.Abort, KeyboardInterrupt):
        click.echo("eventflow-stats: interrupted; finished work is saved, run the command again to continue", err=True)
        sys.exit(INTERRUPTED)
