"""From one file to another: find out what it is, read it within a memory limit, write it, read it back, publish it.

Nothing stands under the target's name before its content was read back and found to be what was read.
"""

# ruff: noqa: PLC0415 - vendors, and what imports them, are imported by the conversions that use them

import errno
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from platform_resources.conversion import engine, locations, verifying
from platform_resources.conversion.attempts import Attempts
from platform_resources.conversion.blocks import VERIFY, Sample, checksum_of, file_checksum
from platform_resources.conversion.chunks import first_plan
from platform_resources.conversion.columnar_target import write_arrow, write_parquet
from platform_resources.conversion.engine import session
from platform_resources.conversion.fitting import fitting
from platform_resources.conversion.options import Conversion, Options
from platform_resources.conversion.reading import Bench, Opened, opened
from platform_resources.conversion.refusals import translated_errors
from platform_resources.conversion.targets import TEXTS, Prepared, Target, prepared, target_of
from platform_resources.conversion.text_target import write_text
from platform_resources.conversion.uploading import holds, upload
from platform_resources.conversion.writing import Progress, Tally
from platform_resources.errors import ConversionError, NotVerified
from platform_resources.readers.rejects import Rejects
from platform_resources.readers.rows import Conform, Rows
from platform_resources.s3 import holds_secret
from platform_resources.scratch import scratch_folder
from platform_resources.settings import Settings
from platform_resources.storage.folder import folder_at

LEAST_MEMORY_BYTES = 512 << 20
_WRITERS = {**dict.fromkeys(TEXTS, write_text), "parquet": write_parquet, "arrow": write_arrow}
_NO_DELIMITERS = '"\r\n\0'
_UNWRITABLE = frozenset({
    errno.EACCES, errno.EDQUOT, errno.EEXIST, errno.EFBIG, errno.EISDIR, errno.ENAMETOOLONG, errno.ENOENT,
    errno.ENOSPC, errno.ENOTDIR, errno.EPERM, errno.EROFS,
})  # fmt: skip


@dataclass
class _Work:
    """One conversion on its way."""

    source: str
    target: Target
    options: Options
    bench: Bench
    progress: Progress
    memory_bytes: int
    engine: str = "polars"
    plan: tuple[int | None, int | None] = (None, None)
    nulled: int = 0
    fit: Prepared = field(default_factory=lambda: Prepared(pl.Schema(), ()))

    @property
    def rejects(self) -> Rejects:
        """Rows set aside."""
        return self.bench.rejects


def convert(
    source: str,
    target: str,
    *,
    settings: Settings,
    options: Options | None = None,
    conform: Conform | None = None,
    progress: Progress | None = None,
) -> Conversion:
    """Write the rows of one file to another, verified, and gives what was done.

    What the source is (format, compression, encoding, delimiter, types) is found out from its content; what the target
    is to be, from its name. Rows that are malformed go to a reject file beside the target with line and reason.

    Args:
        source: A file, a Delta table's folder, or an s3:// address.
        target: The same.
        settings: How S3 is reached, and the memory limit.
        options: What is known better than the content tells.
        conform: Gives rows the types of a contract; what it cannot read is set aside.
        progress: Told the number of rows written so far.

    Raises:
        ConversionError: The source cannot be read, or the target cannot hold it; nothing was written.
        NotVerified: What was read back differs; nothing was published.
    """
    started = time.monotonic()
    chosen = options or Options()
    named_target = target_of(target, format_=chosen.to, compression=chosen.compression)
    memory = chosen.memory_bytes or settings.memory_bytes
    if memory < LEAST_MEMORY_BYTES:
        raise ConversionError(source, f"{memory:,} bytes of memory are too few", fix="allow 512 MiB or more")
    if chosen.delimiter is not None and (len(chosen.delimiter) != 1 or chosen.delimiter in _NO_DELIMITERS):
        raise ConversionError(source, f"{chosen.delimiter!r} delimits no fields", fix="use one character, such as ;")
    if chosen.verify not in VERIFY:
        raise ConversionError(target, f"is not verified by {chosen.verify!r}", fix=f"use one of {', '.join(VERIFY)}")
    with (
        translated_errors(source, target, settings.s3),
        scratch_folder() as scratch,
        ExitStack() as stack,
    ):
        bench = Bench(
            settings=settings,
            scratch=scratch,
            connection=stack.enter_context(session(memory, scratch)),
            rejects=stack.enter_context(Rejects(scratch / "rejects", source)),
            conform=conform,
        )
        work = _Work(source, named_target, chosen, bench, progress or (lambda _: None), memory)
        _refuse_target(work)
        with _within_memory(source):
            opened_source = opened(source, chosen, bench)
            with _writable(target):
                tally, size = _published(work, opened_source)
        return _record(work, opened_source, tally, size, time.monotonic() - started)


