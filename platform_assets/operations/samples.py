"""Samples learnt and drawn from: a file or a table in, a model in JSON, rows from it, a page on how alike they are."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from platform_assets.location import CodeLocation
from platform_assets.operations.errors import RequestError
from platform_assets.operations.generated_files import FileFormat, GeneratedFile, write_file
from platform_assets.operations.profiles import refuse_unknown_rows, rows_of
from platform_core.plugins import LIKENESS, load_plugins
from platform_core.quality.html import document, grid
from platform_core.synthetic.samples import Likeness, SampleModel, compare, draw, fit

_KEPT_BACK = 0.2
_EXPLAINED = (
    "<p>Distance: the largest difference of the two cumulated shares (numbers, instants), or the total variation "
    "(others). Median by group: how far a group's median is off on average, in the column's unit.</p>"
)


@dataclass(frozen=True)
class FittedSample:
    """What was learnt, and where it lies."""

    model: str
    rows: int
    columns: int
    groups: int
    suppressed: int
    likeness: Likeness | None


def fit_sample(
    location: CodeLocation,
    sample: str,
    *,
    group_by: Sequence[str],
    personal: Sequence[str],
    out: Path,
    report: Path | None,
    seed: int,
) -> FittedSample:
    """Learn a dataset's table or a file, and write the model; with a report, a fifth of the rows is kept back for it.

    Columns that a contract marks as personal data, or that look so in a file, are personal here, too.

    Raises:
        RequestError: The sample cannot be learnt.
    """
    refuse_unknown_rows(location.catalog, sample)
    with rows_of(sample, location.catalog, location.lake) as rows:
        frame, marked = rows.frame.collect(), list(rows.personal)
    kept_back = frame.clear()
    learnt = frame
    if report is not None:
        chosen = pl.int_range(frame.height, eager=True).hash(seed) % 100 < int(_KEPT_BACK * 100)
        learnt, kept_back = frame.filter(~chosen), frame.filter(chosen)
    try:
        model = fit(learnt, group_by=group_by, personal=[*personal, *marked])
    except ValueError as error:
        raise RequestError(f"{sample}: {error}") from error
    likeness = None
    if report is not None:
        drawn = pl.concat(list(draw(model, learnt.height, seed=seed)))
        smallest = int(min(model.shares.values()) * (model.rows - model.suppressed))
        likeness = compare(learnt, kept_back, drawn, group_by=group_by, smallest_group=smallest, seed=seed)
        metrics = load_plugins(LIKENESS)
        own = {name: (measure(learnt, drawn), measure(learnt, kept_back)) for name, measure in metrics.items()}
        report.write_text(likeness_page(sample, model, likeness, own), encoding="utf-8")
    out.write_text(json.dumps(model.to_mapping(), default=str), encoding="utf-8")
    return FittedSample(str(out), model.rows, len(model.columns), len(model.shares), model.suppressed, likeness)


def draw_sample(model: Path, *, rows: int, seed: int, out: Path, file_format: FileFormat) -> GeneratedFile:
    """Draw rows from a model into a file.

    Raises:
        RequestError: There is no model in the file.
    """
    try:
        read = SampleModel.from_mapping(json.loads(model.read_text(encoding="utf-8")))
    except OSError as error:
        raise RequestError(f"{model}: cannot be read ({error.strerror}). Fix: name a file of synth fit.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RequestError(f"{model}: {error}") from error
    return write_file(out, model.stem, draw(read, rows, seed=seed), file_format)


def likeness_page(
    name: str, model: SampleModel, likeness: Likeness, own: Mapping[str, tuple[float, float]] | None = None
) -> str:
    """Return a page that shows drawn rows beside rows that were kept back; `own` are measures of other packages."""
    drawn, back = likeness.drawn, likeness.kept_back
    lead = (
        f"{model.rows:,} rows learnt in {len(model.shares):,} groups; {model.suppressed:,} rows of rare groups were "
        "left out. Each number stands beside that of rows of the sample that were kept back and not learnt."
    )
    whole: list[list[object]] = [
        ["copies of a learnt row", likeness.copies, None],
        ["median distance to the closest learnt row", _short(likeness.closest), _short(likeness.closest_kept_back)],
        ["closer than the closest 1 % of rows kept back", f"{likeness.too_close:.1%}", "1.0%"],
        ["rows of the smallest group", likeness.smallest_group, None],
        ["mean difference of rank correlations", _short(drawn.correlation), _short(back.correlation)],
        ["a classifier tells them apart (0.5: not at all)", _short(drawn.classifier), _short(back.classifier)],
    ]
    whole += [[measure, _short(mine), _short(theirs)] for measure, (mine, theirs) in (own or {}).items()]
    columns: list[list[object]] = [
        [shape.name, shape.kind, _short(drawn.distances.get(shape.name)), _short(back.distances.get(shape.name)),
         _short(drawn.nulls.get(shape.name)), _short(drawn.conditional.get(shape.name)),
         _short(back.conditional.get(shape.name))]
        for shape in model.columns
    ]  # fmt: skip
    headings = ["column", "kept as", "distance", "kept back", "nulls", "median by group", "kept back"]
    sections = [
        "<h2>As a whole</h2>", grid(["measure", "drawn", "kept back"], whole, numbers=(1, 2)),
        "<h2>By column</h2>",
        _EXPLAINED,
        grid(headings, columns, numbers=range(2, 7)),
        "<h2>Distance by column</h2>", _bars(drawn.distances),
    ]  # fmt: skip
    return document(f"Rows like {name}", lead, sections)


def _bars(values: Any) -> str:
    from platform_core.quality.plot import bars  # noqa: PLC0415 - only for the page

    return bars(values, title="KS or total variation, drawn beside learnt", top=1.0, percent=True)


def _short(value: float | None) -> str | None:
    return None if value is None else f"{value:.4g}"
