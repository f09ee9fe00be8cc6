"""migrate, import, sample: the schema of the database, and facts in a local one."""

from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path

import click
from rich.progress import DownloadColumn, Progress

from eventflow_stats.cli.options import Day, file_type, json_option, print_json, progress_bar, to_people
from eventflow_stats.engine.postgres.database import Database, readable_url
from eventflow_stats.engine.postgres.migrations import applied_migration, drop_product_views, migrate, migration_names
from eventflow_stats.errors import InvalidInput
from eventflow_stats.local.import_facts import Imported, import_facts
from eventflow_stats.local.product_tables import create_product_tables
from eventflow_stats.local.sample import SampleSize, make_sample
from eventflow_stats.local.server import open_database
from eventflow_stats.settings import Settings, load_settings


def bring_up_to_date(database: Database, settings: Settings) -> list[str]:
    """Migrate. An empty embedded database first gets the product's tables."""
    if settings.database_url is None:
        create_product_tables(database)
    return migrate(database)


@click.command("migrate")
@click.option(
    "--with-product-tables",
    is_flag=True,
    help="First create EventFlow's own tables. Only in an empty database; the embedded one gets them by itself.",
)
@click.option(
    "--drop-views",
    is_flag=True,
    help="Only drop our views of the product's tables, so that a column can be changed; then run `eventflow-stats "
    "migrate` without it.",
)
@json_option
def migrate_command(with_product_tables: bool, drop_views: bool, as_json: bool) -> None:
    """Bring the database to this version's schema.

    It also restores views, functions, triggers, policies and indexes of ours that are missing or changed. It is safe
    to repeat, and safe on a live product database.
    """
    if with_product_tables and drop_views:
        raise InvalidInput("--with-product-tables and --drop-views do not go together; give one of them")
    settings = load_settings()
    with open_database(settings) as database:
        url = readable_url(database.url)
        if drop_views:
            dropped = drop_product_views(database)
            if as_json:
                print_json({"database": url, "dropped": dropped})
            else:
                click.echo(
                    f"{url}: dropped {', '.join(dropped) or 'nothing, there was no view'}; nothing is computed or "
                    "verified until `eventflow-stats migrate` creates them again"
                )
            return
        if with_product_tables:
            create_product_tables(database)
        done = bring_up_to_date(database, settings)
        names = migration_names()
        applied, repaired = [each for each in done if each in names], [each for each in done if each not in names]
        if as_json:
            print_json({"database": url, "applied": applied, "repaired": repaired})
            return
        if applied:
            click.echo(f"{url}: applied {', '.join(applied)}")
        for line in repaired:
            click.echo(f"{url}: {line}")
        if not done:
            click.echo(f"{url}: nothing to do, at {applied_migration(database)}")


@click.command("import")
@click.option("--visits", type=file_type, help="CSV with session_id, accessed_at, campaign.")
@click.option("--conversions", type=file_type, help="CSV with entry_id, created_at, campaign.")
@click.option("--client", default="Imported", show_default=True, help="Name of the client the campaigns belong to.")
@json_option
def import_command(visits: Path | None, conversions: Path | None, client: str, as_json: bool) -> None:
    """Import facts from CSV files, all lines or none. A second import of a file adds nothing.

    Both may have utm_source, utm_medium, utm_campaign, utm_term, utm_content and cid. Times are ISO 8601 with an
    offset. Campaigns that the client does not have are created. Only for a local database.
    """
    if visits is None and conversions is None:
        raise InvalidInput("nothing to import; give --visits FILE, --conversions FILE or both")
    settings = load_settings()
    with open_database(settings) as database:
        bring_up_to_date(database, settings)
        imported = import_with_progress(database, client, visits, conversions)
    if as_json:
        print_json({"client": client, **asdict(imported)})
    else:
        click.echo(import_message(imported))


def import_with_progress(database: Database, client: str, visits: Path | None, conversions: Path | None) -> Imported:
    """Import with a progress bar that counts bytes."""
    files = [file for file in (visits, conversions) if file is not None]
    with Progress(
        *Progress.get_default_columns(), DownloadColumn(), console=to_people,
        disable=not to_people.is_terminal, transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task("Importing", total=sum(file.stat().st_size for file in files))
        return import_facts(database, client, visits, conversions, lambda _file, read: bar.advance(task, read))


def import_message(imported: Imported) -> str:
    """How many rows were read and how many of them are new."""
    return (
        f"{imported.visits_read:,} visits read, {imported.visits_added:,} added; "
        f"{imported.conversions_read:,} conversions read, {imported.conversions_added:,} added"
    )


@click.command("sample")
@click.option(
    "--visits", type=int, default=100_000, show_default=True, help="Rows of visits; there are 4 % as many entries."
)
@click.option("--clients", type=int, default=20, show_default=True)
@click.option("--days", type=int, default=30, show_default=True)
@click.option("--until", type=Day(), default=None, help="Last day; default today (UTC).")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed makes the same facts.")
@json_option
def sample_command(visits: int, clients: int, days: int, until: date | None, seed: int, as_json: bool) -> None:
    """Make up facts of many clients in a local database.

    They contain no personal data.
    """
    settings = load_settings()
    size = SampleSize(visits, clients, days, until or datetime.now(UTC).date(), seed)
    with open_database(settings) as database, progress_bar() as bar:
        bring_up_to_date(database, settings)
        task = bar.add_task("Writing facts", total=visits)
        made = make_sample(database, size, lambda rows: bar.advance(task, rows))
    if as_json:
        print_json(asdict(made))
    else:
        click.echo(
            f"{made.visits:,} visits and {made.conversions:,} conversions of {made.clients} clients, "
            f"{made.first_day} to {made.last_day}; now `eventflow-stats backfill --from {made.first_day} "
            f"--to {made.last_day}`"
        )
