"""A canary in the rows that dbt reads is in none of its errors, events, previews, files and spans."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml

from platform_assets.composition import build_location
from platform_resources.settings import Settings
from platform_resources.storage import TableSpec
from tests.assets.test_canaries import CANARY, SEARCHED, people, texts_of
from tests.resources.alerts.sinks import HttpSink
from tests.resources.telemetry.collector import collector, spans
from tests.world import World

MODELS = {
    "numbers": "select id, name::int as number from {{ source('crm', 'people') }}",
    "days": "select id, strptime(mail, '%Y') as day from {{ source('crm', 'people') }}",
    "renamed": "select id, name as caption, mail, joined from {{ source('crm', 'people') }}",
    "unlike": "select id, phone as caption from {{ source('crm', 'people') }}",
}


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with collector() as receiver:
        yield receiver


@pytest.fixture
def crm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sink: HttpSink) -> World:
    models = tmp_path / "project" / "models" / "crm"
    models.mkdir(parents=True)
    (tmp_path / "project" / "dbt_project.yml").write_text(
        "name: crm\nprofile: platform\nmodels: {+materialized: table, crm: {crm: {+schema: crm}}}\n"
    )
    for name, sql in MODELS.items():
        (models / f"{name}.sql").write_text(sql)
    config = {"meta": {"lake": {"version": "1.0.0"}}}
    refused = {"name": "caption", "data_tests": [{"accepted_values": {"arguments": {"values": ["x"]}}}]}
    properties = [{"name": "renamed", "config": config}, {"name": "unlike", "config": config, "columns": [refused]}]
    (models / "marts.yml").write_text(yaml.safe_dump({"models": properties}))
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    variables = {"PLATFORM_STATE": str(tmp_path / "state"), "DAGSTER_HOME": str(home), "PLATFORM_TRACES": sink.url}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    location = build_location("tests.canaries", Settings.from_environment(), dbt=tmp_path / "project")
    return World(location, dg.DagsterInstance.get())


def test_no_error_of_dbt_and_no_file_of_it_says_a_personal_value(
    crm: World, sink: HttpSink, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    crm.land("crm/people-a.csv", people(mail=f"{CANARY}@a.org"))
    crm.materialise("crm/people", partitions=["2024-02"])
    outcomes = {name: crm.materialise(f"crm/{name}").success for name in MODELS}
    assert outcomes == {"numbers": False, "days": False, "renamed": True, "unlike": False}
    told = capfd.readouterr()
    written = [("stdout", told.out.encode()), ("stderr", told.err.encode())]
    written += [("span", body) for _, _, body in sink.posts]
    written += [(place, text) for place, text in texts_of(tmp_path) if not place.endswith(".duckdb")]
    assert {(place, word) for place, text in written for word in SEARCHED if word.encode() in text} == set()
    assert any("what it says is withheld" in text.decode("utf-8", "replace") for _, text in written)
    assert CANARY in str(crm.location.lake.scan(TableSpec(path="crm/renamed/v1")).collect()["caption"].to_list())
    preview = crm.instance.get_latest_materialization_event(dg.AssetKey(["crm", "renamed"]))
    assert "| 1 | ••• | ••• | 2024-02-29 |" in str(preview)
    facts = [({each.key: each.value.string_value for each in span.attributes}, span) for span in spans(sink)]
    steps = {span.span_id for _, span in facts if span.name == "step"}
    nodes = {(each["dbt.node"].split(".")[2], each["dbt.status"]) for each, span in facts
             if span.name == "dbt model" and span.parent_span_id in steps}  # fmt: skip
    assert nodes == {("numbers", "error"), ("days", "error"), ("renamed", "success"), ("unlike", "success")}
