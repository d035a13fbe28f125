"""`platform objects`: which objects a command means, what it does with them, and how that is shown."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from rich.console import Group, RenderableType
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from platform_assets.entrypoints.door import CommandError, Door
from platform_assets.entrypoints.screen import count, errors, number, plain, table
from platform_assets.ingest import table_spec
from platform_resources.storage.objects import Address, Downloaded, ObjectStore, S3Object, Verified, matching
from platform_resources.storage.objects.doctor import Diagnosis
from platform_resources.storage.objects.integrity import whole
from platform_resources.storage.objects.listing import Predicate

_PASSED = {True: "[green]yes[/]", False: "[red]no[/]", None: "[yellow]not tried[/]"}
_STATES = {"matches": "[green]matches[/]", "differs": "[red]differs[/]", "unknown": "[dim]cannot be compared[/]"}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Which objects below a prefix are meant."""

    latest: bool = False
    sample: int | None = None
    seed: int = 0
    version: str | None = None
    match: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    min_bytes: int = 0
    max_bytes: int | None = None

    @property
    def where(self) -> Predicate:
        """The predicate that the options make together."""
        return matching(
            self.match,
            since=_utc(self.since),
            until=_utc(self.until),
            min_bytes=self.min_bytes,
            max_bytes=self.max_bytes,
        )


def listed(door: Door, prefix: str, asked: Asked, *, versions: bool) -> list[S3Object]:
    """The objects below a prefix, by key."""
    found = ObjectStore(door.settings.s3).objects(place_of(door, prefix), versions=versions)
    return [each for each in found if asked.where(each)]


def chosen(door: Door, prefix: str, asked: Asked) -> list[S3Object]:
    """The objects that the options mean.

    Raises:
        CommandError: The options contradict one another, or nothing is meant.
    """
    if (asked.latest, asked.sample is not None, asked.version is not None).count(True) > 1:
        raise CommandError("--latest, --sample and --version exclude one another. Fix: use one of them.")
    store, place = ObjectStore(door.settings.s3), place_of(door, prefix)
    if asked.version:
        return [_version(store, place, asked.version)]
    if asked.latest:
        return [store.latest(place, where=asked.where)]
    if asked.sample is not None:
        found = store.sample(place, asked.sample, seed=asked.seed, where=asked.where)
    else:
        found = store.select(place, where=asked.where)
    if not found:
        raise CommandError(f"{place}: no object below it is meant. Fix: platform objects ls shows what there is.")
    return found


def place_of(door: Door, prefix: str) -> Address:
    """The prefix itself, or that of a dataset's table.

    Raises:
        UnknownName: There is no such dataset.
        CommandError: The lake is a folder on disk.
    """
    if prefix.startswith("s3://"):
        return Address.parse(prefix)
    location = door.lake.location(table_spec(door.dataset(prefix)))
    if not location.startswith("s3://"):
        raise CommandError(
            f"{prefix}: its table is at {location}, not on S3. Fix: set PLATFORM_LAKE=s3://bucket/prefix."
        )
    return Address.parse(f"{location}/")


def fetch(door: Door, prefix: str, target: Path, asked: Asked, *, unpack: bool) -> list[Downloaded]:
    """The files, once all of them are whole."""
    wanted, place = chosen(door, prefix, asked), place_of(door, prefix)
    with _bar(wanted) as bar:
        task = bar.add_task("fetching", total=sum(each.size_bytes for each in wanted))
        return ObjectStore(door.settings.s3).get_all(
            wanted, target, below=place.key, unpack=unpack, progress=lambda size: bar.advance(task, size)
        )


def verify_all(door: Door, paths: Sequence[Path], *, ask: bool) -> list[Verified]:
    """The comparison of each file, and of all files in folders that have S3's metadata beside them.

    Raises:
        CommandError: There is nothing to compare.
    """
    found = ObjectStore(door.settings.s3).verify_all(paths, ask=ask)
    if not found:
        raise CommandError(
            f"{', '.join(map(str, paths))}: nothing there was fetched from S3. Fix: platform objects get."
        )
    return found


def examine(door: Door, place: str | None, *, record: bool) -> Diagnosis:
    """What the doctor found at a place, or at the lake."""
    where = place or door.settings.lake
    if not where.startswith("s3://"):
        raise CommandError(f"{where}: is no place on S3. Fix: name one, s3://bucket/prefix.")
    with errors().status(f"Examining {where}"):
        return ObjectStore(door.settings.s3).examine(where, record=record)


