"""Falsifies one row of a million, deletes one and invents one, and follows them until they are repaired and reported.

Run with ``python -m eventflow_stats_tests.benchmarks.planted_errors``. It fails unless a verification finds exactly
these three with their keys and numbers, the repair changes exactly these, and no other row is written again.
"""

import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import psycopg

from eventflow_stats.engine.explain import AskedGroup, explain, quote_dimension
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.rollup.refresh import refresh
from eventflow_stats.engine.status.due_work import wrong_client_days
from eventflow_stats.engine.verification.discrepancies import format_columns, format_key
from eventflow_stats.engine.verification.verify import GroupDifference, VerifiedDay, verify
from eventflow_stats.errors import EventflowError
from eventflow_stats.formatting import format_count
from eventflow_stats.reports.files import ReportFiles
from eventflow_stats.reports.verified_days import Verified
from eventflow_stats_tests.benchmarks.facts import Shape, fill_days
from eventflow_stats_tests.benchmarks.fresh_database import fresh_database
from eventflow_stats_tests.benchmarks.side_by_side import CONSOLE, plain_table
from eventflow_stats_tests.facts import connect

LAST = date(2026, 3, 2)
REPAIRED_BY = "repair of the benchmark"
_KEY = "client_id, bucket_date, campaign_id, marketing_campaign_link_id, utm_source, utm_medium, utm_campaign"
_DRAW = (
    f"SELECT {_KEY}, visits, conversions, id FROM public.marketing_stats_daily ORDER BY uuid_hash_extended(id, %s), id"
)
# The hash contains the place and the version of each row. Equal sums mean that no row was written again.
_OTHER_ROWS = (
    "SELECT count(*), bit_xor(h), sum(h) FROM (SELECT hashtextextended(concat_ws(' ', m.ctid, m.xmin, m), 0) AS h "
    "FROM public.marketing_stats_daily AS m WHERE m.id <> ALL (%s)) AS hashed"
)
_INVENT = (
    f"INSERT INTO public.marketing_stats_daily (id, {_KEY}, visits, conversions) "
    f"VALUES (eventflow_stats.group_id(%s, %s, %s, %s, %s, %s, %s), %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id"
)
Numbers = tuple[int, int] | None


@dataclass(frozen=True)
class Planted:
    """A group that the benchmark made wrong: its key, and the numbers of its row and of its facts; None without any."""

    what: str
    key: tuple[Any, ...]
    stored: Numbers
    true: Numbers
    id: UUID


def plant(connection: "psycopg.Connection[Any]", seed: int) -> list[Planted]:
    """Falsify a number of one row, delete another and invent a third, all drawn by the seed."""
    drawn = connection.execute(f"{_DRAW} LIMIT 3".encode(), [seed]).fetchall()
    lot = random.Random(seed)
    *key, visits, conversions, id_ = drawn[0]
    stored = (visits + lot.randint(1, 9), conversions)
    falsified = Planted("falsified", tuple(key), stored, (visits, conversions), id_)
    connection.execute("UPDATE public.marketing_stats_daily SET visits = %s WHERE id = %s", [stored[0], id_])
    *key, visits, conversions, id_ = drawn[1]
    deleted = Planted("deleted", tuple(key), None, (visits, conversions), id_)
    connection.execute("DELETE FROM public.marketing_stats_daily WHERE id = %s", [id_])
    # A client-day that has facts, with a UTM source that none of them has.
    invented_key = (*drawn[2][:4], f"invented {seed}", *drawn[2][5:7])
    numbers = (lot.randint(1, 9), lot.randint(0, 3))
    ((id_,),) = connection.execute(_INVENT.encode(), [*invented_key, *invented_key, *numbers]).fetchall()
    return [falsified, deleted, Planted("invented", invented_key, numbers, None, id_)]


def require(holds: bool, broken: str) -> None:
    """Raise EventflowError with the text ``broken`` unless the condition holds."""
    if not holds:
        raise EventflowError(broken)


def found_as(day: date, group: GroupDifference) -> tuple[tuple[Any, ...], Numbers, Numbers]:
    """Return key, stored and true numbers of a group that a verification found, in the form of ``Planted``."""
    key = (group.client_id, day, group.campaign_id, group.link_id)
    return (*key, group.utm_source, group.utm_medium, group.utm_campaign), *_sides(
        group.stored_visits, group.stored_conversions, group.true_visits, group.true_conversions
    )


