"""Rows into a Delta table: one commit, made of a stream, read back, and undone if it says something else."""

# ruff: noqa: PLC0415 - vendors, and what imports them, are imported by the conversions that use them

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from platform_resources.conversion import verifying
from platform_resources.conversion.chunks import first_plan
from platform_resources.conversion.columnar_target import delta_batches, delta_reader
from platform_resources.conversion.fingerprint import Fingerprint, fingerprint_of
from platform_resources.conversion.targets import Prepared, Target
from platform_resources.conversion.writing import Progress, Tally
from platform_resources.errors import ConversionError, NotVerified
from platform_resources.readers.rows import Rows
from platform_resources.settings import Settings
from platform_resources.storage.columns import loses_nanoseconds
from platform_resources.storage.folder import Folder, folder_at

if TYPE_CHECKING:
    from deltalake import DeltaTable

_BATCH = 16_384


def write_delta(
    rows: Rows, target: Target, fit: Prepared, *, settings: Settings, memory_bytes: int, progress: Progress
) -> tuple[Tally, int]:
    """Write the rows as the whole content of a table; gives what was written and the bytes it lies in.

    A table that is there gets a new version; readers of the old one are not disturbed.

    Raises:
        NotVerified: What was read back differs; the version before it was restored, or nothing is left of a new table.
        ConversionError: A column has nanoseconds that Delta would lose; the same is left.
    """
    from arro3.core import RecordBatchReader
    from deltalake import CommitProperties, DeltaTable, write_deltalake
    from deltalake.exceptions import CommitFailedError

    location = target.location if target.location.startswith("s3://") else str(Path(target.location).absolute())
    options = settings.s3.delta_options() if location.startswith("s3://") else None
    is_table = DeltaTable.is_deltatable(location, options)
    tally = Tally(first_plan(memory_bytes), progress)
    schema = delta_reader(pl.DataFrame(schema=fit.schema)).schema
    lost: set[str] = set()
    reader = RecordBatchReader.from_batches(schema, delta_batches(_watched(rows, lost), fit, tally))
    mode = "overwrite" if is_table else "error"
    version = DeltaTable(location, storage_options=options).version() + 1 if is_table else 0
    try:
        write_deltalake(
            location,
            reader,
            mode=mode,
            schema_mode="overwrite" if is_table else None,
            storage_options=options,
            commit_properties=CommitProperties(max_commit_retries=0),  # type: ignore[call-overload]  # a mode
        )
    except CommitFailedError as error:  # tried again, a table that two writers make would have the rows of both
        raise _already_there(target) from error
    table, folder = DeltaTable(location, version, storage_options=options), folder_at(location, settings.s3)
    _refuse_lost(table, target, lost, folder)
    _verify(table, target, fit, tally.print_, folder)
    return tally, sum(table.get_add_actions(flatten=True).column("size_bytes").to_pylist())


def _already_there(target: Target) -> ConversionError:
    return ConversionError(
        target.location,
        "another writer changed the table meanwhile; what it wrote stands, and these rows were not written",
        fix="convert it again, with --overwrite",
    )


def _watched(rows: Rows, lost: set[str]) -> Iterator[pl.DataFrame]:
    """Yield the rows; columns with nanoseconds that are no whole microseconds are noted."""
    for frame in rows.frames():
        lost.update(column.name for column in frame if loses_nanoseconds(column))
        yield frame


def _refuse_lost(table: "DeltaTable", target: Target, lost: set[str], folder: Folder) -> None:
    if lost:
        _undo(table, folder, target)
        raise ConversionError(
            target.location,
            f"Delta keeps microseconds, and {', '.join(sorted(lost))} has nanoseconds that are no whole ones; "
            "nothing was published",
            fix="write Parquet or Arrow, or cast the column to Datetime('us') or text first",
        )


def _verify(table: "DeltaTable", target: Target, fit: Prepared, wrote: Fingerprint, folder: Folder) -> None:
    from platform_resources.storage.formats.delta_frames import restored

    frame = restored(table)
    try:
        verifying.refuse_schema(target, fit.schema, frame.collect_schema())
        fingerprint = fingerprint_of(frame.collect_batches(chunk_size=_BATCH, maintain_order=False, engine="streaming"))
        verifying.refuse_difference(target, wrote, fingerprint)
    except NotVerified:
        _undo(table, folder, target)
        raise


def _undo(table: "DeltaTable", folder: Folder, target: Target) -> None:
    """Make the version before the latest one again, or leave nothing of a table that was new."""
    if table.version():
        table.restore(table.version() - 1)
        return
    for entry in sorted(folder.entries(), key=lambda listed: not listed.name.startswith("_delta_log")):
        folder.remove(entry.name)
    if not target.location.startswith("s3://"):
        _remove_empty(Path(target.location))


def _remove_empty(place: Path) -> None:
    """Remove a folder and those within, but for what holds files, so that the name is free again."""
    for folder in sorted((path for path in place.rglob("*") if path.is_dir()), reverse=True):
        with suppress(OSError):
            folder.rmdir()
    with suppress(OSError):
        place.rmdir()