@contextmanager
def _within_memory(source: str) -> Iterator[None]:
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise ConversionError(source, "takes more memory than is allowed", fix="allow more with --memory") from error


@contextmanager
def _writable(target: str) -> Iterator[None]:
    """Yield; a folder that cannot be written, or has no room, is told by the name of the target."""
    try:
        yield
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        fix = "make room there and in TMPDIR" if full else "write to another folder, or correct this one's rights"
        why = error.strerror or errno.errorcode[error.errno]
        raise ConversionError(target, f"cannot be written ({why})", fix=fix) from error


def _published(work: _Work, opened_source: Opened) -> tuple[Tally, int]:
    """Return what was written and its size, once it stands under the target's name."""
    if work.target.format == "delta":
        return _into_delta(work, opened_source)
    with _draft(work) as path:
        tally = _written(work, opened_source, path)
        work.rejects.close()
        _publish_rejects(work)
        size = path.stat().st_size
        if _on_s3(work.target):
            checksum = file_checksum(path)
            upload(path, work.target.location, checksum, work.bench.settings.s3)
            _refuse_other_object(work, checksum)
    return tally, size


def _refuse_other_object(work: _Work, wrote: int) -> None:
    """Read the uploaded object back and compare its bytes; take it away if they differ.

    It stays where S3 says that it has their checksum, for then the way back has spoilt them, and where S3 does not
    answer. So it is taken away on servers alone that compare nothing at an upload, and what stood there before is gone.

    Raises:
        NotVerified: It has.
    """
    parent, name = _split(work.target.location)
    try:
        verifying.refuse_checksum(
            work.target, wrote, locations.object_checksum(work.target.location, work.bench.settings.s3)
        )
    except NotVerified:
        if not holds(work.target.location, wrote, work.bench.settings.s3):
            folder_at(parent, work.bench.settings.s3).remove(name)
        raise


def _on_s3(target: Target) -> bool:
    return target.location.startswith("s3://")


def _into_delta(work: _Work, opened_source: Opened) -> tuple[Tally, int]:
    """Return what was written as a version of a table."""
    from platform_resources.conversion.delta_target import write_delta

    rows = _judged(work, opened_source)
    work.fit = prepared(rows.schema, work.target)
    with fitting(rows, work.target) as fitted:
        tally, size = write_delta(
            fitted, work.target, work.fit, settings=work.bench.settings, memory_bytes=work.memory_bytes,
            progress=work.progress,
        )  # fmt: skip
    work.engine, work.plan = "polars + delta-rs", (tally.plan.rows, tally.plan.workers)
    _publish_rejects(work)
    return tally, size


def _judged(work: _Work, opened_source: Opened) -> Rows:
    """Return the rows of a CSV file in a way in which all of it can be read.

    The files of a commit cannot be begun again.
    """
    import duckdb

    rows, attempts = opened_source.rows, _attempts(work, opened_source)
    while rows.query is not None and attempts:
        try:
            height, *_ = engine.row(work.bench.connection, f"SELECT count(*), count(COLUMNS(*)) FROM ({rows.query})")  # noqa: S608 - quoted
            if rows.count is not None and height != rows.count():
                raise duckdb.InvalidInputException("there are other rows than records")
            break
        except duckdb.Error as error:
            rows = attempts.after(error)
    return rows


