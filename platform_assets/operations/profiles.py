"""Profiles and suggested rules of what is stored, and of files that nobody declared."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from platform_assets.ingest import table_spec
from platform_core.contracts import Catalog, Dataset
from platform_core.privacy.detect import suspected_pii
from platform_core.quality.profile import Profile, profile
from platform_resources.conversion import Options, convert
from platform_resources.settings import Settings
from platform_resources.storage import Lake

_PARQUET = b"PAR1"


@dataclass(frozen=True)
class Rows:
    """Rows that somebody named: a dataset's table, or a file.

    Attributes:
        name: As it was named.
        frame: The rows, without the columns that the platform adds.
        dataset: The declaration; None for a file.
        personal: The class of personal data by column: as declared, or as it looks in a file.
        partition: The key of a row's partition; None where there are none.
    """

    name: str
    frame: pl.LazyFrame
    dataset: Dataset | None
    personal: Mapping[str, str]
    partition: pl.Expr | None


@contextmanager
def rows_of(name: str, catalog: Catalog, lake: Lake, *, version: str | None = None) -> Iterator[Rows]:
    """Yield the rows of a dataset's table, or of a file or folder of that name.

    Args:
        name: `domain/dataset`, or the path or s3:// address of a file in any format that `platform convert` reads.
        catalog: What is declared.
        lake: The tables.
        version: An earlier version of the table.

    Raises:
        TableNotFound: The dataset was never filled.
        ConversionError: The file cannot be read.
    """
    dataset = catalog.datasets.get(name)
    if dataset is not None:
        yield _stored(dataset, lake, version)
        return
    with tempfile.TemporaryDirectory(prefix="platform-profile-") as folder:
        yield _landed(name, Path(folder), lake.settings)


def _stored(dataset: Dataset, lake: Lake, version: str | None) -> Rows:
    frame = lake.scan(table_spec(dataset), version=version)
    present = frame.collect_schema()
    columns = [column.name for column in dataset.columns if column.name in present]
    partitioned = dataset.partitions is not None and dataset.partitions.on in present
    return Rows(
        name=dataset.name,
        frame=frame.select(columns),
        dataset=dataset,
        personal={column.name: column.pii for column in dataset.columns if column.pii is not None},
        partition=dataset.partitions.key() if dataset.partitions and partitioned else None,
    )


def _landed(name: str, folder: Path, settings: Settings) -> Rows:
    frame = pl.scan_parquet(name) if _is_parquet(name) else _converted(name, folder, settings)
    return Rows(name=name, frame=frame, dataset=None, personal=suspected_pii(frame), partition=None)


def _is_parquet(name: str) -> bool:
    path = Path(name)
    if not path.is_file():
        return False
    with path.open("rb") as opened:
        return opened.read(len(_PARQUET)) == _PARQUET


def _converted(name: str, folder: Path, settings: Settings) -> pl.LazyFrame:
    """Return the file's rows as the converter reads them: format, encoding, delimiter and types by its content."""
    target = folder / "rows.parquet"
    convert(name, str(target), settings=settings, options=Options(rejects=str(folder / "rejects.jsonl")))
    return pl.scan_parquet(target)


def profile_of(rows: Rows, *, approximate: bool = False) -> Profile:
    """Measure the rows."""
    return profile(rows.name, rows.frame, personal=rows.personal, partition=rows.partition, approximate=approximate)
