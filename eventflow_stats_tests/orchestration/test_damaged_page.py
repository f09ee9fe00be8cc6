"""One page of an old day cannot be read: sensor, tick, backfill, checks and the command go on, and name the day."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import psycopg
import pytest

from eventflow_stats.cli.main import main
from eventflow_stats.engine.database import Database
from eventflow_stats.engine.detect import detect
from eventflow_stats.engine.prove import prove
from eventflow_stats.engine.rebuild import rebuild
from eventflow_stats.orchestration.schedules import every_five_minutes, rolling_proof
from eventflow_stats.orchestration.sensors import late_facts
from eventflow_stats.settings import Settings
from eventflow_stats_tests.conftest import Cluster
from eventflow_stats_tests.damage import damaged_copy
from eventflow_stats_tests.facts import Product, connect
from eventflow_stats_tests.orchestration.runs import materialized, run
from eventflow_stats_tests.orchestration.shop import (
    carry_out,
    failure,
    schedule_tick,
    sensor_tick,
    today,
)

DAYS = [date(2026, 3, day) for day in range(1, 8)]
DAMAGED = DAYS[2]
OTHERS = [day for day in DAYS if day != DAMAGED]