def _written(work: _Work, opened_source: Opened, path: Path) -> Tally:
    """Return what was written to the draft and read back.

    A CSV file that is not as it seemed is read again another way.
    """
    import duckdb

    rows, attempts = opened_source.rows, _attempts(work, opened_source)
    while True:
        try:
            return _once(work, rows, path)
        except duckdb.Error as error:
            if attempts is None or rows.query is None:
                if isinstance(error, duckdb.OutOfMemoryException):
                    raise
                raise ConversionError(
                    work.source,
                    f"DuckDB cannot read it ({_first_line(error)})",
                    fix="send it again, or allow more --memory",
                ) from error
            rows = attempts.after(error)


def _refuse_other_count(work: _Work, rows: Rows, tally: Tally) -> None:
    """Return where as many rows were written and set aside as the source holds, counted by another way than they were.

    Raises:
        duckdb.Error: DuckDB gave more or fewer rows of a text than its bytes hold, so that another way is to be tried.
        NotVerified: There is no other way.
        ConversionError: Not one record could be read, or more were set aside than may be.
    """
    import duckdb

    if rows.query is not None and rows.count is not None and (count := rows.count()) != tally.rows:
        raise duckdb.InvalidInputException(f"{tally.rows:,} rows were read, and its bytes hold {count:,}")
    if rows.query is None and rows.total is not None and rows.total != tally.rows + work.rejects.count:
        raise NotVerified(
            work.target.location,
            f"{tally.rows:,} rows were written, and the source has {rows.total:,}",
            fix="report it, and try another format",
        )
    _refuse_malformed(work, tally.rows)


def _refuse_malformed(work: _Work, rows: int) -> None:
    """Return where a record could be read, and no larger share of them was set aside than may be.

    Raises:
        ConversionError: Nothing is to be published.
    """
    share, count = work.options.malformed, work.rejects.count
    if work.rejects.first is None:
        return
    line, reason = work.rejects.first
    if share is not None and count > share * (rows + count):
        raise ConversionError(
            work.source,
            f"{count:,} of its {rows + count:,} records cannot be read; the first, on line {line:,}: {reason}",
            fix="send it again, or let more of it be set aside with --malformed",
        )
    if not rows:
        raise ConversionError(
            work.source,
            f"none of its {work.rejects.count:,} records can be read; the first, on line {line:,}: {reason}",
            fix="mend the header, or name the --delimiter",
        )


def _attempts(work: _Work, opened_source: Opened) -> Attempts | None:
    return None if opened_source.csv is None else Attempts(opened_source.csv, opened_source.guesses, work.bench.scratch)  # type: ignore[arg-type]


def _once(work: _Work, rows: Rows, path: Path) -> Tally:
    """Return what was written to the draft and read back."""
    work.fit = prepared(rows.schema, work.target)
    tally = Tally(first_plan(work.memory_bytes), work.progress, _sample(work))
    with fitting(rows, work.target) as fitted:
        _WRITERS[work.target.format](fitted.frames(), path, work.target, work.fit, tally)
    verifying.check(path, work.target, work.fit, tally, connection=work.bench.connection, scratch=work.bench.scratch)
    work.engine, work.nulled = "duckdb + polars" if rows.query else "polars", tally.nulled
    work.plan = (tally.plan.rows, tally.plan.workers)
    _refuse_other_count(work, rows, tally)
    return tally


def _sample(work: _Work) -> Sample:
    """Return the rows that are parsed again; another file has others, the same file the same ones."""
    sampled = work.target.format in TEXTS and work.options.verify == "sample"
    return Sample(checksum_of([work.target.location.encode()]) if sampled else None)


@contextmanager
def _draft(work: _Work) -> Iterator[Path]:
    """Yield a local path to write to; on a disk, what is there at the end appears whole under the target's name."""
    if _on_s3(work.target):
        _split(work.target.location)
        yield work.bench.scratch / "draft"
        return
    parent, name = _split(work.target.location)
    with folder_at(parent, work.bench.settings.s3).draft(name) as path:
        yield path


def _publish_rejects(work: _Work) -> None:
    work.rejects.close()
    if not work.rejects.count:
        return
    parent, name = _split(rejects_of(work.target.location, work.options))
    with (
        folder_at(parent, work.bench.settings.s3).draft(name) as path,
        work.rejects.path.open("rb") as source,
        path.open("wb") as out,
    ):
        shutil.copyfileobj(source, out)


