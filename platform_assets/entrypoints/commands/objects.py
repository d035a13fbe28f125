"""`platform objects ls | select | get | verify | doctor`: objects on S3, by prefix or dataset."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans
# ruff: noqa: PLR0913, PLR0917 - an option a parameter, by Typer

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.table import Table

from platform_assets.entrypoints.options import Json
from platform_assets.entrypoints.screen import (
    count,
    errors,
    number,
    plain,
    print_json,
    print_result,
    screen,
    styled_table,
)

if TYPE_CHECKING:
    from rich.progress import Progress

    from platform_resources.storage.objects import Downloaded, S3Object, Verified
    from platform_resources.storage.objects.doctor import Diagnosis

Prefix = Annotated[str, typer.Argument(help="s3://bucket/prefix, or a dataset's name: what lies below its table.")]
Match = Annotated[str | None, typer.Option(help="Only objects whose name looks like this; with a slash, whose key.")]
Since = Annotated[datetime | None, typer.Option(help="Only objects written then or later, in UTC.")]
Until = Annotated[datetime | None, typer.Option(help="Only objects written before, in UTC.")]
Least = Annotated[int, typer.Option("--min-bytes", min=0, help="Only objects at least as large.")]
Most = Annotated[int | None, typer.Option("--max-bytes", min=0, help="Only objects at most as large.")]
Latest = Annotated[bool, typer.Option("--latest", help="The one that was written last.")]
Sample = Annotated[int | None, typer.Option(min=1, help="As many, chosen by the seed.")]
Seed = Annotated[int, typer.Option(help="Chooses the sample: the same seed, the same objects.")]
Version = Annotated[str | None, typer.Option(help="This VersionId of the one object that is named.")]

_PASSED = {True: "[green]yes[/]", False: "[red]no[/]", None: "[yellow]not tried[/]"}
_STATES = {"matches": "[green]matches[/]", "differs": "[red]differs[/]", "unknown": "[dim]cannot be compared[/]"}

commands = typer.Typer(
    name="objects", help="Objects on S3: list, select, fetch, verify, and probe a bucket.", no_args_is_help=True
)


@commands.command("ls")
def ls(
    context: typer.Context,
    prefix: Prefix,
    match: Match = None,
    since: Since = None,
    until: Until = None,
    min_bytes: Least = 0,
    max_bytes: Most = None,
    versions: Annotated[bool, typer.Option("--versions", help="Every version of each object.")] = False,
    limit: Annotated[int, typer.Option(min=0, help="Rows in the table; 0 for all. JSON has all.")] = 50,
    json: Json = False,
) -> None:
    """List what lies below a prefix, by key."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.objects import ObjectChoice, list_objects

    choice = ObjectChoice(match=match, since=since, until=until, min_bytes=min_bytes, max_bytes=max_bytes)
    objects = list_objects(open_location(context.obj), prefix, choice, versions=versions)
    print_result(objects, lambda listed: _list_table(listed, limit), json)


@commands.command()
def select(
    context: typer.Context,
    prefix: Prefix,
    latest: Latest = False,
    sample: Sample = None,
    seed: Seed = 0,
    version: Version = None,
    match: Match = None,
    since: Since = None,
    until: Until = None,
    min_bytes: Least = 0,
    max_bytes: Most = None,
    json: Json = False,
) -> None:
    """Print the addresses of the objects that are meant, a line each."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.objects import ObjectChoice, select_objects

    choice = ObjectChoice(
        latest=latest, sample=sample, seed=seed, version=version,
        match=match, since=since, until=until, min_bytes=min_bytes, max_bytes=max_bytes,
    )  # fmt: skip
    objects = select_objects(open_location(context.obj), prefix, choice)
    if json:
        print_json(objects)
    else:
        typer.echo("\n".join(str(s3_object.address) for s3_object in objects))


@commands.command()
def get(
    context: typer.Context,
    prefix: Prefix,
    target: Annotated[Path, typer.Argument(help="Folder to put the files into; it is made where it is not there.")],
    latest: Latest = False,
    sample: Sample = None,
    seed: Seed = 0,
    version: Version = None,
    match: Match = None,
    since: Since = None,
    until: Until = None,
    min_bytes: Least = 0,
    max_bytes: Most = None,
    unpack: Annotated[bool, typer.Option("--unpack", help="Decompress gz, zst, bz2, snappy and xz.")] = False,
    json: Json = False,
) -> None:
    """Fetch objects in parallel ranges, verified; killed, it goes on where it was when it is started again."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.objects import ObjectChoice, fetch_objects, select_objects

    choice = ObjectChoice(
        latest=latest, sample=sample, seed=seed, version=version,
        match=match, since=since, until=until, min_bytes=min_bytes, max_bytes=max_bytes,
    )  # fmt: skip
    location = open_location(context.obj)
    objects = select_objects(location, prefix, choice)
    with _progress(objects) as bar:
        task = bar.add_task("fetching", total=sum(s3_object.size_bytes for s3_object in objects))
        files = fetch_objects(
            location, objects, prefix, target, unpack=unpack, progress=lambda fetched: bar.advance(task, fetched)
        )
    print_result(files, _fetched_table, json)


