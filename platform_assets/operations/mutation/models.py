"""dbt's models as they were compiled, run in DuckDB's memory over given tables: what a change to one of them changes.

Each trial is a transaction that is rolled back. Only the changed model and those below it are built anew, and only the
tests that read one of them are run. A model in Python is read as it is, and never changed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from platform_assets.ingest.inputs import partition_keys
from platform_core.contracts import Dataset

if TYPE_CHECKING:
    import duckdb

_INGESTED_AT = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class CompiledModel:
    """A model: its name as an asset, the relation that it becomes, its query, its file, and what it reads."""

    name: str
    unique_id: str
    relation: str
    sql: str
    file: str
    above: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True)
class CompiledTest:
    """A test: its name, the query of what fails, and the models and sources that it reads."""

    name: str
    sql: str
    above: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True)
class ModelVerdicts:
    """What became of the models: rows by name, tests that fail, and why one could not be built."""

    rows: Mapping[str, pl.DataFrame]
    red: tuple[str, ...]
    error: str = ""


class CompiledProject:
    """The SQL models and tests of a dbt manifest that was compiled, inputs first."""

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        """Read the manifest; what it has no compiled SQL of is left out."""
        self.models: dict[str, CompiledModel] = {}
        nodes = manifest["nodes"]
        names = {unique_id: f"{source['source_name']}/{source['name']}"
                 for unique_id, source in manifest["sources"].items()}  # fmt: skip
        for unique_id, node in nodes.items():
            if node["resource_type"] == "model" and node["language"] == "sql" and node.get("compiled_code"):
                self.models[unique_id] = CompiledModel(
                    _asset_name(node),
                    unique_id,
                    node["relation_name"],
                    node["compiled_code"],
                    node["original_file_path"],
                    *_read_by(node, names),
                )
        self.tests = [
            CompiledTest(
                node["name"],
                f"select {node['config']['fail_calc']} from (\n{node['compiled_code']}\n)",  # noqa: S608 - dbt's own
                *_read_by(node, names),
            )
            for node in nodes.values()
            if node["resource_type"] == "test" and node.get("compiled_code")
        ]
        self.sources = {names[unique_id]: source["relation_name"]
                        for unique_id, source in manifest["sources"].items()}  # fmt: skip

    def in_order(self, names: Iterable[str] | None = None) -> list[CompiledModel]:
        """List the models, or those of the given ids, each after those that it reads."""
        ordered: dict[str, CompiledModel] = {}
        waiting = list(self.models)
        while waiting:
            ready = [model_id for model_id in waiting if all(up in ordered or up not in self.models
                                                     for up in self.models[model_id].above)]  # fmt: skip
            ordered |= {model_id: self.models[model_id] for model_id in ready}
            waiting = [model_id for model_id in waiting if model_id not in ordered]
        chosen = None if names is None else set(names)
        return [model for unique_id, model in ordered.items() if chosen is None or unique_id in chosen]

    def below(self, unique_id: str) -> set[str]:
        """Name the models that are made from one, and itself."""
        names = {unique_id}
        for model in self.in_order():
            if names & set(model.above):
                names.add(model.unique_id)
        return names


@dataclass
class ModelTrial:
    """The models over given tables; every change is tried on them.

    Attributes:
        project: What is compiled.
        tables: By the name of each dataset.
        datasets: The contracts of those.
        calm: What becomes of the tables without any change.
    """

    project: CompiledProject
    tables: Mapping[str, pl.DataFrame]
    datasets: Mapping[str, Dataset]
    calm: ModelVerdicts = field(init=False)

    def __post_init__(self) -> None:
        """Load the tables and build every model."""
        import duckdb

        self._connection: duckdb.DuckDBPyConnection = duckdb.connect(
            config={"autoinstall_known_extensions": "false", "threads": "1"}
        )
        self._connection.execute("set TimeZone = 'UTC'")
        relations = [*self.project.sources.values(), *(model.relation for model in self.project.models.values())]
        for database, schema in sorted({tuple(relation.split(".")[:2]) for relation in relations}):
            self._connection.execute(f"attach if not exists ':memory:' as {database}")
            self._connection.execute(f"create schema if not exists {database}.{schema}")
        for name, relation in self.project.sources.items():
            if name in self.tables:
                rows = _as_stored(self.tables[name], self.datasets[name]).to_arrow()
                self._connection.register("rows_of_a_source", rows)
                self._connection.execute(f"create or replace table {relation} as select * from rows_of_a_source")  # noqa: S608
                self._connection.unregister("rows_of_a_source")
        self._buildable = self._build_all()
        self._tests = [test for test in self.project.tests if self._is_there(test, self._buildable)]
        self.calm = self._verdicts(list(self._buildable), "")

    def run(self, unique_id: str, sql: str) -> ModelVerdicts:
        """Build a model by another query, and what is below it; what was there before comes back."""
        changed = [model for model in self.project.in_order(self.project.below(unique_id))
                   if model.unique_id in self._buildable]  # fmt: skip
        with self._rolled_back():
            for model in changed:
                try:
                    self._create(model, sql if model.unique_id == unique_id else model.sql)
                except self._error as error:
                    return ModelVerdicts({}, (), f"{model.name}: {str(error).strip().partition(chr(10))[0][:200]}")
            return self._verdicts([model.unique_id for model in changed], "")

    @property
    def names(self) -> set[str]:
        """Ids of the models whose sources are there."""
        return set(self._buildable)

    @property
    def _error(self) -> "type[duckdb.Error]":
        import duckdb

        return duckdb.Error

    def _build_all(self) -> dict[str, CompiledModel]:
        built: dict[str, CompiledModel] = {}
        for model in self.project.in_order():
            if self._is_there(model, built):
                self._create(model, model.sql)
                built[model.unique_id] = model
        return built

    def _create(self, model: CompiledModel, sql: str) -> None:
        self._connection.execute(f"create or replace table {model.relation} as (\n{sql.rstrip().rstrip(';')}\n)")

    def _verdicts(self, names: Sequence[str], error: str) -> ModelVerdicts:
        rows = {
            self.project.models[name].name: pl.DataFrame(
                self._connection.sql(f"select * from {self.project.models[name].relation}").to_arrow_table()  # noqa: S608
            )
            for name in names
        }
        red = []
        for test in self._tests:
            if set(test.above) & set(names):
                try:
                    fails = self._answers(test)
                except self._error:  # a column of another type, for example; dbt, too, counts that as a failure
                    red.append(test.name)
                    break  # what follows in the transaction fails as well
                if fails:
                    red.append(test.name)
        return ModelVerdicts(rows, tuple(red), error)

    def _is_there(self, reader: CompiledModel | CompiledTest, built: Mapping[str, CompiledModel]) -> bool:
        """Tell whether all that a model or test reads is there; what it raises then is an error, and no reason."""
        return set(reader.above) <= built.keys() and set(reader.sources) <= self.tables.keys()

    def _answers(self, test: CompiledTest) -> bool:
        """Ask a test whether it fails; all of its answer is fetched, so that the connection is free again."""
        answer = self._connection.execute(test.sql).fetchall()
        return bool(answer and answer[0][0])

    @contextmanager
    def _rolled_back(self) -> Iterator[None]:
        self._connection.execute("begin")
        try:
            yield
        finally:
            self._connection.execute("rollback")


def _read_by(node: Mapping[str, Any], sources: Mapping[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the ids of the models that a node reads, and the names of the sources."""
    parents = node["depends_on"]["nodes"]
    models = tuple(parent for parent in parents if parent.startswith("model."))
    return models, tuple(sources[parent] for parent in parents if parent in sources)


def _asset_name(node: Mapping[str, Any]) -> str:
    """Return the key of the asset that a model is, as dagster-dbt reads it."""
    config = node["config"]
    named = config["meta"].get("dagster", {}).get("asset_key")
    return "/".join(named or [part for part in (config.get("schema"), node["name"]) if part])


def _as_stored(rows: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """Add the columns that the platform adds to a table that ingests."""
    return rows.with_columns(
        pl.lit("generated").alias("_source"),
        pl.lit("generated").alias("_ingest_id"),
        pl.int_range(pl.len()).cast(pl.String).alias("_row_hash"),
        pl.lit(_INGESTED_AT).alias("_ingested_at"),
        partition_keys(rows, dataset).alias("_partition"),
    )
