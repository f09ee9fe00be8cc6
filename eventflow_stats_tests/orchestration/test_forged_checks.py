"""Anyone who can write to Dagster's storage can forge a check result; only the ledger is reliable."""

import json
import subprocess
from itertools import product
from typing import Any

import dagster as dg
import httpx

from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.orchestration.sensors.repair import repair
from eventflow_stats_tests.api.metrics_reading import LEDGER, scraped
from eventflow_stats_tests.api.serving import serving, settings_for
from eventflow_stats_tests.orchestration.shop import ASSET, DAYS, Shop, sensor_tick
from eventflow_stats_tests.running import COMMAND

HEALTHY, WRONG = (0, True, "ok"), (1, False, "wrong")


def reported_everywhere(http: httpx.Client) -> tuple[int, bool, str]:
    """The results of status and /healthz: exit code, result, status."""
    status = subprocess.run([COMMAND, "status", "--json"], capture_output=True, text=True, check=False)
    return status.returncode, json.loads(status.stdout)["ok"], http.get("/healthz").json()["status"]


def ledger_metrics(http: httpx.Client) -> dict[Any, float]:
    return {key: value for key, value in scraped(http).items() if key[0] in LEDGER and "seconds" not in key[0]}


def forge(instance: dg.DagsterInstance, *, green: bool) -> None:
    """Report every check of the rollup, and every day as materialized."""
    from eventflow_stats.definitions import defs

    checks = [key for key in defs.resolve_asset_graph().asset_check_keys if key.asset_key == ASSET]
    # Without a run, Dagster accepts one result per day, and any number without a day.
    days: list[str | None] = [None, *(map(str, DAYS) if green else ())]
    for check, day in product(checks, days):
        message = dg.AssetCheckEvaluation(ASSET, check.name, passed=green, partition=day)
        instance.report_runless_asset_event(message)
    for partition in map(str, DAYS):
        instance.report_runless_asset_event(dg.AssetMaterialization(ASSET, partition=partition))
    shown = instance.event_log_storage.get_latest_asset_check_execution_by_key(checks)
    assert {record.status.value for record in shown.values()} == {"SUCCEEDED" if green else "FAILED"}


def test_a_forged_check_result_changes_neither_status_nor_health_nor_metrics_nor_the_repair(
    instance: dg.DagsterInstance, shop: Shop
) -> None:
    detect(shop.database)
    list(verify(shop.database, DAYS))
    with serving(settings_for(shop.database)) as url, httpx.Client(base_url=url, timeout=60) as http:
        assert reported_everywhere(http) == HEALTHY
        forge(instance, green=False)
        assert reported_everywhere(http) == HEALTHY

        shop.plant_wrong_rows(DAYS[0])
        list(verify(shop.database, [DAYS[0]]))
        before = ledger_metrics(http)
        assert reported_everywhere(http) == WRONG
        forge(instance, green=True)
        assert reported_everywhere(http) == WRONG
        assert ledger_metrics(http) == before

    (request,), _ = sensor_tick(instance, repair)
    assert f"1 wrong group on {DAYS[0]}" in request.tags["eventflow/reason"]
