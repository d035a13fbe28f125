"""Bringing a source to where it can be read: a local file, decompressed, in UTF-8.

What is that already is read where it lies. Everything else becomes a file in a scratch folder, a block at a time, so
that it costs disk and never memory; and a damaged archive is known before a row of it is used.
"""

import codecs
import errno
from pathlib import Path

from platform_resources.conversion.blocks import checksum_of
from platform_resources.conversion.detect import SAMPLE_BYTES, Encoding
from platform_resources.errors import ConversionError, CorruptArchive
from platform_resources.settings import S3Settings
from platform_resources.storage.compression import Compression, decompress

_BLOCK = 1 << 20
_SPREAD = 64
_LONGEST = 64 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def local(location: str, s3: S3Settings, scratch: Path) -> Path:
    """The local file, or folder of a Delta table, that a location names; an object is fetched to the scratch folder.

    Raises:
        ConversionError: There is nothing, or something that is no file.
    """
    if location.startswith("s3://"):
        bucket, _, key = location.removeprefix("s3://").partition("/")
        if not bucket or not key:
            raise ConversionError(location, "names no object", fix="write s3://bucket/key")
        return _fetched(location, s3, scratch)
    path = Path(location).expanduser()
    if path.is_dir() and (path / "_delta_log").is_dir():
        return path
    if not path.exists():
        raise ConversionError(location, "there is no such file", fix="correct the path")
    if not path.is_file():
        raise ConversionError(location, "is neither a file nor a Delta table", fix="name one file")
    return path


def decompressed(path: Path, compression: Compression, scratch: Path, *, name: str) -> Path:
    """A file in the scratch folder with what the archive holds.

    Raises:
        ConversionError: The archive is damaged, was cut off, or is larger than the disk.
    """
    target = scratch / "decompressed"
    try:
        decompress(path, target, compression)
    except CorruptArchive as error:
        raise ConversionError(
            name, f"the {compression} archive is damaged or was cut off ({error.__cause__})", fix="send the file again"
        ) from error
    except OSError as error:
        if error.errno not in _FULL:
            raise
        target.unlink(missing_ok=True)
        raise ConversionError(
            name, f"what is in it does not fit on the disk ({error.strerror})", fix="set TMPDIR to a larger one"
        ) from error
    return target


def in_utf8(path: Path, encoding: Encoding, scratch: Path, *, name: str) -> Path:
    """A file in the scratch folder with the same text in UTF-8, without a byte order mark.

    Raises:
        ConversionError: Some bytes are not of this encoding.
    """
    target = scratch / "utf8"
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    read, first = 0, True
    with path.open("rb") as source, target.open("w", encoding="utf-8", newline="") as out:
        while True:
            block = source.read(_BLOCK)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeError as error:
                where = f" at byte {read + error.start:,}" if isinstance(error, UnicodeDecodeError) else ""
                raise ConversionError(name, f"is not {encoding}{where}", fix="name its --encoding") from error
            out.write(text.removeprefix("\ufeff") if first else text)
            read, first = read + len(block), False
            if not block:
                return target


def samples(path: Path) -> list[bytes]:
    """The beginning of a file, and pieces from everywhere in it."""
    size = path.stat().st_size
    with path.open("rb") as source:
        first = source.read(SAMPLE_BYTES)
        found = [first if b"\n" in first else first + source.readline(_LONGEST)]  # a header may be longer
        step = max((size - SAMPLE_BYTES) // _SPREAD, 1)
        for place in range(SAMPLE_BYTES, size, max(step, _BLOCK // 16)):
            source.seek(place)
            found.append(source.read(_BLOCK // 16))
    return found


def head(path: Path) -> bytes:
    """The first bytes of a file."""
    with path.open("rb") as source:
        return source.read(SAMPLE_BYTES)


def is_object(location: str, s3: S3Settings) -> bool:
    """Whether an object stands under an s3:// address."""
    from obstore.exceptions import NotFoundError

    bucket, _, key = location.removeprefix("s3://").partition("/")
    try:
        s3.obstore(bucket).head(key)
    except (NotFoundError, FileNotFoundError):
        return False
    return True


def object_checksum(location: str, s3: S3Settings) -> int:
    """The CRC-32 of all that lies under an s3:// address, as the bucket gives it back."""
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return checksum_of(memoryview(block) for block in s3.obstore(bucket).get(key).stream(min_chunk_size=_BLOCK))


def _fetched(location: str, s3: S3Settings, scratch: Path) -> Path:
    from obstore.exceptions import NotFoundError

    bucket, _, key = location.removeprefix("s3://").partition("/")
    target = scratch / "fetched"
    try:
        with target.open("wb") as out:
            for block in s3.obstore(bucket).get(key).stream(min_chunk_size=_BLOCK):
                out.write(bytes(block))
    except (NotFoundError, FileNotFoundError) as error:
        raise ConversionError(location, "there is no such object", fix="correct the bucket or key") from error
    return target
