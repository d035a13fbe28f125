"""What can go wrong between the platform and the world; every message names the dataset, the culprit and the fix.

The culprits are attributes too, so that a caller can act on them without reading prose.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import ClassVar


class ResourceError(Exception):
    """Base of everything platform_resources raises on purpose.

    `transient` says whether the same call may succeed when it is repeated later; most errors stay.
    """

    transient: ClassVar[bool] = False


class SettingsError(ResourceError):
    """A variable of the environment is unknown or has a value that is not allowed."""

    def __init__(self, variable: str, problem: str, *, allowed: Sequence[str] = (), fix: str) -> None:
        self.variable, self.allowed = variable, tuple(allowed)
        choices = f" Allowed: {', '.join(self.allowed)}." if self.allowed else ""
        super().__init__(f"{variable}: {problem}.{choices} Fix: {fix}.")


class ScratchFull(ResourceError):
    """The disk under the scratch folder is full: that says nothing about the input, which waits for the next run."""

    def __init__(self, name: str, folder: str) -> None:
        self.name, self.folder = name, folder
        super().__init__(
            f"{name}: there is no space left in {folder}, where it is unpacked and judged in pieces; nothing was "
            "written. Fix: make room there, or set TMPDIR to a folder on a larger disk; then materialise again."
        )


class TableError(ResourceError):
    """Something about one table; `table` is its path below the tables root."""

    def __init__(self, table: str, problem: str, *, fix: str) -> None:
        self.table = table
        super().__init__(f"{table}: {problem}. Fix: {fix}.")


class InvalidTableSpec(TableError):
    """A table was declared in a way that no format can keep."""


class TableNotFound(TableError):
    """A table was read before anything was written to it, or before its first write ended."""

    def __init__(self, table: str, location: str, *, begun: bool = False) -> None:
        """Take whether files with rows are there, and nothing that says their columns."""
        self.location, self.begun = location, begun
        if begun:
            problem = f"at {location} are rows, and no list of columns: the first write did not end, or it was lost"
            fix = "materialise the asset that writes it again, or bring the folder _schema back from a backup"
        else:
            problem = f"there is no table at {location}"
            fix = "materialise the asset that writes it, or check PLATFORM_LAKE and PLATFORM_ENVIRONMENT"
        super().__init__(table, problem, fix=fix)


class CatalogueLost(TableError):
    """An Iceberg table has files, and the catalogue does not know it."""

    def __init__(self, table: str, location: str) -> None:
        self.location = location
        super().__init__(
            table,
            f"there is an Iceberg table at {location} that the catalogue does not know; nothing was written",
            fix="set PLATFORM_ICEBERG_CATALOG to the catalogue that made it, or run platform table register",
        )


class MetadataLost(TableError):
    """The catalogue knows an Iceberg table whose metadata is not where it says; `metadata` is that place."""

    def __init__(self, table: str, metadata: str, *, there: bool = False) -> None:
        self.metadata = metadata
        problem = "and that is empty or cut off" if there else "and there is no such file"
        super().__init__(
            table,
            f"its metadata should be {metadata} by the Iceberg catalogue, {problem}",
            fix="bring the file back, or run platform table register: it goes back to the newest metadata that is left,"
            " and where none is the catalogue forgets the table",
        )


class TableDamaged(TableError):
    """A file that the table needs is gone, or is not what was written; nothing was read.

    `file` is its place, `whole` the newest version that does not need it, where the table has one.
    """

    def __init__(self, table: str, problem: str, *, file: str, fix: str, whole: str | None = None) -> None:
        self.file, self.whole = file, whole
        super().__init__(table, problem, fix=fix)


class VersionNotFound(TableError):
    """A read or a restore asked for a version that the table does not have, or no longer has."""

    def __init__(
        self, table: str, version: str, *, known: tuple[str, str] | None = None, oldest: str | None = None,
        vacuumed: bool = False,
    ) -> None:  # fmt: skip
        """Take the first and last version that are known, or the instant of the oldest where one was asked for."""
        self.version, self.known = version, known
        fix = "ask for one that platform table history lists"
        fix = f"ask for one of {known[0]} to {known[1]}" if known else f"ask for {oldest} or later" if oldest else fix
        problem = f"has no version as old as {version}" if oldest else f"has no version {version!r}"
        problem = f"has lost files of version {version!r} to a vacuum" if vacuumed else problem
        super().__init__(table, problem, fix="choose a younger version" if vacuumed else fix)


class RetentionTooShort(TableError):
    """An operation would delete what a running reader may still need."""

    def __init__(self, table: str, *, keep: timedelta, minimum: timedelta) -> None:
        self.keep, self.minimum = keep, minimum
        super().__init__(
            table,
            f"what it no longer needs would be kept for {_hours(keep)} only, and a running reader may need it for"
            f" {_hours(minimum)}; nothing was deleted",
            fix=f"keep at least {_hours(minimum)}",
        )


class ColumnNotFound(TableError):
    """A read asked for columns that the table does not have."""

    def __init__(self, table: str, missing: Sequence[str], available: Sequence[str]) -> None:
        self.missing, self.available = tuple(missing), tuple(available)
        super().__init__(
            table,
            f"has no column {', '.join(map(repr, self.missing))}",
            fix=f"ask for some of {', '.join(self.available)}",
        )


class SchemaMismatch(TableError):
    """The rows to write do not fit the table; nothing was written."""

    def __init__(
        self,
        table: str,
        *,
        added: Mapping[str, str] | None = None,
        missing: Mapping[str, str] | None = None,
        changed: Mapping[str, tuple[str, str]] | None = None,
        fix: str = "write the table's columns, or declare the store with evolution='add' for new ones and a new major"
        " version for changed ones",
    ) -> None:
        self.added, self.missing, self.changed = dict(added or {}), dict(missing or {}), dict(changed or {})
        additions = [f"new column {name} ({kind})" for name, kind in self.added.items()]
        additions += [f"missing column {name} ({kind})" for name, kind in self.missing.items()]
        additions += [
            f"column {name} is {ours}, the table has {theirs}" for name, (ours, theirs) in self.changed.items()
        ]
        super().__init__(table, "; ".join(additions) + "; nothing was written", fix=fix)


class UnsupportedType(TableError):
    """A column has a type that the table format cannot keep without loss."""

    def __init__(self, table: str, column: str, kind: str, *, fix: str) -> None:
        self.column, self.kind = column, kind
        super().__init__(table, f"column {column} is {kind}, which cannot be stored; nothing was written", fix=fix)


class InvalidRows(TableError):
    """The rows contradict the table's key or partitions; nothing was written."""

    def __init__(self, table: str, column: str, culprits: Sequence[object], problem: str, *, fix: str) -> None:
        self.column, self.culprits = column, tuple(culprits)
        super().__init__(table, f"{problem}; nothing was written", fix=fix)


