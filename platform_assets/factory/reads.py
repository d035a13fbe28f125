"""By which columns a lazy query chooses the rows of its inputs, as its own plan says; evidence for upkeep.

The plan is what Polars will run: a filter that it pushed to a scan stands there, beside the files that it is pushed to.
"""

import re
from collections.abc import Mapping

import polars as pl

READS = "reads"
"""The key of a materialisation's metadata: by input, the columns that it was filtered by."""

_SCAN = re.compile(r"PYTHON\[(?P<cached>[^\]]+)\] SCAN|SCAN \[(?P<file>[^\],]+)")
_SELECTION = re.compile(r"^\s*SELECTION: (?P<predicate>.*)$")
_COLUMN = re.compile(r'col\("(.*?)"\)')  # a quote within a name stands as it is


def filters_of(query: pl.LazyFrame, places: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the columns by whose values each input is filtered, by the input's name.

    An input without a filter has none.

    Args:
        query: Nothing of it is run.
        places: Where the table of each input lies, by its name.
    """
    filtered_columns: dict[str, dict[str, None]] = {name: {} for name in places}
    scanned: str | None = None
    for line in query.explain().splitlines():
        if scan := _SCAN.search(line):
            file = scan["file"] or f"{scan['cached']}/"
            scanned = next((name for name, place in places.items() if file.startswith(f"{place}/")), None)
        elif (selection := _SELECTION.match(line)) and scanned is not None:
            filtered_columns[scanned] |= dict.fromkeys(_COLUMN.findall(selection["predicate"]))
    return {name: sorted(columns) for name, columns in filtered_columns.items()}
