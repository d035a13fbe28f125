"""`Dataset`: the one declaration, and `Transform`: the pure function that fills a derived one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any, Generic, ParamSpec, TypeVar

import polars as pl

from platform_core.contracts.columns import Column, columns_of
from platform_core.contracts.model import DataFrameModel
from platform_core.contracts.partitions import Partitioning
from platform_core.contracts.publications import Publication
from platform_core.contracts.retention import Retention
from platform_core.contracts.sla import Sla
from platform_core.contracts.sources import Source
from platform_core.contracts.stores import Delta, Quarantine, Store
from platform_core.contracts.thresholds import Threshold
from platform_core.rules import Rule

ARRIVAL = "_arrival"
"""In `newest`: the order in which inputs came, and in one input that of its rows."""

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class Dataset:
    """A declared dataset, equal only to itself.

    Attributes:
        name: `"domain/dataset"`, its identity in the graph, in the lake and in references. It never changes.
        model: The Pandera model: the schema and the rules on columns.
        owner: `"team:aviation"` or an e-mail address.
        version: The contract's version, `major.minor.patch`; a new major is a new table beside the old one.
        description: What one row is, for people; by default the model's docstring.
        tags: Free labels.
        key: The columns that identify a row; never null, no two rows alike.
        newest: Which of several rows with one key stands, in one input and across inputs alike: the one with the
            greatest value of this column, of equal ones the one that came last; `"_arrival"` is the one that came last.
            None: across inputs the last, and in one input a second row with a key is refused.
        source: Where rows come from; None for a dataset made by a transform.
        partitions: How the table is divided: by time, by category, or by both.
        store: Format and write mode.
        rules: Rules beyond the columns' own.
        quarantine: Where bad rows go. None means that one bad row writes nothing and the last good table stays.
        freshness: The longest time without a materialisation.
        sla: What is promised beside freshness.
        thresholds: Bounds of what is measured of each write; outside of them there is an alert.
        retention: How long rows and earlier versions are kept; None keeps all rows, and versions for seven days.
        schedule: A cron line, in UTC, by which the dataset is materialised; None leaves it to sensors and upstreams.
        publish: Where changed rows go besides the table.
        synthetic: How generated rows are spread beyond what the rules say: a recipe's `schema` and `correlations`.
    """

    name: str
    model: type[DataFrameModel]
    owner: str = field(kw_only=True)
    version: str = field(kw_only=True)
    description: str = field(default="", kw_only=True)
    tags: Sequence[str] = field(default=(), kw_only=True)
    key: Sequence[str] = field(default=(), kw_only=True)
    newest: str | None = field(default=None, kw_only=True)
    source: Source | None = field(default=None, kw_only=True)
    partitions: Partitioning | None = field(default=None, kw_only=True)
    store: Store = field(default=Delta(), kw_only=True)
    rules: Sequence[Rule] = field(default=(), kw_only=True)
    quarantine: Quarantine | None = field(default=None, kw_only=True)
    freshness: timedelta | None = field(default=None, kw_only=True)
    sla: Sla | None = field(default=None, kw_only=True)
    thresholds: Sequence[Threshold] = field(default=(), kw_only=True)
    retention: Retention | None = field(default=None, kw_only=True)
    schedule: str | None = field(default=None, kw_only=True)
    publish: Sequence[Publication] = field(default=(), kw_only=True)
    synthetic: Mapping[str, Any] | None = field(default=None, kw_only=True)

    @property
    def domain(self) -> str:
        """The first part of the name."""
        return self.name.partition("/")[0]

    @property
    def title(self) -> str:
        """The last part of the name."""
        return self.name.rpartition("/")[2]

    @property
    def major(self) -> int:
        """The major version, which is part of the table's path."""
        return int(self.version.split(".", maxsplit=1)[0])

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The columns in the order declared."""
        return columns_of(self.model)

    @property
    def is_made(self) -> bool:
        """Whether its rows are made from other tables, by a transform or by a dbt model."""
        return self.source is None or self.source.is_dbt

    @property
    def newest_column(self) -> str | None:
        """The column whose greatest value wins a key; None where the order of arrival alone decides."""
        return None if self.newest == ARRIVAL else self.newest

    def newest_rows(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Keep of each key the row that stands, as `newest` says; rows come in their order of arrival."""
        ordered = rows.sort(self.newest_column, maintain_order=True) if self.newest_column else rows
        return ordered.unique(list(self.key), keep="last", maintain_order=True) if self.key else rows

    @cached_property
    def about(self) -> str:
        """The description, or the model's docstring."""
        return self.description or (self.model.__doc__ or "").strip()

    def column(self, name: str) -> Column | None:
        """Return the column of that name, or None."""
        return next((column for column in self.columns if column.name == name), None)

    def transform(
        self, function: Callable[P, R] | None = None, /, **inputs: "Dataset | str"
    ) -> Any:  # Transform[P, R] or a decorator returning it; a checker sees the call through Transform.__call__
        """Return a decorator that makes a pure function the maker of this dataset.

        Each parameter names an input: a dataset of the same domain, or the one given by keyword
        (`@marts.transform(flights=flights)`). Annotations choose the frame: `pl.LazyFrame`, `pl.DataFrame`,
        `pd.DataFrame`, `pa.Table`, `duckdb.DuckDBPyRelation`.
        """
        if function is None:
            return lambda decorated: Transform(self, decorated, inputs)
        return Transform(self, function, inputs)


@dataclass(frozen=True)
class Transform(Generic[P, R]):
    """A pure function from input frames to the rows of a dataset; calling it calls the function."""

    dataset: Dataset
    function: Callable[P, R]
    inputs: Mapping[str, Dataset | str]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what the function returns: a transform is tested as the plain function it is."""
        return self.function(*args, **kwargs)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the function's parameters, in order."""
        code = self.function.__code__
        return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]

    def input_name(self, parameter: str) -> str:
        """Return the name of the dataset that a parameter stands for."""
        source = self.inputs.get(parameter, f"{self.dataset.domain}/{parameter}")
        return source if isinstance(source, str) else source.name