@commands.command()
def verify(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="Fetched files, or folders of them.")],
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask S3 whether its object changed.")] = False,
    json: Json = False,
) -> None:
    """Compare fetched files with S3's size, checksums and ETag; the exit code is 1 where one differs."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.objects import verify_files

    files = verify_files(open_location(context.obj), paths, ask=not offline)
    if json:
        print_json([{"ok": file.ok} | vars(file) for file in files])
    else:
        screen().print(_verified_table(files))
    if not all(file.ok for file in files):
        raise typer.Exit(code=1)


@commands.command()
def doctor(
    context: typer.Context,
    place: Annotated[str | None, typer.Argument(help="s3://bucket/prefix; without, the lake of the settings.")] = None,
    record: Annotated[
        bool, typer.Option("--record/--no-record", help="Leave the verdict there: tables are not made on a bad bucket.")
    ] = True,
    json: Json = False,
) -> None:
    """Probes what a bucket can be trusted with; the exit code is 1 where table commits are not safe."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.objects import examine, place_to_examine

    location = open_location(context.obj)
    where = place_to_examine(location, place)
    with errors().status(f"Examining {where}"):
        diagnosis = examine(location, where, record=record)
    if json:
        print_json({"commits_are_safe": diagnosis.commits_are_safe} | vars(diagnosis))
    else:
        screen().print(_diagnosis_table(diagnosis, record=record))
    if diagnosis.commits_are_safe is not True:
        raise typer.Exit(code=1)


def _list_table(objects: Sequence[S3Object], limit: int) -> Group:
    """Return the list of objects."""
    versions = any(s3_object.version for s3_object in objects)
    rendered = styled_table("object", "bytes", "written", "ETag", *(["version"] if versions else []),
                 numbers=("bytes",), fixed=("object", "written", "ETag", "version"))  # fmt: skip
    for s3_object in islice(objects, limit or None):
        version = [s3_object.version or "-", *([] if s3_object.latest else ["[dim]earlier[/]"])] if versions else []
        rendered.add_row(
            plain(s3_object.key),
            number(s3_object.size_bytes),
            f"{s3_object.modified:%Y-%m-%d %H:%M:%S}",
            s3_object.etag,
            *[" ".join(version)] * versions,
        )
    return Group(rendered, f"[dim]{_sum(objects)}[/]")


def _fetched_table(done: Sequence[Downloaded]) -> Table:
    """Return what came, and what was there."""
    rendered = styled_table(
        "file", "bytes", "fetched", "resumed", "proven by", numbers=("bytes", "fetched", "resumed"), fixed=("file",)
    )
    for downloaded in done:
        by = [check.name for check in downloaded.checks if check.state == "matches"]
        checked_by = "[dim]there already[/]" if not downloaded.checks else plain(", ".join(by))
        counts = (downloaded.facts.size_bytes, downloaded.fetched_bytes, downloaded.resumed_bytes)
        rendered.add_row(plain(downloaded.path), *map(number, counts), checked_by)
    return rendered


def _verified_table(files: Sequence[Verified]) -> Group:
    """Return a line a comparison, and how many files are what S3 holds."""
    rendered = styled_table(
        "file", "compared", "verdict", "S3 says", "the file has", fixed=("file", "compared", "verdict")
    )
    for file in files:
        for check in file.checks:
            rendered.add_row(
                plain(file.path), check.name, _STATES[check.state], plain(check.expected), plain(check.found)
            )
        if file.replaced:
            rendered.add_row(plain(file.path), "object", "[yellow]replaced on S3 since[/]", "", "")
    wrong = [f"[red]{plain(file.path)}: {plain(file.problem)}[/]" for file in files if file.problem]
    return Group(rendered, *wrong, _verdict(files))


def _verdict(files: Sequence[Verified]) -> str:
    from platform_resources.storage.objects.integrity import whole

    differs = sum(not whole(file.checks) for file in files)
    wrong = sum(bool(file.problem) and whole(file.checks) for file in files)
    complaints = [f"{differs:,} differ"] * bool(differs) + [f"{wrong:,} gone, or not to be compared"] * bool(wrong)
    good = f"{sum(file.ok for file in files)} of {count(len(files), 'file')} as S3 said"
    return f"[red]{'; '.join([good, *complaints])}[/]" if complaints else f"[green]{good}[/]"


def _diagnosis_table(diagnosis: Diagnosis, *, record: bool) -> RenderableType:
    """Return a line a probe, and what follows."""
    rendered = styled_table("probe", "passed", "needed for", "seen", fixed=("probe", "passed", "needed for"))
    for probe in diagnosis.probes:
        rendered.add_row(probe.name, _PASSED[probe.passed], probe.needed_for, plain(probe.told))
    safe = {
        True: "[green]Table commits are safe here.[/]",
        False: "[red]Table commits get lost here.[/]" + (" Tables are refused from now on." if record else ""),
        None: "[yellow]Whether table commits are safe could not be found out.[/]",
    }[diagnosis.commits_are_safe]
    return Group(f"{plain(diagnosis.address)} at {plain(diagnosis.endpoint)}", rendered, safe)


def _sum(objects: Sequence[S3Object]) -> str:
    return f"{count(len(objects), 'object')}, {sum(s3_object.size_bytes for s3_object in objects):,} bytes"


@contextmanager
def _progress(objects: Sequence[S3Object]) -> Iterator[Progress]:
    """Show progress on standard error, where a person looks at it."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn(_sum(objects)), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors(), transient=True, disable=not sys.stderr.isatty()) as rendered:
        yield rendered
