from pathlib import Path
from typing import Any

import pytest
from openlineage.client import event_v2
from openlineage.client.generated import (
    column_lineage_dataset,
    data_quality_assertions_dataset,
    data_quality_metrics_input_dataset,
    output_statistics_output_dataset,
    parent_run,
    schema_dataset,
)

from platform_assets.operations.openlineage import collect_events
from platform_resources.outbox import Outbox
from tests.world import World

CLASSES: dict[str, Any] = {
    "schema": schema_dataset.SchemaDatasetFacet,
    "columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet,
    "outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
    "dataQualityAssertions": data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet,
    "dataQualityMetrics": data_quality_metrics_input_dataset.DataQualityMetricsInputDatasetFacet,
}


class Kept(Outbox):
    """An outbox that can be looked into."""

    def put(self, messages: Any, *, reader: str, place: int) -> None:
        messages = list(messages)
        KEPT.extend(messages)
        super().put(messages, reader=reader, place=place)


KEPT: list[dict[str, Any]] = []


@pytest.fixture(scope="module")
def events(shop: World, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder: Path = tmp_path_factory.mktemp("outbox")
    collect_events(shop.location, shop.instance, Kept(folder / "a.db"))
    assert collect_events(shop.location, shop.instance, Outbox(folder / "a.db")) == 0
    return KEPT


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
        parent = event["run"]["facets"]["parent"]
        parent_run.ParentRunFacet(run=parent_run.Run(**parent["run"]), job=parent_run.Job(**parent["job"]))


def test_events_say_rows_partition_columns_and_verdicts_and_no_value(events: list[dict[str, Any]]) -> None:
    made = {event["job"]["name"]: event for event in events}
    output = made["shop/sales"]["outputs"][0]
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 2
    assert output["outputFacets"]["subset"]["outputCondition"]["partitions"][0]["identifier"] == "2024-01"
    assert output["facets"]["columnLineage"]["fields"]["price"]["inputFields"][0]["name"] == "files:shop/sales-*"
    judged = made["shop/sales.checks"]["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert {each["assertion"] for each in judged} >= {"sku_isin"}
    assert "plum" not in str(events)
    assert "ada@example.com" not in str(events)
