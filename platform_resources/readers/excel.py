"""A sheet of a workbook as rows. It is held whole, for it is one compressed document; Excel has at most 1,048,576."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from platform_resources.errors import ConversionError
from platform_resources.readers.damage import refuse_damage
from platform_resources.readers.rejects import Rejected
from platform_resources.readers.rows import Rows

if TYPE_CHECKING:
    import fastexcel


def excel(path: Path, name: str, rejects: Rejected, sheet: str | None = None, header_row: int = 1) -> Rows:
    """Read one sheet of a workbook as rows; see `read_sheet`. Rows with a cell that is an error are rejected."""
    cells = read_sheet(path, name, sheet, header_row)

    def frames() -> Iterator[pl.DataFrame]:
        for line, reason, text in cells.refused():
            rejects.add(line, reason, text)
        yield cells.frame

    return Rows(cells.frame.schema, frames, total=cells.frame.height + len(cells.texts))


@dataclass(frozen=True)
class ErrorCell:
    """A cell whose formula gave an error, such as `#N/A`.

    Attributes:
        row: Of the sheet, from 1.
        place: As Excel calls it, `C7`.
        column: The name of its column.
        text: The error as Excel shows it.
    """

    row: int
    place: str
    column: str
    text: str


@dataclass(frozen=True)
class SheetRows:
    """The rows of a sheet; empty ones are left out.

    Attributes:
        frame: Rows without an error cell.
        lines: The row of the sheet that each of them stands in, from 1.
        errors: Error cells, in the order of rows; their rows are not in the frame.
        texts: By the row of the sheet, what stands in a row with an error cell, as a JSON object.
    """

    frame: pl.DataFrame
    lines: np.ndarray[tuple[int], np.dtype[np.int64]]
    errors: tuple[ErrorCell, ...] = ()
    texts: Mapping[int, str] = field(default_factory=dict)

    def refused(self) -> Iterator[tuple[int, str, str]]:
        """Yield of each row with an error cell its number, the reason, and its text."""
        for row, cells in groupby(self.errors, key=lambda cell: cell.row):
            named = ", ".join(f"{cell.place} ({cell.column}) is the error {cell.text}" for cell in cells)
            yield row, named, self.texts[row]


NullTexts = Sequence[str] | Mapping[str, Sequence[str]] | None


def read_sheet(
    path: Path, name: str, sheet: str | None = None, header_row: int = 1, *, null_texts: NullTexts = ()
) -> SheetRows:
    """Read one sheet of a workbook; empty rows are left out, times of day are times, and error cells are named.

    Args:
        path: The workbook.
        name: What an error calls it.
        sheet: Its name; the first one for None.
        header_row: The row that names the columns, counted from 1; what stands above it is skipped.
        null_texts: Errors that are null, such as `#N/A`, for all columns or by the sheet's name of a column.

    Raises:
        ConversionError: There is no such sheet, or the workbook is damaged.
    """
    import fastexcel

    book = refuse_damage(lambda: fastexcel.read_excel(str(path)), name)
    if sheet is not None and sheet not in book.sheet_names:
        raise ConversionError(name, f"has no sheet {sheet!r}", fix=f"use one of {', '.join(book.sheet_names)}")
    chosen = sheet if sheet is not None else 0

    def loaded() -> tuple[pl.DataFrame, list[ErrorCell]]:
        try:  # the type of a column is that of all its cells: those beyond a sample would be null, or days of 1900
            sheet = book.load_sheet(chosen, header_row=header_row - 1, schema_sample_rows=None)
        except fastexcel.UnsupportedColumnTypeCombinationError as error:
            column = str(error).rpartition("for column ")[2].strip()
            raise ConversionError(
                name, f"has durations and other values in one column: {column}", fix="give its cells one format"
            ) from error
        rows: pl.DataFrame = sheet.to_polars()
        return rows, list(_error_cells(sheet, header_row, null_texts)) if rows.width else []

    frame, errors = refuse_damage(loaded, name)
    lines = np.arange(header_row + 1, header_row + 1 + frame.height, dtype=np.int64)
    if not frame.width:
        return SheetRows(frame, lines)
    frame = frame.with_columns(column.dt.time() for column in frame if _is_times(column))
    erroneous = pl.Series(np.isin(lines, [cell.row for cell in errors]))
    filled = ~erroneous & frame.select(~pl.all_horizontal(pl.all().is_null())).to_series()
    return SheetRows(frame.filter(filled), lines[filled.to_numpy()], tuple(errors), _texts(frame, errors, header_row))


_ERRORS = {"Div0": "#DIV/0!", "NA": "#N/A", "Name": "#NAME?", "Null": "#NULL!", "Num": "#NUM!", "Ref": "#REF!",
           "Value": "#VALUE!", "GettingData": "#GETTING_DATA"}  # fmt: skip
_ERROR = re.compile(r"Error\((\w+)\)")
_NO_DAY = [date(1899, 12, 30), date(1899, 12, 31), date(1904, 1, 1)]
"""The days before the first one of Excel's calendars: a cell with such a day is a time of day alone."""


def _error_cells(sheet: "fastexcel.ExcelSheet", header_row: int, null_texts: NullTexts) -> Iterator[ErrorCell]:
    """Yield the cells that are errors; the reader gives nulls for them, and tells where beside."""
    columns = sheet.available_columns()
    _, cell_errors = sheet.to_arrow_with_errors()
    for error in sorted(cell_errors.errors if cell_errors else (), key=lambda error: error.offset_position):
        known = _ERROR.search(error.detail)
        row, at = error.offset_position
        text = _ERRORS.get(known[1], f"#{known[1]}") if known else "#VALUE!"
        column = columns[at]
        nulls = null_texts.get(column.name, ()) if isinstance(null_texts, Mapping) else null_texts
        if text not in (nulls or ()):
            place = f"{_letters(column.absolute_index)}{header_row + 1 + row}"
            yield ErrorCell(header_row + 1 + row, place, column.name, text)


def _letters(index: int) -> str:
    """Return what Excel calls the column at an index from 0: A, Z, AA."""
    return (_letters(index // 26 - 1) if index > 25 else "") + chr(ord("A") + index % 26)  # noqa: PLR2004 - letters


def _is_times(column: pl.Series) -> bool:
    """Whether all cells of a column are times of day, which the reader gives on the day before Excel's first one."""
    filled = column.drop_nulls()
    return (
        isinstance(column.dtype, pl.Datetime) and not filled.is_empty() and bool(filled.dt.date().is_in(_NO_DAY).all())
    )


def _text(value: object) -> str:
    """Return the text of a cell; a whole number without a point, for all numbers of a workbook are floats."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _texts(frame: pl.DataFrame, errors: Sequence[ErrorCell], header_row: int) -> dict[int, str]:
    """Return the cells of each row with an error as a JSON object of texts, the errors among them."""
    texts = {}
    for row, cells in groupby(errors, key=lambda cell: cell.row):
        record = {
            name: None if value is None else _text(value)
            for name, value in frame.row(row - header_row - 1, named=True).items()
        }
        texts[row] = json.dumps(record | {cell.column: cell.text for cell in cells}, ensure_ascii=False)
    return texts
