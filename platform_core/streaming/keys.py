"""The rows of some keys apart from those of all others: a fold works on the former, and the latter stay where they are.

So what a step costs follows the keys that something happened to; to find them is one look at each row. The order of
rows stays, by which whoever keeps a state sees at once what of it is as it was.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

ROW = "_row"
"""The column that says where a row stands in the frame that it was taken from."""


def rows_of_keys(rows: pl.DataFrame, keys: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Return the rows whose key is among others, in order, with where they stand; all where there is no key.

    Args:
        rows: What is looked through.
        keys: Rows with the columns of the key; a key may come again, and null is one.
        by: The columns of the key.
    """
    if not by:
        return rows.with_row_index(ROW)
    among = (
        rows.select(by).with_row_index(ROW).join(keys.select(by).unique(), on=list(by), how="semi", nulls_equal=True)
    )
    places = among[ROW].sort()
    return rows[places].insert_column(0, places)


def put_back(
    rows: pl.DataFrame, taken: pl.DataFrame, remaining: pl.DataFrame, columns: Sequence[str] = ()
) -> pl.DataFrame:
    """Return the rows without those that were taken out, but for the remaining of them, each at its place.

    Args:
        rows: Where rows were taken from.
        taken: What `rows_of_keys` gave.
        remaining: Some of them, in any order, with where they stand.
        columns: Of these they bring their own values.
    """
    stays, places = np.ones(rows.height, dtype=bool), remaining[ROW].to_numpy()
    stays[taken[ROW].to_numpy()] = False
    stays[places] = True
    changed = []
    for name in columns:
        values = rows[name].to_numpy().copy()
        values[places] = remaining[name].to_numpy()
        changed.append(pl.Series(name, values, dtype=rows.schema[name]))
    return rows.with_columns(changed).filter(pl.Series(stays))
