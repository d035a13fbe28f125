"""What the libraries under a table say when S3 does not do as it should, in our words: the table, the culprit, the fix.

delta-rs, obstore, Polars and Arrow each tell it in a page of their own, with colours and addresses, and none names the
table. What they said stays behind the error as its cause.
"""

import errno
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from platform_resources.errors import (
    NoSpaceLeft,
    ObjectUnavailable,
    ResourceError,
    TableDamaged,
    TableError,
    TableForbidden,
    TableUnavailable,
    TableUnwritable,
    UnreadableTable,
)
from platform_resources.s3 import S3Settings, bucket_and_key
from platform_resources.transience import EXPIRED, SKEWED, is_mute, is_refusal, is_transient, unaccepted

_CODE = re.compile(r"<code>(\w+)</code>|aws error (\w+)|\b([45]\d\d [a-z][a-z ]*[a-z])\b", re.IGNORECASE)
_PANIC = "PanicException"  # Polars' own, no Exception: it fails an assertion where a file on disk is cut off
_LIBRARIES = {"builtins", "json", "polars", "pyo3_runtime", "_internal", "deltalake", "obstore", "pyarrow", "pyiceberg"}
_MISTAKES = {
    "TypeError", "AttributeError", "NameError", "KeyError", "AssertionError", "ZeroDivisionError",
    "ColumnNotFoundError", "SchemaError", "InvalidOperationError", "DuplicateError", "ShapeError",
}  # fmt: skip
"""What a program does wrong with rows that it has: to look at every file of its inputs would be slow, and in vain."""

_OS_ERROR = re.compile(r"\(os error (\d+)\)|\bcode: (\d+), kind:")
_FEATURE = re.compile(r"Feature '(\w+)' is not supported|reader features \['([\w-]+)'|reader version \d+ \(([\w ]+)\)")
_WRITER_FEATURES = re.compile(r"Unsupported table features required: \[([\w, ]+)\]")
_RIGHTS = "give this user the right to write there, or set PLATFORM_LAKE to another place"
_FULL = {errno.ENOSPC: "there is no space left", errno.EDQUOT: "the quota is used up"}
_DISK = {
    errno.EROFS: ("the disk is read-only", _RIGHTS),
    errno.EACCES: ("this user may not write", _RIGHTS),
    errno.EPERM: ("this user may not write", _RIGHTS),
}

_LOG = re.compile(
    "Kernel error: (Json error|missing field|unknown variant|expected |control character|invalid |trailing |EOF "
    "|key must|No protocol found|No table metadata found|Invalid protocol action"
    "|Schema error: Unsupported Delta table type)"
)
_AGAIN = "try again; if it stays, put the files of the log back from a copy"
_BUSY = "try again later; PLATFORM_S3_ATTEMPTS and PLATFORM_S3_TIMEOUT say how long it is tried"
_RENEW = "set new AWS_* keys, or let PLATFORM_S3_ROLE or AWS_PROFILE renew them"
_CHECK = "check the credentials, what their policy allows, and the clock; platform objects doctor asks the bucket"
_WORDS = {
    "checksum": "bytes whose checksum is another",
    "body": "an answer that ended early",
    "end of file": "an answer that ended early",
    "timed out": "no answer in time",
    "timeout": "no answer in time",
    "connection": "a connection that broke",
    "error sending request": "a connection that broke",
}


@contextmanager
def translated_errors(
    table: str, location: str, s3: S3Settings, damage: Callable[[], TableDamaged | None] = lambda: None
) -> Iterator[None]:
    """Pass errors on as they are, but for those of S3, and for those whose cause is a file that is lost.

    Args:
        table: the path of its spec, for the message.
        location: where it lies; nothing is changed of what is said about a folder.
        s3: whose credentials were used.
        damage: finds the file that is lost or cut off; it is called where the error is nobody's yet.

    Raises:
        TableDamaged: a file that the table needs is gone, or is not what was written.
        TableUnavailable: what passes by itself did not in time; transient.
        TableForbidden: S3 refuses.
        TableUnwritable: the disk is full, read-only or forbidden.
        UnreadableTable: another engine used a feature that cannot be read.
    """
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != _PANIC:
            raise
        refusal: TableError | None = _refused_by_disk(error, table, location) or _unreadable(error, table)
        if refusal is None and location.startswith("s3://"):
            refusal = _explained(error, table, location, s3)
        mended = refusal or (_damage_found(damage) if _of_library(error) else None)
        mended = mended or _of_log(error, table, location)
        if mended is None:
            raise
        raise mended from error


