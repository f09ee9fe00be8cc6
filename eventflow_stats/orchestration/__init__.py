"""Dagster's door on the engine: partitions, assets, checks, schedules, jobs, resources, storage."""

import warnings

from dagster import BetaWarning

# Range backfills in few runs (BackfillPolicy) are what this project is built on; Dagster still calls the
# parameter beta and says so at every start. The version is pinned, and tests run real range backfills.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`", category=BetaWarning)