def listing(found: Sequence[S3Object], limit: int) -> Group:
    """The list of objects."""
    versions = any(each.version for each in found)
    made = table("object", "bytes", "written", "ETag", *(["version"] if versions else []),
                 numbers=("bytes",), fixed=("object", "written", "ETag", "version"))  # fmt: skip
    for each in islice(found, limit or None):
        told = [each.version or "-", *([] if each.latest else ["[dim]earlier[/]"])] if versions else []
        made.add_row(
            plain(each.key),
            number(each.size_bytes),
            f"{each.modified:%Y-%m-%d %H:%M:%S}",
            each.etag,
            *[" ".join(told)] * versions,
        )
    return Group(made, f"[dim]{_sum(found)}[/]")


def fetched(done: Sequence[Downloaded]) -> Table:
    """What came, and what was there."""
    made = table(
        "file", "bytes", "fetched", "resumed", "proven by", numbers=("bytes", "fetched", "resumed"), fixed=("file",)
    )
    for each in done:
        by = [check.name for check in each.checks if check.state == "matches"]
        there = "[dim]there already[/]" if not each.checks else plain(", ".join(by))
        counts = (each.facts.size_bytes, each.fetched_bytes, each.resumed_bytes)
        made.add_row(plain(each.path), *map(number, counts), there)
    return made


def verified(found: Sequence[Verified]) -> Group:
    """A line a comparison, and how many files are what S3 holds."""
    made = table("file", "compared", "verdict", "S3 says", "the file has", fixed=("file", "compared", "verdict"))
    for each in found:
        for check in each.checks:
            made.add_row(plain(each.path), check.name, _STATES[check.state], plain(check.expected), plain(check.found))
        if each.replaced:
            made.add_row(plain(each.path), "object", "[yellow]replaced on S3 since[/]", "", "")
    wrong = [f"[red]{plain(each.path)}: {plain(each.problem)}[/]" for each in found if each.problem]
    return Group(made, *wrong, _verdict(found))


def _verdict(found: Sequence[Verified]) -> str:
    differs = sum(not whole(each.checks) for each in found)
    wrong = sum(bool(each.problem) and whole(each.checks) for each in found)
    told = [f"{differs:,} differ"] * bool(differs) + [f"{wrong:,} gone, or not to be compared"] * bool(wrong)
    good = f"{sum(each.ok for each in found)} of {count(len(found), 'file')} as S3 said"
    return f"[red]{'; '.join([good, *told])}[/]" if told else f"[green]{good}[/]"


def diagnosed(found: Diagnosis, *, record: bool) -> RenderableType:
    """A line a probe, and what follows."""
    made = table("probe", "passed", "needed for", "seen", fixed=("probe", "passed", "needed for"))
    for each in found.probes:
        made.add_row(each.name, _PASSED[each.passed], each.needed_for, plain(each.told))
    safe = {
        True: "[green]Table commits are safe here.[/]",
        False: "[red]Table commits get lost here.[/]" + (" Tables are refused from now on." if record else ""),
        None: "[yellow]Whether table commits are safe could not be found out.[/]",
    }[found.commits_are_safe]
    return Group(f"{plain(found.address)} at {plain(found.endpoint)}", made, safe)


def _version(store: ObjectStore, place: Address, version: str) -> S3Object:
    facts = store.facts(place, version=version)
    return S3Object(
        bucket=facts.bucket,
        key=facts.key,
        size_bytes=facts.size_bytes,
        modified=facts.modified,
        etag=facts.etag,
        version=version,
    )


def _sum(found: Sequence[S3Object]) -> str:
    return f"{count(len(found), 'object')}, {sum(each.size_bytes for each in found):,} bytes"


def _utc(given: datetime | None) -> datetime | None:
    return given.replace(tzinfo=given.tzinfo or UTC) if given else None


@contextmanager
def _bar(wanted: Sequence[S3Object]) -> Iterator[Progress]:
    """Progress on standard error, where a person looks at it."""
    columns = (TextColumn(_sum(wanted)), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors(), transient=True, disable=not sys.stderr.isatty()) as made:
        yield made