class PositionMoved(TableError):
    """Another writer was first: the table, or a stream in it, is not where this writer expects; nothing was written."""

    def __init__(self, table: str, what: str, *, expected: object, actual: object) -> None:
        self.expected, self.actual = expected, actual
        super().__init__(
            table,
            f"another writer was first: {what} is {_position(actual)}, this one expects {_position(expected)};"
            " nothing was written",
            fix="read the version or position again, and go on from what is there",
        )


class WriteConflict(TableError):
    """Other writers kept winning; nothing of this write was committed."""

    transient = True

    def __init__(self, table: str, attempts: int) -> None:
        self.attempts = attempts
        super().__init__(
            table,
            f"other writers changed the table during each of {attempts} attempts; nothing was written",
            fix="run its writers in one Dagster pool, then materialise again",
        )


class TableUnavailable(TableError):
    """S3, or the Iceberg catalogue's database, did not answer as it should when a table was read or written."""

    transient = True


class TableForbidden(TableError):
    """S3, or the Iceberg catalogue's database, does not let these credentials in, or does not say why it refuses."""


class TableUnwritable(TableError):
    """The disk under a table is full, read-only or forbidden; nothing of this write is in the table."""


class NoSpaceLeft(TableUnwritable):
    """The disk under a table is full, or a quota used up: with room again the same write goes through."""

    def __init__(self, table: str, problem: str, *, setting: str) -> None:
        """Take the setting that says where the table lies."""
        again = "then materialise again; a stream worker goes on by itself"
        fix = f"make room there, or set {setting} to another place; {again}"
        super().__init__(table, problem, fix=fix)


