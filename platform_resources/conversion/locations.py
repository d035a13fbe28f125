"""Where the source of a conversion lies: on disk, in a bucket, or as a table; an object is fetched first."""

from pathlib import Path

from platform_resources.conversion.blocks import checksum_of
from platform_resources.errors import ConversionError
from platform_resources.s3 import bucket_and_key, holds_secret
from platform_resources.settings import S3Settings

_BLOCK = 1 << 20


def local(location: str, s3: S3Settings, scratch: Path) -> Path:
    """Return the local file, or folder of a Delta table, that a location names.

    An object is fetched to the scratch folder.

    Raises:
        ConversionError: There is nothing, or something that is no file.
    """
    if holds_secret(location):
        raise ConversionError("s3://…", "the address holds credentials", fix="give keys as AWS_* variables")
    if location.startswith("s3://"):
        bucket, key = bucket_and_key(location)
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


def is_object(location: str, s3: S3Settings) -> bool:
    """Whether an object stands under an s3:// address."""
    from obstore.exceptions import NotFoundError

    bucket, key = bucket_and_key(location)
    try:
        s3.obstore(bucket).head(key)
    except (NotFoundError, FileNotFoundError):
        return False
    return True


def object_checksum(location: str, s3: S3Settings) -> int:
    """Return the CRC-32 of all that lies under an s3:// address, as the bucket gives it back."""
    bucket, key = bucket_and_key(location)
    return checksum_of(memoryview(block) for block in s3.obstore(bucket).get(key).stream(min_chunk_size=_BLOCK))


def _fetched(location: str, s3: S3Settings, scratch: Path) -> Path:
    from obstore.exceptions import NotFoundError

    bucket, key = bucket_and_key(location)
    target = scratch / "fetched"
    try:
        with target.open("wb") as out:
            for block in s3.obstore(bucket).get(key).stream(min_chunk_size=_BLOCK):
                out.write(bytes(block))
    except (NotFoundError, FileNotFoundError) as error:
        raise ConversionError(location, "there is no such object", fix="correct the bucket or key") from error
    return target