def _of_log(error: BaseException, table: str, location: str) -> TableUnavailable | TableDamaged | None:
    """Tell a log of Delta that says what none can: on S3 its bytes may have changed on their way, a disk keeps them.

    The words of the library are left out, for a log holds values of the table.
    """
    if type(error).__name__ != "DeltaError" or not _LOG.match(str(error)):
        return None
    problem = f"the Delta log in {location}/_delta_log does not read as one"
    if location.startswith("s3://"):
        return TableUnavailable(table, f"{problem}; its bytes may have changed on their way", fix=_AGAIN)
    return TableDamaged(table, problem, file="_delta_log", fix="put its files back from a copy")


def _refused_by_disk(error: BaseException, table: str, location: str) -> TableUnwritable | None:
    """Explain a disk that is full, read-only or forbidden; Rust tells the number of the error in its words alone."""
    if isinstance(error, ResourceError):
        return None
    words = str(error)
    number = error.errno if isinstance(error, OSError) and error.errno else None
    told_number = _OS_ERROR.search(words)
    number = number or (int(told_number[1] or told_number[2]) if told_number else 0)
    place = f"at {getattr(error, 'filename', None) or location}; nothing of this write is in the table"
    if number in _FULL:
        return NoSpaceLeft(table, f"{_FULL[number]} {place}", setting="PLATFORM_LAKE")
    problem, fix = _DISK.get(number, (None, ""))
    return None if problem is None else TableUnwritable(table, f"{problem} {place}", fix=fix)


def _unreadable(error: BaseException, table: str) -> UnreadableTable | None:
    """Name the features of another engine that the table has, by their names in Delta's protocol."""
    if type(error).__name__ not in ("DeltaError", "DeltaProtocolError", "CommitFailedError"):
        return None
    words = str(error)
    written = _WRITER_FEATURES.search(words)
    if written is not None:
        names = (f"{name[:1].lower()}{name[1:]}" for name in written[1].split(", "))
        return UnreadableTable(table, ", ".join(sorted(names)), verb="written")
    if "catalog-managed table" in words:
        return UnreadableTable(table, "catalogManaged")
    feature = _FEATURE.search(words)
    return None if feature is None else UnreadableTable(table, next(filter(None, feature.groups())))


def _of_library(error: BaseException) -> bool:
    """Whether an error may come from reading a file: our own, and those of who has read, need no look at the table."""
    kind = type(error)
    return kind.__module__.partition(".")[0] in _LIBRARIES and kind.__name__ not in _MISTAKES


def _damage_found(damage: Callable[[], TableDamaged | None]) -> TableDamaged | None:
    """Return what is lost; None where that cannot be found out, so that the first error is not hidden by another."""
    try:
        return damage()
    except TableDamaged as error:
        return error
    except Exception:  # noqa: BLE001 - see above
        return None


def _explained(
    error: BaseException, table: str, location: str, s3: S3Settings
) -> TableUnavailable | TableForbidden | None:
    if code := unaccepted(error) or (_code_by_listing(location, s3) if is_refusal(error) else None):
        problem, fix = s3.rejection(code)
        return TableForbidden(table, f"{location} cannot be reached: {problem}", fix=fix)
    if is_refusal(error):
        return TableForbidden(table, f"S3 refuses at {location}: {reason(error)}", fix=_CHECK)
    if isinstance(error, ObjectUnavailable):
        return TableUnavailable(table, f"{error.address} did not come whole in {error.attempts} attempts", fix=_BUSY)
    if isinstance(error, ResourceError) or not is_transient(error):
        return None
    words = str(error).lower().replace("_", "")
    if any(code.lower() in words for code in EXPIRED) or is_mute(error):
        return TableUnavailable(table, f"the credentials for {location} have expired", fix=_RENEW)
    if any(code.lower() in words for code in SKEWED):
        return TableUnavailable(table, "this machine's clock differs from S3's", fix="set the clock")
    return TableUnavailable(table, f"S3 did not answer as it should at {location}: {reason(error)}", fix=_BUSY)


def _code_by_listing(location: str, s3: S3Settings) -> str | None:
    """Return what S3 calls credentials that it does not accept, by a listing: the answer to a HEAD says nothing."""
    from obstore.exceptions import BaseError

    bucket, key = bucket_and_key(location)
    try:
        next(iter(s3.obstore(bucket, attempts=1).list(f"{key}/", chunk_size=1)), None)
    except BaseError as error:
        return unaccepted(error)
    return None


def reason(error: BaseException) -> str:
    """Return a code of S3, or what happened on the way, in a few words; never the request, which may be signed."""
    words = str(error)
    codes = [str(match_[match_.lastindex or 0]) for match_ in _CODE.finditer(words)]
    named = [code for code in codes if code.upper() != "UNKNOWN"]
    if named:
        return named[-1]
    return next((reason_ for word, reason_ in _WORDS.items() if word in words.lower()), type(error).__name__)
