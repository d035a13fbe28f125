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
    for failure in failures:
        values = "; ".join(f"{name}={_safe(value)}" for name, value in failure.values.items())
        writer.writerow([failure.source, failure.row, failure.sentence, "; ".join(failure.columns), values])
    return text.getvalue()


def _safe(value: object) -> str:
    """Return a value so that no spreadsheet takes it for a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in {*"=+-@\t"} and not text.lstrip("+-").replace(".", "", 1).isdigit() else text


def supplier_page(name: str, failures: Sequence[Failure]) -> str:
    """Return the report as a page."""
    files = len({failure.source for failure in failures})
    rows = len({(failure.source, failure.row) for failure in failures})
    return document(f"Rows of {name} that were refused", f"{rows:,} rows in {files} files", _sections(failures))


def _sections(failures: Sequence[Failure]) -> Iterator[str]:
    counts = Counter(failure.sentence for failure in failures)
    yield grid(["rule", "rows"], [[sentence, f"{count:,}"] for sentence, count in counts.most_common()], numbers=(1,))
    for sentence, count in counts.most_common():
        sentence_failures = [failure for failure in failures if failure.sentence == sentence]
        more = f", the first {_ROWS} here" if count > _ROWS else ""
        yield f"<h2>{escape(sentence)}</h2><p>{count:,} rows{more}</p>"
        yield grid(["file", "row", *sentence_failures[0].columns], [
            [failure.source, failure.row, *(failure.values.get(column) for column in sentence_failures[0].columns)]
            for failure in sentence_failures[:_ROWS]
        ], numbers=(1,))  # fmt: skip
