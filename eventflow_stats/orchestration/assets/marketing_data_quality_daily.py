"""The asset of data quality, one partition per day. The UI plots its counts and rates by day."""

import time
from collections.abc import Iterator, Sequence
from datetime import date

import dagster as dg
from pydantic import Field

from eventflow_stats.engine.quality.kpis import ComputedQuality, compute_quality
from eventflow_stats.errors import OnFailedDay
from eventflow_stats.orchestration.assets.external_assets import product_tables
from eventflow_stats.orchestration.assets.marketing_stats_daily import marketing_stats_daily
from eventflow_stats.orchestration.partitions import backfill_policy, daily_partitions, days_of
from eventflow_stats.orchestration.resources import RollupDatabase
from eventflow_stats.orchestration.runs.retries import DayByDay, first_reason
from eventflow_stats.orchestration.runs.run_tags import add_run_tags

COLUMNS = dg.TableSchema(
    columns=[
        dg.TableColumn("client_id", "uuid", "The client the numbers belong to."),
        dg.TableColumn("bucket_date", "date", "The day in the deployment's bucket time zone."),
        dg.TableColumn("computed_at", "timestamptz", "When the row last changed."),
        dg.TableColumn("visit_facts", "bigint", "Rows of the access log: page views."),
        dg.TableColumn("visits", "bigint", "Distinct sessions of the client on that day."),
        dg.TableColumn("sessionless_visits", "bigint", "Access-log rows without a session id; there should be none."),
        dg.TableColumn("entries", "bigint", "Submitted entries, which are the conversions."),
        dg.TableColumn("linked_entries", "bigint", "Entries that some visit names by its entry_id."),
        dg.TableColumn("visit_facts_with_utm", "bigint", "Access-log rows with a UTM source, medium or campaign."),
        dg.TableColumn("entries_with_utm", "bigint", "Entries with a UTM source, medium or campaign."),
        dg.TableColumn("visit_facts_with_link", "bigint", "Access-log rows of a link, stored or found by the cid."),
        dg.TableColumn("entries_with_link", "bigint", "Entries of a link, stored or found by the cid."),
        dg.TableColumn("tracked_entries", "bigint", "Entries with a link or any UTM."),
        dg.TableColumn("unknown_facts", "bigint", "Access-log rows and entries with neither a link nor any UTM."),
        dg.TableColumn("linkage_rate", "numeric(5,2)", "Percent: linked_entries of entries; NULL without entries."),
        dg.TableColumn("utm_fill_rate", "numeric(5,2)", "Percent of rows and entries that have any UTM."),
        dg.TableColumn("attribution_rate", "numeric(5,2)", "Percent of rows and entries that have a link."),
        dg.TableColumn("unknown_rate", "numeric(5,2)", "Percent of rows and entries that have neither."),
        dg.TableColumn("tracking_success_rate", "numeric(5,2)", "Percent: tracked_entries of entries."),
    ]
)


class QualityConfig(dg.Config):
    """What a run computes for its days."""

    only_due: bool = Field(
        default=False,
        description="true: compute only the clients of a day that changed since its data quality was computed, as the "
        "schedule does. false: compute whole days.",
    )


@dg.asset(
    partitions_def=daily_partitions,
    backfill_policy=backfill_policy,
    deps=[marketing_stats_daily, *product_tables],
    group_name="marketing_statistics",
    owners=["team:marketing-analytics"],
    kinds={"postgres", "sql"},
    metadata={
        "dagster/table_name": "eventflow_stats.marketing_data_quality_daily",
        "dagster/column_schema": COLUMNS,
    },
    description=(
        "One row per client and day: visits and entries, and how many of them have a session, a link and UTM values, "
        "and how many entries belong to a visit.\n\nThe schedule `data_quality` computes what changed. A visit may "
        "name an entry of another day later on; this is found when that day is verified again, so within "
        "EVENTFLOW_MAX_DRIFT_AGE. Materializing a day computes the whole day. Rows that did not change are not "
        "written. A day can be materialized again at any time."
    ),
)
def marketing_data_quality_daily(
    context: dg.AssetExecutionContext, config: QualityConfig, database: RollupDatabase
) -> None:
    days = days_of(context.partition_keys)
    add_run_tags(context.instance, context.run.run_id, days, "quality")
    with database.opened() as opened:
        started = time.perf_counter()

        def work(todo: Sequence[date], on_failed_day: OnFailedDay) -> Iterator[ComputedQuality]:
            return compute_quality(opened, todo, config.only_due, on_failed_day)

        computing = DayByDay(work, days, context.log)
        done: list[str] = []
        finished = False
        try:
            for computed in computing:
                day = computed.day.isoformat()
                context.add_asset_metadata(_metadata(computed), partition_key=day)
                done.append(day)
                if computed.computed:
                    context.log.info(_line(computed, len(done), len(days)))
            finished = not computing.failed
        finally:
            if not finished:
                # Committed days are right, so the UI shows them as materialized although the run failed.
                for day in done:
                    context.log_event(dg.AssetMaterialization("marketing_data_quality_daily", partition=day))
        if failed := computing.failed:
            raise dg.Failure(
                description=f"data quality of {len(failed)} of {len(days)} days was not computed: "
                f"{first_reason(failed)}",
                metadata={"failed_days": ", ".join(map(str, failed))},
            )
        context.log.info(f"{len(days)} days in {time.perf_counter() - started:.1f} s")


def _metadata(computed: ComputedQuality) -> dict[str, int | float]:
    """The numbers that the UI plots by day: for all clients together, and how many clients miss each goal."""
    stored = computed.stored
    return {
        **{name: getattr(stored, name) for name in stored.__dataclass_fields__},
        **stored.rates,
        **{f"clients_missing_{goal}_goal": missed for goal, (missed, _) in computed.missed.items()},
        "rows_written": computed.written,
        "rows_deleted": computed.deleted,
        "seconds": round(computed.seconds, 3),
    }


def _line(computed: ComputedQuality, number: int, total: int) -> str:
    stored = computed.stored
    return (
        f"{computed.day} ({number} of {total}): {stored.visits} visits and {stored.entries} entries of "
        f"{stored.clients} clients; {computed.written} rows written, {computed.deleted} deleted, "
        f"{computed.seconds:.2f} s"
    )
