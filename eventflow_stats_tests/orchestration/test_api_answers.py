"""The check api_answers_from_rollup: which share of answers from facts is a warning."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.status.answer_counts import count_answers
from eventflow_stats.orchestration.schedules import every_five_minutes
from eventflow_stats_tests.orchestration.runs import run_check
from eventflow_stats_tests.orchestration.shop import schedule_tick, shown_checks, today, yesterday

LONG_PAST = timedelta(minutes=62)
NOT_LONG_PAST = timedelta(minutes=55)
WHAT_TO_DO = (
    "Days that were never computed, are stale or are known to be wrong are answered from facts until they are "
    "recomputed; `eventflow-stats doctor` lists them. Only `eventflow-stats backfill` computes days before the first "
    "with facts. Future days are not counted."
)


def answered(database: Database, aggregated: int, raw: int, ago: timedelta = timedelta(0)) -> None:
    minute = (datetime.now(UTC) - ago).replace(second=0, microsecond=0)
    count_answers(database, {(minute, "aggregated"): aggregated, (minute, "raw"): raw})


def checked(instance: dg.DagsterInstance) -> dg.AssetCheckEvaluation:
    (found,) = run_check(instance, "api_answers_from_rollup").get_asset_check_evaluations()
    return found


@pytest.mark.parametrize(
    ("aggregated", "raw", "passed", "message"),
    [
        (0, 0, True, "The read API gave no answer in the last hour."),
        (
            0,
            19,
            True,
            "19 of 19 answers of the last hour came from facts; with fewer than 20 answers no limit applies.",
        ),
        (18, 2, True, "2 of 20 answers of the last hour came from facts (10.0 %, the limit is 10 %)."),
        (
            17,
            3,
            False,
            "3 of 20 answers of the last hour came from facts (15.0 %, the limit is 10 %). " + WHAT_TO_DO,
        ),
    ],
    ids=["no answers", "too few answers", "at the limit", "too many"],
)
def test_more_than_a_tenth_of_twenty_answers_or_more_is_a_warning(
    instance: dg.DagsterInstance, facts: Database, aggregated: int, raw: int, passed: bool, message: str
) -> None:
    answered(facts, aggregated, raw)

    check = checked(instance)

    assert (check.passed, check.severity) == (passed, dg.AssetCheckSeverity.WARN)
    assert check.description == message
    assert (check.metadata["answers"].value, check.metadata["raw_answers"].value) == (aggregated + raw, raw)


def test_only_the_last_hour_counts(instance: dg.DagsterInstance, facts: Database) -> None:
    answered(facts, 0, 100, ago=LONG_PAST)
    assert checked(instance).metadata["answers"].value == 0

    answered(facts, 0, 100, ago=NOT_LONG_PAST)
    assert checked(instance).metadata["answers"].value == 100


def test_an_idle_tick_shows_the_warning(instance: dg.DagsterInstance, facts: Database) -> None:
    list(rebuild(facts, [yesterday(), today()]))
    answered(facts, 0, 20)

    requests, _ = schedule_tick(instance, every_five_minutes)

    assert requests == []
    shown = shown_checks(instance)["api_answers_from_rollup"]
    assert shown.status.name == "FAILED"
    assert shown.event is not None
    evaluation = shown.event.dagster_event.event_specific_data
    assert evaluation.severity == dg.AssetCheckSeverity.WARN
    assert evaluation.description.startswith("20 of 20 answers of the last hour")
