"""Rows that somebody looked at and approved: designed inputs beside what was made of them, kept in the repository.

`{folder}/inputs/{dataset}.parquet` holds the inputs, so that a new version of the generator changes nothing;
`{folder}/{asset}.csv` what is made of them, sorted, as text that a review shows line by line.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

INPUTS = "inputs"
_DIGITS = 9
"""Of a number that is not whole: sums in another order differ beyond."""


@dataclass(frozen=True)
class ExpectedRows:
    """The folder of approved rows."""

    folder: Path

    def inputs(self, names: Mapping[str, Mapping[str, pl.DataType]]) -> dict[str, pl.DataFrame] | None:
        """Read the inputs of the named datasets; None where one lacks, or has other columns than its contract."""
        tables = {}
        for name, schema in names.items():
            path = self.folder / INPUTS / f"{name}.parquet"
            if not path.exists():
                return None
            rows = pl.read_parquet(path)
            if dict(rows.schema) != dict(schema):
                return None
            tables[name] = rows
        return tables

    def rows(self, name: str) -> list[str] | None:
        """Read what is expected of an asset, a line a row below the heading; None where nothing was approved."""
        path = self.folder / f"{name}.csv"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else None

    def approve(self, inputs: Mapping[str, pl.DataFrame], made: Mapping[str, pl.DataFrame]) -> list[Path]:
        """Write inputs and what was made of them; return the files."""
        paths = []
        for name, rows in inputs.items():
            path = self.folder / INPUTS / f"{name}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            rows.write_parquet(path, compression="zstd")
            paths.append(path)
        for name, rows in made.items():
            path = self.folder / f"{name}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(lines_of(rows)) + "\n", encoding="utf-8")
            paths.append(path)
        return paths


def lines_of(rows: pl.DataFrame) -> list[str]:
    """Write rows as lines of CSV below a heading of names, in an order of their own: a table has none."""
    texts = rows.select(_text(name, kind) for name, kind in rows.schema.items())
    heading, *lines = texts.write_csv(null_value="").splitlines() if rows.width else [""]
    return [heading, *sorted(lines)]


def _text(name: str, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if kind.is_float():
        return column.round_sig_figs(_DIGITS).cast(pl.String)
    if kind.is_nested():
        return column.map_elements(str, return_dtype=pl.String)
    if isinstance(kind, pl.Duration):
        return column.dt.total_microseconds().cast(pl.String)
    if isinstance(kind, pl.Binary):
        return column.bin.encode("hex")
    return column.cast(pl.String)
