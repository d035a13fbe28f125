"""A sheet of a workbook as rows. It is held whole, for it is one compressed document; Excel has at most 1,048,576."""

from pathlib import Path

import numpy as np
import polars as pl

from platform_resources.errors import ConversionError
from platform_resources.readers.damage import refuse_damage
from platform_resources.readers.rows import Rows


def excel(path: Path, name: str, sheet: str | None = None, header_row: int = 1) -> Rows:
    """Read one sheet of a workbook as rows; see `sheet_of`."""
    frame, _ = sheet_of(path, name, sheet, header_row)
    return Rows(frame.schema, lambda: iter([frame]), total=frame.height)


def sheet_of(
    path: Path, name: str, sheet: str | None = None, header_row: int = 1
) -> tuple[pl.DataFrame, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Read one sheet of a workbook, and the row of the sheet that each row stands in; empty rows are left out.

    Args:
        path: The workbook.
        name: What an error calls it.
        sheet: Its name; the first one for None.
        header_row: The row that names the columns, counted from 1; what stands above it is skipped.

    Raises:
        ConversionError: There is no such sheet, or the workbook is damaged.
    """
    import fastexcel

    book = refuse_damage(lambda: fastexcel.read_excel(str(path)), name)
    if sheet is not None and sheet not in book.sheet_names:
        raise ConversionError(name, f"has no sheet {sheet!r}", fix=f"use one of {', '.join(book.sheet_names)}")
    chosen = sheet if sheet is not None else 0

    def loaded() -> pl.DataFrame:
        try:  # the type of a column is that of all its cells: those beyond a sample would be null, or days of 1900
            sheet = book.load_sheet(chosen, header_row=header_row - 1, schema_sample_rows=None)
        except fastexcel.UnsupportedColumnTypeCombinationError as error:
            column = str(error).rpartition("for column ")[2].strip()
            raise ConversionError(
                name, f"has durations and other values in one column: {column}", fix="give its cells one format"
            ) from error
        rows: pl.DataFrame = sheet.to_polars()
        return rows

    frame = refuse_damage(loaded, name)
    lines = np.arange(header_row + 1, header_row + 1 + frame.height, dtype=np.int64)
    if not frame.width:
        return frame, lines
    filled = frame.select(~pl.all_horizontal(pl.all().is_null())).to_series()
    return frame.filter(filled), lines[filled.to_numpy()]
