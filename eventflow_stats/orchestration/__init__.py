"""Everything that runs in Dagster: assets, checks, schedules, sensors and jobs. It calls the engine; see README.md."""

import warnings

from dagster import BetaWarning

# A backfill of many days in few runs needs `backfill_policy`. Dagster calls this parameter beta and warns about it at
# every start. The version is pinned, and tests run such backfills.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`", category=BetaWarning)
