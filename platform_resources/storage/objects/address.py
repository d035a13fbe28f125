"""Where an object lies on S3, and where it may lie on disk: no key leaves the folder it is fetched into."""

from dataclasses import dataclass
from pathlib import Path

from platform_resources.errors import ObjectError
from platform_resources.s3 import bucket_and_key, holds_secret

SIDECAR, PART, JOURNAL = ".s3.json", ".s3.part", ".s3.journal"
_OURS = (SIDECAR, PART, JOURNAL)
_LONGEST_NAME_BYTES = 255


@dataclass(frozen=True, order=True)
class Address:
    """A bucket and a key or prefix in it."""

    bucket: str
    key: str = ""

    def __str__(self) -> str:
        """Return s3://bucket/key."""
        return f"s3://{self.bucket}/{self.key}"

    @classmethod
    def parse(cls, text: "str | Address") -> "Address":
        """Return the address that a text names.

        Raises:
            ObjectError: It is no s3:// address.
        """
        if isinstance(text, Address):
            return text
        if holds_secret(text):
            raise ObjectError(
                "s3://…",
                "the address holds credentials",
                fix="give keys as AWS_* variables",
            )
        bucket, key = bucket_and_key(text)
        if not text.startswith("s3://") or not bucket:
            raise ObjectError(text, "is no address of objects", fix="write s3://bucket/key")
        return cls(bucket, key)


def place(folder: Path, key: str, *, below: str = "") -> Path:
    """Return the path of a key in a folder, named by what follows the last slash of `below`.

    Raises:
        ObjectError: The key would leave the folder, or has no name that a file can have.
    """
    start = below.rpartition("/")[0]
    name = key.removeprefix(f"{start}/") if start else key
    parts = name.split("/")
    if reason := _unfit(name, parts):
        raise ObjectError(
            key, f"cannot be a file below {folder}: {reason}", fix="fetch it alone, under a name of yours"
        )
    path = folder.joinpath(*parts)
    _refuse_links(folder, path, key)
    return path


def check_target(path: Path, key: str) -> Path:
    """Return the path itself, where a file may be written to.

    Raises:
        ObjectError: Its name is one that stands for what is known of another file, or it is a folder.
    """
    if path.name.endswith(_OURS):
        raise ObjectError(key, f"{path.name} is a name that is kept beside another file", fix="choose another name")
    if path.is_dir():
        raise ObjectError(key, f"{path} is a folder", fix="choose a file's name, or empty the folder")
    return path


def _unfit(name: str, parts: list[str]) -> str:
    if name.startswith("/"):
        return "it is absolute"
    if any(part in ("", ".", "..") for part in parts):
        return "it has an empty part, . or .."
    if "\0" in name:
        return "it has a null character"
    if any(len(part.encode("utf-8", "surrogatepass")) + len(JOURNAL) > _LONGEST_NAME_BYTES for part in parts):
        return "a part of it is longer than a file's name can be"
    return f"it ends in {', '.join(_OURS)}, which is kept beside another file" if name.endswith(_OURS) else ""


def _refuse_links(folder: Path, path: Path, key: str) -> None:
    """Refuse a path that a link leads out of the folder."""
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        raise ObjectError(key, f"cannot be a file below {folder}: a link leads out of it", fix="remove the link")
