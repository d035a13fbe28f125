"""What Dagster must know of a dbt project, kept beside its manifest.

dagster-dbt reads it from the manifest once, when the project changed. Loading definitions reads the outline, because
importing dagster-dbt imports dbt, which costs each process more CPU than Dagster itself.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from platform_core.contracts import Catalog
from platform_core.contracts.dbt import dbt_sources
from platform_resources.engines.dbt import DbtError, DbtProject, StagedProject
from platform_resources.settings import Settings
from platform_resources.storage import TableSpec

OUTLINE = "outline.json"
SHAPE = "2"
"""Changes with the records below, so that an outline of an older shape is not read."""

Columns = Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Check:
    """A dbt test, or all tests of one source together, as an asset check of a model."""

    name: str
    description: str
    tests: tuple[str, ...]
    """The selectors of its tests: one by what they have in common, or fully qualified names. Dbt tries each selector on
    all nodes, several times a run."""
    unique_ids: tuple[str, ...]
    blocking: bool
    source: str | None = None
    """The dataset whose generated tests these are."""


@dataclass(frozen=True)
class Model:
    """A dbt model as an asset."""

    unique_id: str
    key: tuple[str, ...]
    selector: str
    relation: str
    description: str
    group: str
    owners: tuple[str, ...]
    tags: tuple[str, ...]
    code_version: str
    deps: tuple[tuple[str, ...], ...]
    columns: Columns
    checks: tuple[Check, ...]
    table: str | None = None
    """Where the rows lie in the lake; None for a model that stays in DuckDB."""

    @property
    def name(self) -> str:
        """The key as one text: domain/model."""
        return "/".join(self.key)


def staged_models(settings: Settings, catalog: Catalog, project: Path) -> tuple[StagedProject | None, list[Model]]:
    """Stage a dbt project and read its models; None and none where the folder holds no project.

    The project is parsed when it or a contract changed, for a few seconds, and not otherwise.

    Raises:
        DbtError: dbt cannot parse the project.
    """
    if not (project / "dbt_project.yml").exists():
        return None, []
    staged = dbt_project(settings, catalog, project).stage(write_outline)
    return staged, read_outline(staged.folder)


def dbt_project(settings: Settings, catalog: Catalog, project: Path) -> DbtProject:
    """Describe the dbt project with its sources generated from the catalog."""
    stamp = f"dagster-dbt {version('dagster-dbt')}, outline {SHAPE}"
    sources = [dataset for dataset in catalog.datasets.values() if dataset.source is None or not dataset.source.is_dbt]
    return DbtProject(project.absolute(), settings, dbt_sources(sources), stamp)


def mart_spec(model: Model) -> TableSpec:
    """Return the spec of the table that a mart is in the lake; each run replaces it.

    Raises:
        ValueError: The model stays in DuckDB.
    """
    if model.table is None:
        raise ValueError(f"{model.name} stays in DuckDB. Fix: give it meta.lake.version in its properties file.")
    return TableSpec(path=model.table, mode="overwrite", schema_evolution="add")


def write_outline(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the outline of a manifest into the folder.

    Raises:
        DbtError: A test belongs to no model, so that no check would run it.
    """
    models = list(outline_of(manifest))
    _refuse_stray_tests(manifest, models)
    (folder / OUTLINE).write_text(json.dumps([asdict(model) for model in models], indent=1))


def _refuse_stray_tests(manifest: Mapping[str, Any], models: Sequence[Model]) -> None:
    run = {unique_id for model in models for check in model.checks for unique_id in check.unique_ids}
    tests = [node for node in manifest["nodes"].values() if node["resource_type"] == "test"]
    stray = [node for node in tests if node["unique_id"] not in run and "dataset" not in node["config"]["meta"]]
    if stray:
        how = "looks at several models; name the one it judges: config(meta={'dagster': {'ref': {'name': ...}}})"
        raise DbtError("parse", [f"test {node['name']} ({node['original_file_path']}) {how}" for node in stray])