class UnreadableTable(TableError):
    """Another engine wrote the table with a feature that cannot be read, or written, here; `feature` names it."""

    def __init__(self, table: str, feature: str, *, verb: str = "read", kind: str = "Delta feature") -> None:
        self.feature = feature
        super().__init__(
            table,
            f"was written with the {kind} {feature}, which cannot be {verb} here",
            fix="drop the feature by the engine that wrote it, or let that engine write a plain copy",
        )


class UnsupportedOperation(TableError):
    """The table's format cannot do what was asked."""


class NotATable(TableError):
    """An asset that is declared as a table returned, or is loaded as, something else."""


def _hours(length: timedelta) -> str:
    return f"{length.total_seconds() / 3600:g} h"


class BranchError(ResourceError):
    """Something about a branch of data."""


class BranchExists(BranchError):
    """A branch is made under a name that is taken."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"branch {name}: there is one already. Fix: choose another name, or drop it first.")


class UnknownBranch(BranchError):
    """A branch is named that is not there."""

    def __init__(self, name: str, available: Sequence[str]) -> None:
        self.name, self.available = name, tuple(available)
        choice = f"there are {', '.join(self.available)}" if available else "there are none"
        super().__init__(f"branch {name}: is not there; {choice}. Fix: make it by platform branch new {name}.")


class BranchOutdated(BranchError):
    """A branch is promoted whose tables have changed in the environment since it began."""

    def __init__(self, name: str, tables: Sequence[str]) -> None:
        self.name, self.tables = name, tuple(tables)
        super().__init__(
            f"branch {name}: {', '.join(self.tables)} changed in the environment since the branch began; nothing was "
            "promoted. Fix: make a new branch, materialise there what this one changed, and promote that; "
            f"platform branch diff {name} shows what this one changed."
        )


class ObjectError(ResourceError):
    """Something about one object or bucket on S3; `address` is its s3:// address or key."""

    def __init__(self, address: object, problem: str, *, fix: str) -> None:
        self.address = str(address)
        super().__init__(f"{self.address}: {problem}. Fix: {fix}.")


class ObjectNotFound(ObjectError):
    """There is no such object, or no such version of it."""


class BucketNotFound(ObjectError):
    """There is no such bucket."""


class ObjectForbidden(ObjectError):
    """S3 does not let these credentials do that, or does not know them."""


class CredentialsRefused(ObjectForbidden):
    """The server does not know the access key, or another secret key belongs to it."""


class WrongRegion(ObjectError):
    """The bucket lies in another region than the settings say; `region` is its own where S3 told."""

    def __init__(self, address: object, ours: str, region: str | None) -> None:
        self.region = region
        where = f"lies in {region}" if region else "lies in another region"
        super().__init__(address, f"the bucket {where}, not in {ours}", fix=f"set AWS_REGION={region or '…'}")


class CredentialsExpired(ObjectError):
    """The temporary credentials have ended, and those given cannot be renewed."""


class ClockSkew(ObjectError):
    """This machine's clock and S3's differ by more than S3 accepts, and went on doing so."""


class ObjectChanged(ObjectError):
    """The object was written again while it was read; nothing of both versions is mixed."""

    transient = True


class CorruptObject(ObjectError):
    """The bytes received are not those that S3 says it holds; nothing was put in the file's place."""

    transient = True


class CorruptArchive(ObjectError):
    """The object is what S3 holds, but its compressed content is broken."""


class ObjectUnavailable(ObjectError):
    """S3 did not answer as it should, however often it was asked."""

    transient = True

    def __init__(self, address: object, attempts: int, reason: str) -> None:
        self.attempts = attempts
        super().__init__(address, f"{attempts} attempts failed, the last with {reason}", fix="try again later")


class UnsafeBucket(ObjectError):
    """A table would be committed to a bucket on which commits are known to get lost."""


class ConversionError(ResourceError):
    """A file cannot be converted; nothing stands under the name it was to be written to.

    `file` names the culprit. No message quotes a file's content, which may hold personal data.
    """

    def __init__(self, file: str, problem: str, *, fix: str) -> None:
        self.file, self.problem, self.fix = file, problem, fix
        super().__init__(f"{file}: {problem}. Fix: {fix}.")


class NotVerified(ConversionError):
    """What was read back is not what was written; it was thrown away."""


def _position(value: object) -> str:
    return "none" if value is None else str(value)
