"""Whether the two ends of each edge of the graph fit: what one side promises, and what the other takes over from it.

A column that reaches another one of the same name, alone, must keep its type, its unit, and its mark as personal data;
a reference must be of the type that it is looked up as. What a reader asks for and does not find fails its own step.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import polars as pl

from platform_assets.location import CodeLocation
from platform_assets.operations.lineage import location_lineage
from platform_core.contracts import Catalog
from platform_core.contracts.columns import Column
from platform_core.lineage.graph import WHOLE, ColumnEdge, Edge, Lineage


@dataclass(frozen=True)
class EdgeReport:
    """One edge.

    Attributes:
        source: The asset above.
        target: The asset below.
        how: `input`, or `reference` where its rows are only looked up.
        columns: Of the source that reach the target, where that is known.
        problems: What does not fit; none where all does.
    """

    source: str
    target: str
    how: str
    columns: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether both ends fit."""
        return not self.problems


def judge_edges(location: CodeLocation, names: Collection[str]) -> tuple[EdgeReport, ...]:
    """Judge the edges between the named assets, of a location whose tables were made."""
    lineage = location_lineage(location)
    edges = sorted(edge for edge in lineage.edges if edge.source in names and edge.target in names)
    return tuple(_judged(edge, lineage, location.catalog) for edge in edges)


def _judged(edge: Edge, lineage: Lineage, catalog: Catalog) -> EdgeReport:
    between = [
        column
        for column in lineage.columns
        if (column.source, column.target) == (edge.source, edge.target)
        and (column.how == "reference") == (edge.how == "reference")
    ]
    columns = tuple(
        sorted({column_edge.source_column for column_edge in between if column_edge.source_column != WHOLE})
    )
    problems = tuple(
        dict.fromkeys(
            problem for column_edge in sorted(between) for problem in _problems(column_edge, lineage, catalog)
        )
    )
    return EdgeReport(edge.source, edge.target, edge.how, columns, problems)


def _problems(edge: ColumnEdge, lineage: Lineage, catalog: Catalog) -> Iterator[str]:
    ends = _column(catalog, edge.source, edge.source_column), _column(catalog, edge.target, edge.target_column)
    above, below = ends
    if above is None or below is None or edge.how not in {"value", "reference"}:
        return
    if edge.how == "reference":
        if _family(above.dtype) != _family(below.dtype):
            yield f"{below.name} is {below.dtype}, and is looked up as {above.name}, {above.dtype}"
        return
    target = (edge.target, edge.target_column, "value")
    origins = {(column.source, column.source_column) for column in lineage.columns
               if (column.target, column.target_column, column.how) == target}  # fmt: skip
    if above.name != below.name or len(origins) > 1:
        return
    if _family(above.dtype) != _family(below.dtype):
        yield f"{below.name} is {above.dtype} above and {below.dtype} below"
    if above.unit and below.unit and above.unit != below.unit:
        yield f"{below.name} is in {above.unit} above and in {below.unit} below"
    if above.pii is not None and below.pii is None:
        yield f"{below.name} is personal data ({above.pii}) above and not marked below"


def _column(catalog: Catalog, name: str, column: str) -> Column | None:
    if name not in catalog.datasets:
        return None
    return next((candidate for candidate in catalog[name].columns if candidate.name == column), None)


def _family(dtype: pl.DataType) -> str:
    """Name what values can be compared with: widths of numbers and ways to hold texts do not matter."""
    if dtype.is_numeric():
        return "number"
    if dtype in {pl.String, pl.Categorical, pl.Enum}:
        return "text"
    return str(dtype.base_type())