def read_outline(folder: Path) -> list[Model]:
    """Return the models of a staged project."""
    return [_model(entry) for entry in json.loads((folder / OUTLINE).read_text())]


def _model(entry: Mapping[str, Any]) -> Model:
    fields = _tuples(entry)
    fields["deps"] = tuple(tuple(key) for key in entry["deps"])
    fields["checks"] = tuple(Check(**_tuples(check)) for check in entry["checks"])
    return Model(**fields)


def _tuples(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}


def outline_of(manifest: Mapping[str, Any]) -> Iterator[Model]:
    """Yield the models of a manifest with keys, dependencies and checks as dagster-dbt reads them."""
    from dagster_dbt import DagsterDbtTranslator
    from dagster_dbt.asset_utils import build_dbt_specs

    specs, checks = build_dbt_specs(
        translator=DagsterDbtTranslator(),
        manifest=manifest,
        select="fqn:*",
        exclude="",
        selector="",
        io_manager_key=None,
        project=None,
    )
    for spec in sorted(specs, key=lambda asset_spec: asset_spec.key):
        node = manifest["nodes"][spec.metadata["dagster_dbt/unique_id"]]
        own = [_check(manifest, check) for check in checks if check.asset_key == spec.key]
        yield Model(
            unique_id=node["unique_id"],
            key=tuple(spec.key.path),
            selector=".".join(node["fqn"]),
            relation=node["relation_name"],
            description=node["description"].strip(),
            group=spec.group_name or spec.key.path[0],
            owners=tuple(spec.owners or ()),
            tags=tuple(node["tags"]),
            code_version=str(spec.code_version),
            deps=tuple(sorted(tuple(dep.asset_key.path) for dep in spec.deps)),
            columns=[
                {name: column[name] or "" for name in ("name", "data_type", "description")}
                for column in node["columns"].values()
            ],
            checks=tuple(sorted([*own, *_source_checks(manifest, node)], key=lambda source_check: source_check.name)),
            table=_table(spec.key.path, node),
        )


def _table(path: Sequence[str], node: Mapping[str, Any]) -> str | None:
    """Return the place in the lake of a model that declares `meta.lake.version`."""
    lake = node["config"]["meta"].get("lake")
    return "/".join([*path, f"v{lake['version'].split('.')[0]}"]) if lake else None


def _check(manifest: Mapping[str, Any], spec: Any) -> Check:
    node = manifest["nodes"][spec.metadata["dagster_dbt/unique_id"]]
    return Check(
        name=spec.name,
        description=node["description"] or node["name"].replace("_", " "),
        tests=(".".join(node["fqn"]),),
        unique_ids=(node["unique_id"],),
        blocking=spec.blocking,
    )


def _source_checks(manifest: Mapping[str, Any], node: Mapping[str, Any]) -> Iterator[Check]:
    """One check for each source that the model reads: the tests generated from the source's contract.

    It is the model's check, not the source's: otherwise every ingest of the source would start a dbt step for it.
    """
    for parent in sorted(set(node["depends_on"]["nodes"])):
        if not parent.startswith("source."):
            continue
        source = manifest["sources"][parent]
        name = f"{source['source_name']}/{source['name']}"
        tests = [test for test in _tests_below(manifest, parent) if test["config"]["meta"].get("dataset") == name]
        if tests:
            yield _source_check(name, tests)


def _source_check(name: str, tests: Sequence[Mapping[str, Any]]) -> Check:
    return Check(
        name=f"source_{name.replace('/', '_')}",
        description=f"{len(tests)} dbt tests generated from the contract of {name} hold over its whole table",
        tests=(f"config.meta.dataset:{name}",),
        unique_ids=tuple(test["unique_id"] for test in tests),
        blocking=True,
        source=name,
    )


def _tests_below(manifest: Mapping[str, Any], unique_id: str) -> list[Mapping[str, Any]]:
    """Return the tests that look at a node, its own and those of others."""
    return [manifest["nodes"][test_id] for test_id in manifest["child_map"][unique_id] if test_id.startswith("test.")]
