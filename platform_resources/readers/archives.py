"""Files that are packed: unpacked to a scratch folder a block at a time, so that they cost disk and never memory.

A damaged archive is known before a row of it is used.
"""

import errno
import shutil
import zipfile
import zlib
from pathlib import Path
from typing import Literal

from platform_resources.errors import ConversionError, CorruptArchive
from platform_resources.readers.detection import is_workbook
from platform_resources.readers.texts import head
from platform_resources.storage.compression import Compression, compression_in, decompress

Packing = Compression | Literal["zip"]
_ZIP = b"PK\x03\x04"
_ENCRYPTED = 1
_NESTED = 3
"""Archives within archives that are opened."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def unpacked(path: Path, source: str, scratch: Path) -> tuple[Path, Packing | None]:
    """Unpack a file, and what is in it as often as that is packed too; tell the outermost packing.

    Raises:
        ConversionError: The archive is damaged, holds nothing, or several files.
    """
    outer: Packing | None = None
    depth = 0
    while packing := _packing(path):
        if depth == _NESTED:
            raise ConversionError(source, f"is packed more than {_NESTED} times", fix="unpack it first")
        inner = scratch / f"unpacked-{depth}"
        inner.mkdir()
        if packing == "zip":
            path = _unzipped(path, inner, name=source)
        else:
            path = decompressed(path, packing, inner, name=source)
        outer = outer or packing
        depth += 1
    if not path.stat().st_size:
        raise ConversionError(source, "holds nothing", fix="send it again")
    return path, outer


def _packing(path: Path) -> Packing | None:
    first = head(path)
    if not first.startswith(_ZIP):
        return compression_in(first)
    with path.open("rb") as file:
        return None if is_workbook(file) else "zip"


def _unzipped(path: Path, scratch: Path, *, name: str) -> Path:
    target = scratch / "unzipped"
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not _is_chaff(member)]
            if len(members) != 1:
                raise ConversionError(name, f"is a zip archive that holds {len(members)} files", fix="send them singly")
            if members[0].flag_bits & _ENCRYPTED:
                raise ConversionError(name, "is a zip archive with a password", fix="send it without one")
            with archive.open(members[0]) as inside, target.open("wb") as out:
                shutil.copyfileobj(inside, out, 1 << 20)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ConversionError(
            name, f"the zip archive is damaged or was cut off ({type(error).__name__})", fix="send the file again"
        ) from error
    except OSError as error:
        raise _too_large(error, target, name) from error
    return target


def _is_chaff(member: zipfile.ZipInfo) -> bool:
    """Tell whether a member is a folder, or what macOS adds to an archive."""
    return member.is_dir() or member.filename.startswith("__MACOSX/") or member.filename.endswith(".DS_Store")


def _too_large(error: OSError, target: Path, name: str) -> OSError | ConversionError:
    if error.errno not in _FULL:
        return error
    target.unlink(missing_ok=True)
    return ConversionError(
        name, f"what is in it does not fit on the disk ({error.strerror})", fix="set TMPDIR to a larger one"
    )


def decompressed(path: Path, compression: Compression, scratch: Path, *, name: str) -> Path:
    """Return a file in the scratch folder with what the archive holds.

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
        raise _too_large(error, target, name) from error
    return target
