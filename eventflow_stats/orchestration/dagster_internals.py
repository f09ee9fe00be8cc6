"""Names that Dagster does not export: the only module that imports from ``dagster._...``.

A new release of Dagster may move or change these without notice. The version is pinned in ``pyproject.toml``; after an
upgrade, read this list first. Everything here is used because Dagster has no public name for it.
"""

# The web server behind our guard does what `dagster-webserver` does: the same instance, workspace and log format.
from dagster._cli.utils import get_instance_for_cli

# The reason of a run failure: an interrupted backfill ends with another exit code than a failed one.
from dagster._core.events import RunFailureReason

# Check results without a run: their run id, to delete old ones.
from dagster._core.instance.utils import RUNLESS_RUN_ID

# Groups of run states: finished or not, and started but not finished.
from dagster._core.storage.dagster_run import FINISHED_STATUSES, IN_PROGRESS_RUN_STATUSES, NOT_FINISHED_STATUSES

# Tables of the event log: deleting a run leaves its check results behind, so pruning deletes those rows itself.
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

# Tags that Dagster reads or writes: the days of a run, who launched it, whether and how often it is retried, and the
# code server that executes it.
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    BACKFILL_ID_TAG,
    GRPC_INFO_TAG,
    MAX_RETRIES_TAG,
    PARTITION_NAME_TAG,
    SCHEDULE_NAME_TAG,
    SENSOR_NAME_TAG,
    WILL_RETRY_TAG,
)

# The workspace, for the web server and to find the code location that workspace.yaml names.
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget

# The type of a parameter of `from_config_value`, which a storage class has to define.
from dagster._serdes import ConfigurableClassData

# The log format of `dagster-webserver`.
from dagster._utils.log import configure_loggers
