import json
import sqlite3
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from openlineage.client import event_v2
from openlineage.client.generated import (
    column_lineage_dataset,
    data_quality_assertions_dataset,
    data_quality_metrics_input_dataset,
    error_message_run,
    output_statistics_output_dataset,
    parent_run,
    schema_dataset,
)

from platform_assets.operations.openlineage import collect_events
from platform_resources.outbox import Outbox
from tests.world import World, world

CLASSES: dict[str, Any] = {
    "schema": schema_dataset.SchemaDatasetFacet,
    "columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet,
    "outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
    "dataQualityAssertions": data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet,
    "errorMessage": error_message_run.ErrorMessageRunFacet,
    "dataQualityMetrics": data_quality_metrics_input_dataset.DataQualityMetricsInputDatasetFacet,
}


@dg.job(name="nothing")
def nothing() -> None:
    """A job that makes no dataset."""


def kept_events(outbox: Outbox) -> list[dict[str, Any]]:
    with sqlite3.connect(outbox.path) as database:
        return [json.loads(body) for (body,) in database.execute("SELECT body FROM messages ORDER BY id")]


@pytest.fixture(scope="module")
def events(shop: World, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    outbox = Outbox(tmp_path_factory.mktemp("outbox") / "a.db")
    collect_events(shop.location, shop.instance, outbox)
    assert collect_events(shop.location, shop.instance, outbox) == 0
    return kept_events(outbox)


def arguments(facet: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facet.items() if not name.startswith("_")}


def test_the_typed_classes_of_the_standard_take_every_event(events: list[dict[str, Any]]) -> None:
    for event in events:
        facets = [*event["run"]["facets"].items()]
        for dataset in (*event["inputs"], *event["outputs"]):
            parts = (dataset.get(name, {}) for name in ("facets", "inputFacets", "outputFacets"))
            facets += [facet for part in parts for facet in part.items()]
        for name, facet in facets:
            if name in CLASSES:
                assert facet["_schemaURL"] == CLASSES[name](**arguments(facet))._schemaURL
        event_v2.RunEvent(
            eventTime=event["eventTime"],
            eventType=event_v2.RunState[event["eventType"]],
            run=event_v2.Run(event["run"]["runId"]),
            job=event_v2.Job(event["job"]["namespace"], event["job"]["name"]),
            inputs=[event_v2.InputDataset(each["namespace"], each["name"]) for each in event["inputs"]],
            outputs=[event_v2.OutputDataset(each["namespace"], each["name"]) for each in event["outputs"]],
            producer=event["producer"],
        )
    for parent in (event["run"]["facets"]["parent"] for event in events if "parent" in event["run"]["facets"]):
        parent_run.ParentRunFacet(run=parent_run.Run(**parent["run"]), job=parent_run.Job(**parent["job"]))


def test_events_say_rows_partition_columns_and_verdicts_and_no_value(events: list[dict[str, Any]]) -> None:
    made = {event["job"]["name"]: event for event in events if event["eventType"] == "COMPLETE"}
    output = made["shop/sales"]["outputs"][0]
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 2
    assert output["outputFacets"]["subset"]["outputCondition"]["partitions"][0]["identifier"] == "2024-01"
    assert output["facets"]["columnLineage"]["fields"]["price"]["inputFields"][0]["name"] == "files:shop/sales-*"
    judged = made["shop/sales.checks"]["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert {each["assertion"] for each in judged} >= {"sku_isin"}
    assert "plum" not in str(events)
    assert "ada@example.com" not in str(events)


def test_a_run_and_its_datasets_begin_and_end_once_and_say_of_an_error_its_class(tmp_path: Path) -> None:
    with world(tmp_path) as shop:
        outbox = Outbox(tmp_path / "events.db")
        shop.land("shop/ledger.csv", b"line,amount\n-1,1\n")
        run = shop.materialise("shop/ledger")
        shop.instance.report_run_canceled(shop.instance.create_run_for_job(nothing))
        shop.instance.report_runless_asset_event(dg.AssetMaterialization(["shop", "ledger"], partition="p"))
        collect_events(shop.location, shop.instance, outbox)
        told = kept_events(outbox)
    states = [(event["eventType"], event["job"]["name"]) for event in told]
    job = told[0]["job"]["name"]
    assert states == [("START", job), ("START", "shop/ledger"), ("FAIL", "shop/ledger"), ("FAIL", job),
                      ("ABORT", "nothing"), ("COMPLETE", "shop/ledger")]  # fmt: skip
    start, fail = told[1], told[2]
    assert start["run"]["runId"] == fail["run"]["runId"] != run.run_id
    assert fail["run"]["facets"]["parent"]["run"]["runId"] == told[0]["run"]["runId"] == run.run_id
    assert fail["run"]["facets"]["errorMessage"]["message"].isidentifier()
    assert "parent" not in told[-1]["run"]["facets"]