def _sides(*numbers: int | None) -> tuple[Numbers, Numbers]:
    stored_visits, stored_conversions, true_visits, true_conversions = numbers
    stored = None if stored_visits is None or stored_conversions is None else (stored_visits, stored_conversions)
    true = None if true_visits is None or true_conversions is None else (true_visits, true_conversions)
    return stored, true


def require_named(
    verified: Sequence[VerifiedDay], planted: Sequence[Planted]
) -> dict[str, tuple[date, GroupDifference]]:
    """Require that the verification found exactly the planted groups; returns what it found, by ``what``."""
    named = {found_as(day.day, group): (day.day, group) for day in verified for group in day.differences}
    expected = {(each.key, each.stored, each.true): each.what for each in planted}
    require(named.keys() == expected.keys(), f"planted {list(expected)}, found {list(named)}")
    require(sum(day.wrong_groups for day in verified) == len(planted), "the count of wrong groups is another one")
    require({group.result for _, group in named.values()} == {"wrong"}, "a planted group was not found wrong")
    return {expected[found]: message for found, message in named.items()}


def require_records(
    database: Database, report: str, named: dict[str, tuple[date, GroupDifference]], planted: Sequence[Planted]
) -> dict[str, tuple[datetime, datetime]]:
    """Require that ledger, report and explain show the numbers of each group, when it was found and when and by what it
    was repaired; returns the two times by ``what``."""
    with connect(database) as connection:
        ledger = {
            row[:7]: (_sides(*row[7:11]), *row[11:])
            for row in connection.execute(
                f"SELECT {_KEY}, stored_visits, stored_conversions, true_visits, true_conversions, "
                "found_at, repaired_at, repaired_by FROM eventflow_stats.discrepancies".encode()
            )
        }
    require(len(ledger) == len(planted), f"the ledger holds {len(ledger)} findings")
    times = {}
    for each in planted:
        sides, found_at, repaired_at, repaired_by = ledger[each.key]
        require(sides == (each.stored, each.true), f"the ledger says {sides} of the {each.what} row")
        require(
            found_at < repaired_at and repaired_by == REPAIRED_BY, f"the {each.what} row was repaired by {repaired_by}"
        )
        times[each.what] = found_at.astimezone(UTC), repaired_at.astimezone(UTC)
        message = format_columns(*named[each.what])
        instants = [f"{at:%Y-%m-%d %H:%M} UTC" for at in times[each.what]]
        cells = [message["day"], format_key(named[each.what][1]), message["stored"], message["true"], instants[0]]
        lines = [line for line in report.splitlines() if all(cell in line for cell in cells)]
        require(len(lines) == 1 and f"{instants[1]}: {REPAIRED_BY}" in lines[0], f"the report has {lines} with {cells}")
        require_explained(database, each, times[each.what])
    return times


def require_explained(database: Database, planted: Planted, times: tuple[datetime, datetime]) -> None:
    """Require that explain shows that the group is right now, and that it was wrong before."""
    client, day, *dimensions = planted.key
    asked = AskedGroup(*(quote_dimension(None if value is None else str(value)) for value in dimensions))
    message = explain(database, client, day, asked)["explanation"]
    require(message is not None and message["agrees"], f"explain does not find the {planted.what} group right")
    (found,) = message["discrepancies"]
    numbers = (found[f"{side}_{name}"] for side in ("stored", "true") for name in ("visits", "conversions"))
    require(_sides(*numbers) == (planted.stored, planted.true), f"explain says {found} of the {planted.what} group")
    instants = tuple(datetime.fromisoformat(found[name]) for name in ("found_at", "repaired_at"))
    require(found["repaired_by"] == REPAIRED_BY, f"explain says it was repaired by {found['repaired_by']}")
    require(all(abs(a - b) < timedelta(seconds=1) for a, b in zip(instants, times, strict=True)), f"at {instants}")


