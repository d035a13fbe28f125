"""Profiles and suggested rules of what is stored, and of files that nobody declared."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from platform_assets.ingest import table_spec
from platform_assets.operations.errors import UnknownName
from platform_core.contracts import Catalog, Dataset, ReferenceRule, rules_of
from platform_core.privacy.detect import suspected_pii
from platform_core.quality.profile import Profile, profile
from platform_core.quality.suggest import FEWEST_ROWS, Suggestion, literal, rule_id, suggest
from platform_resources.conversion import Conversion, Options, convert
from platform_resources.settings import Settings
from platform_resources.storage import Lake

_PARQUET = b"PAR1"
_COVERAGE = 0.8
"""A smaller share of values found elsewhere is taken for chance."""


@dataclass(frozen=True)
class Rows:
    """Rows that somebody named: a dataset's table, or a file.

    Attributes:
        name: As it was named.
        frame: The rows, without the columns that the platform adds.
        dataset: The declaration; None for a file.
        personal: The class of personal data by column: as declared, or as it looks in a file.
        partition: The key of a row's partition; None where there are none.
        malformed: How many records of a file could be no row, and are in nothing that is measured.
        encoding: Of a text that is neither UTF-8 nor marked, as the file looks; None for any other.
        has_header: False for a CSV file whose first record names no columns.
    """

    name: str
    frame: pl.LazyFrame
    dataset: Dataset | None
    personal: Mapping[str, str]
    partition: pl.Expr | None
    malformed: int = 0
    encoding: str | None = None
    has_header: bool = True


def refuse_unknown_rows(catalog: Catalog, name: str) -> None:
    """Return when the name is a dataset, a file, a folder or an address.

    Raises:
        UnknownName: It is none of them.
    """
    if name not in catalog.datasets and "://" not in name and not Path(name).exists():
        raise UnknownName("dataset or file", name, catalog.datasets)


@contextmanager
def rows_of(
    name: str,
    catalog: Catalog,
    lake: Lake,
    *,
    version: str | None = None,
    sheet: str | None = None,
    header_row: int = 1,
) -> Iterator[Rows]:
    """Yield the rows of a dataset's table, or of a file or folder of that name.

    Args:
        name: `domain/dataset`, or the path or s3:// address of a file in any format that `platform convert` reads.
        catalog: What is declared.
        lake: The tables.
        version: An earlier version of the table.
        sheet: Of a workbook; the first one without.
        header_row: The row of a workbook that names the columns; counted from 1.

    Raises:
        TableNotFound: The dataset was never filled.
        ConversionError: The file cannot be read, or is no workbook.
    """
    dataset = catalog.datasets.get(name)
    if dataset is not None:
        yield _stored(dataset, lake, version)
        return
    with tempfile.TemporaryDirectory(prefix="platform-profile-") as folder:
        yield _landed(name, Path(folder), lake.settings, sheet, header_row)


def _stored(dataset: Dataset, lake: Lake, version: str | None) -> Rows:
    frame = lake.scan(table_spec(dataset), version=version)
    present = frame.collect_schema()
    columns = [column.name for column in dataset.columns if column.name in present]
    partitioned = dataset.partitions is not None and set(dataset.partitions.columns) <= set(present)
    return Rows(
        name=dataset.name,
        frame=frame.select(columns),
        dataset=dataset,
        personal={column.name: column.pii for column in dataset.columns if column.pii is not None},
        partition=dataset.partitions.key() if dataset.partitions and partitioned else None,
    )


def _landed(name: str, folder: Path, settings: Settings, sheet: str | None, header_row: int) -> Rows:
    options = Options(rejects=str(folder / "rejects.jsonl"), sheet=sheet, header_row=header_row)
    done = None if _is_parquet(name) else _converted(name, folder, settings, options)
    frame = pl.scan_parquet(name if done is None else done.target)
    return Rows(
        name=name,
        frame=frame,
        dataset=None,
        personal=suspected_pii(frame),
        partition=None,
        malformed=done.rejected if done else 0,
        has_header=done is None or done.header is not False,
        encoding=done.encoding if done and done.encoding and not done.encoding.startswith("utf") else None,
    )


def _is_parquet(name: str) -> bool:
    path = Path(name)
    if not path.is_file():
        return False
    with path.open("rb") as opened:
        return opened.read(len(_PARQUET)) == _PARQUET


def _converted(name: str, folder: Path, settings: Settings, options: Options) -> Conversion:
    """Write the file's rows as the converter reads them: format, encoding, delimiter and types by its content."""
    target = folder / "rows.parquet"
    return convert(name, str(target), settings=settings, options=options)


def profile_of(rows: Rows, *, approximate: bool = False) -> Profile:
    """Measure the rows."""
    return profile(rows.name, rows.frame, personal=rows.personal, partition=rows.partition, approximate=approximate)


def suggestions_of(rows: Rows, measured: Profile, catalog: Catalog, lake: Lake) -> tuple[Suggestion, ...]:
    """Suggest rules for the rows; what a declared dataset already says is left out.

    Args:
        rows: A table or a file.
        measured: Its profile.
        catalog: What is declared, for references into other datasets.
        lake: Their tables.
    """
    suggestions = [*suggest(measured, rows.frame), *_references(rows, measured, catalog, lake)]
    return tuple(
        suggestion for suggestion in suggestions if rows.dataset is None or not _declared(suggestion, rows.dataset)
    )


def _declared(suggestion: Suggestion, dataset: Dataset) -> bool:
    """Return whether the declaration already says so, by the ids of its rules."""
    ids = {rule.id for rule in rules_of(dataset)}
    if len(suggestion.columns) != 1:
        return suggestion.id in ids
    name = suggestion.columns[0]
    same = {"complete": "not_null", "known": "isin", "shape": "matches", "unique": "unique", "length": "length"}
    kind = next((kind for kind in same if suggestion.id == rule_id(name, kind)), None)
    of_key = kind == "unique" and tuple(dataset.key) == (name,)
    return suggestion.id in ids or of_key or (kind is not None and rule_id(name, same[kind]) in ids)


def _references(rows: Rows, measured: Profile, catalog: Catalog, lake: Lake) -> Iterator[Suggestion]:
    """Suggest references into tables whose one key column has the same name and type, and most of the values."""
    schema = rows.frame.collect_schema()
    declared = (
        {rule.columns for rule in rules_of(rows.dataset) if isinstance(rule, ReferenceRule)} if rows.dataset else ()
    )
    for other in catalog.datasets.values():
        name = other.key[0] if len(other.key) == 1 else None
        column = other.column(name) if name else None
        if name is None or column is None or other.name == rows.name or schema.get(name) != column.dtype:
            continue
        if (name,) in declared or measured.column(name).filled < FEWEST_ROWS or not lake.exists(table_spec(other)):
            continue
        keys = lake.scan(table_spec(other), columns=[name])
        share = float(
            rows.frame.select(pl.col(name).drop_nulls().is_in(keys.collect()[name].implode()).mean()).collect().item()
        )
        if share > _COVERAGE:
            coverage = 1.0 if share == 1 else int(share * 98) / 100
            yield Suggestion(
                id=rule_id(name, "references"),
                columns=(name,),
                code=f'references(({literal(name)},), {literal(other.name)}, coverage={coverage:g}, severity="warn")',
                evidence=f"{share:.1%} of {measured.column(name).filled:,} values are in {other.name}.{name}",
            )
