"""The report that goes back to whoever sent a file: his file, his row, the rule in a sentence, grouped by rule."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape

from platform_assets.operations.quality import Failure
from platform_core.quality.html import document, grid

_ROWS = 200


def supplier_csv(failures: Sequence[Failure]) -> str:
    """Return one line a row and rule: file, row, rule, columns, values."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["file", "row", "rule", "columns", "values"])
    for each in failures:
        values = "; ".join(f"{name}={_safe(value)}" for name, value in each.values.items())
        writer.writerow([each.source, each.row, each.sentence, "; ".join(each.columns), values])
    return text.getvalue()


def _safe(value: object) -> str:
    """Return a value so that no spreadsheet takes it for a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in {*"=+-@\t"} and not text.lstrip("+-").replace(".", "", 1).isdigit() else text


def supplier_page(name: str, failures: Sequence[Failure]) -> str:
    """Return the report as a page."""
    files = len({each.source for each in failures})
    rows = len({(each.source, each.row) for each in failures})
    return document(f"Rows of {name} that were refused", f"{rows:,} rows in {files} files", _sections(failures))


def _sections(failures: Sequence[Failure]) -> Iterator[str]:
    counts = Counter(each.sentence for each in failures)
    yield grid(["rule", "rows"], [[sentence, f"{count:,}"] for sentence, count in counts.most_common()], numbers=(1,))
    for sentence, count in counts.most_common():
        found = [each for each in failures if each.sentence == sentence]
        more = f", the first {_ROWS} here" if count > _ROWS else ""
        yield f"<h2>{escape(sentence)}</h2><p>{count:,} rows{more}</p>"
        yield grid(["file", "row", *found[0].columns], [
            [each.source, each.row, *(each.values.get(column) for column in found[0].columns)]
            for each in found[:_ROWS]
        ], numbers=(1,))  # fmt: skip