class Stopwatch:
    """Measures the seconds of steps, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.perf_counter()

    def start(self) -> None:
        self._since = time.perf_counter()

    def lap(self, name: str) -> None:
        self.seconds[name] = time.perf_counter() - self._since


@click.command()
@click.option("--facts", default=300_000, show_default=True, help="Visits a day.")
@click.option("--groups", default=250_000, show_default=True, help="Groups they fall into, about half of them a day.")
@click.option("--days", default=10, show_default=True, help="Days.")
@click.option("--clients", default=200, show_default=True, help="Clients that share them, unevenly.")
@click.option("--seed", type=int, help="Draw the rows of an earlier run again. Default: the clock.")
def main(facts: int, groups: int, days: int, clients: int, seed: int | None) -> None:
    """Plant three errors in a rollup of about a million groups, and follow them until the end. Needs no database."""
    started = time.perf_counter()
    lot = int(time.time()) if seed is None else seed
    span = [LAST - timedelta(days=count) for count in reversed(range(days))]
    with fresh_database() as database:
        with CONSOLE.status("making facts"):
            fill_days(database, span, Shape(facts, groups, clients))
            list(rebuild(database, span))
            # This is not measured: the first reader after a rebuild writes hint bits.
            require(all(day.result == "verified" for day in verify(database, span)), "a day was not verified")
        try:
            _measure(database, span, lot)
        except EventflowError as error:
            raise EventflowError(f"{error} (draw the same again: --seed {lot})") from error
    CONSOLE.print(f"whole benchmark: {time.perf_counter() - started:.0f} s")


def _measure(database: Database, span: Sequence[date], seed: int) -> None:
    watch = Stopwatch()
    rebuilt = list(rebuild(database, span))
    watch.lap("rebuild of all days, nothing changed")
    require(not any(day.written or day.deleted for day in rebuilt), "a rebuild wrote rows where nothing had changed")
    with connect(database) as connection:
        planted = plant(connection, seed)
        ids = [each.id for each in planted]
        others = connection.execute(_OTHER_ROWS.encode(), [ids]).fetchone()

        watch.start()
        verified = list(verify(database, span))
        watch.lap("verify of all days")
        named = require_named(verified, planted)

        # The same steps as a run of the sensor repair.
        watch.start()
        wrong = sorted({client_day.bucket_date for client_day in wrong_client_days(database)})
        repaired = list(refresh(database, wrong, REPAIRED_BY, "wrong"))
        again = list(verify(database, wrong, only_unverified=True))
        watch.lap("repair and verification of it")
        written, deleted = (sum(getattr(day, name) for day in repaired) for name in ("written", "deleted"))
        require((written, deleted) == (2, 1), f"the repair wrote {written} rows and deleted {deleted}")
        require(all(day.result == "verified" for day in again), "a repaired day was not verified")
        require(connection.execute(_OTHER_ROWS.encode(), [ids]).fetchone() == others, "another row was written")

    with tempfile.TemporaryDirectory() as folder, ReportFiles([Path(folder) / "after.md"]) as files:
        after = list(verify(database, span))
        require(all(day.result == "verified" for day in after), "a day was not verified after the repair")
        files.write(database, Verified(datetime.now(UTC), span[0], span[-1], (), None, after, 0))
        times = require_records(database, files.paths[0].read_text(encoding="utf-8"), named, planted)

    rows = sum(day.stored.groups for day in rebuilt)
    CONSOLE.print(
        f"{rows:,} groups on {format_count(len(span), 'day')}, {sum(day.totals.facts for day in rebuilt):,} facts; "
        f"seed {seed}. The verification found 3 wrong groups, the 3 planted; the repair wrote 2 rows and deleted 1; "
        f"the other {others[0] if others else 0:,} rows were not written again.\n"
    )
    for what, (day, group) in named.items():
        message, (found_at, repaired_at) = format_columns(day, group), times[what]
        CONSOLE.print(
            f"{what}: {message['client']}, {day}, {message['group']}: stored {message['stored']}, "
            f"true {message['true']}; found {found_at:%H:%M:%S}, repaired {repaired_at:%H:%M:%S} UTC by {REPAIRED_BY}",
            markup=False,
        )
    same_days = sum(day.seconds for day in rebuilt if day.day in wrong)
    whole = watch.seconds["rebuild of all days, nothing changed"]
    table = plain_table("\none round", "s", "times the rebuild of all days", "of the repaired days")
    for name, seconds in watch.seconds.items():
        of_same = f"{seconds / same_days:.2f}" if name == "repair and verification of it" else ""
        table.add_row(name, f"{seconds:.2f}", f"{seconds / whole:.2f}", of_same)
    CONSOLE.print(table)


if __name__ == "__main__":
    try:
        main()
    except EventflowError as error:
        sys.exit(f"{error}")