def rejects_of(target: str, options: Options) -> str:
    """Where malformed rows go."""
    return options.rejects or f"{target.rstrip('/')}.rejects.jsonl"


def _split(location: str) -> tuple[str, str]:
    if holds_secret(location):
        raise ConversionError("s3://…", "the address holds credentials", fix="give keys as AWS_* variables")
    if location.startswith("s3://"):
        parent, _, name = location.rpartition("/")
        if parent in ("s3:", "s3:/") or not name:
            raise ConversionError(location, "names no object", fix="write s3://bucket/key")
        return parent, name
    path = Path(location).expanduser().absolute()
    return str(path.parent), path.name


def _refuse_target(work: _Work) -> None:
    location = work.target.location
    if not location.startswith("s3://") and not work.source.startswith("s3://"):
        target_path, here = Path(location).expanduser(), Path(work.source).expanduser()
        if target_path.exists() and here.exists() and target_path.samefile(here):
            raise ConversionError(location, "is the source itself", fix="write to another name")
        if target_path.is_dir() and work.target.format != "delta":
            raise ConversionError(location, "is a folder", fix="name a file in it")
    _refuse_rejects(work)
    if not work.options.overwrite and _exists(location, work.bench.settings):
        raise ConversionError(location, "is there already", fix="write to another name, or add --overwrite")


def _refuse_rejects(work: _Work) -> None:
    """Refuse a file of rejects that replaces something that somebody needs."""
    rejects = work.options.rejects
    if rejects is None:
        return
    for location in (work.source, work.target.location):
        if _same(rejects, location):
            raise ConversionError(rejects, "has another use in this conversion", fix="give --rejects a name of its own")
    if not work.options.overwrite and _exists(rejects, work.bench.settings):
        raise ConversionError(rejects, "is there already", fix="give --rejects another name, or add --overwrite")


def _same(one: str, other: str) -> bool:
    if one.startswith("s3://") or other.startswith("s3://"):
        return one == other
    return Path(one).expanduser().resolve() == Path(other).expanduser().resolve()


def _exists(location: str, settings: Settings) -> bool:
    if not location.startswith("s3://"):
        path = Path(location).expanduser()
        return path.is_dir() and any(path.iterdir()) if path.is_dir() else path.exists() or path.is_symlink()
    parent, name = _split(location.rstrip("/"))
    return bool(folder_at(parent, settings.s3).entries(name)) or locations.is_object(location, settings.s3)


def _verified(work: _Work, tally: Tally) -> str:
    """Return what was compared, in words."""
    if work.target.format in TEXTS:
        verified = f"{tally.rows:,} rows counted, every byte compared, {tally.print_.rows:,} rows parsed and compared"
    else:
        verified = f"{tally.rows:,} rows read back and compared"
    whole = _on_s3(work.target) and work.target.format != "delta"
    return f"{verified}, every byte read from S3 and compared" if whole else verified


def _record(work: _Work, opened_source: Opened, tally: Tally, size: int, seconds: float) -> Conversion:
    return Conversion(
        source=work.source, source_format=opened_source.format, source_compression=opened_source.compression,
        encoding=opened_source.encoding, encoding_certain=opened_source.encoding_certain,
        delimiter=opened_source.csv.dialect.delimiter if opened_source.csv else None,
        header=opened_source.csv.dialect.header if opened_source.csv else None,
        target=work.target.location, target_format=work.target.format,
        rows=tally.rows, rejected=work.rejects.count,
        rejects=rejects_of(work.target.location, work.options) if work.rejects.count else None,
        columns={name: str(dtype) for name, dtype in work.fit.schema.items()},
        changes=work.fit.changes, nulled=work.nulled, parsed_rows=tally.print_.rows, verified=_verified(work, tally),
        content_hash=tally.print_.hash if tally.print_.rows == tally.rows else None, engine=work.engine,
        read_bytes=opened_source.size_bytes, written_bytes=size, seconds=round(seconds, 3),
        chunk_rows=work.plan[0], workers=work.plan[1],
    )  # fmt: skip


def _first_line(error: Exception) -> str:
    """Return what went wrong, without the piece of the file that DuckDB shows below it."""
    return str(error).strip().split("\n", maxsplit=1)[0].split(':"', maxsplit=1)[0][:160]
