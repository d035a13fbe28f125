"""The commands `platform objects ls | select | get | verify | doctor`."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans
# ruff: noqa: PLR0913, PLR0917 - an option a parameter, by Typer

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
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

objects = typer.Typer(
    name="objects", help="Objects on S3: list, select, fetch, verify, and probe a bucket.", no_args_is_help=True
)


@objects.command("ls")
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
    """Lists what lies below a prefix, by key."""
    from platform_assets.entrypoints.door import Door
    from platform_assets.entrypoints.objects import Asked, listed, listing
    from platform_assets.entrypoints.screen import print_json, screen

    asked = Asked(match=match, since=since, until=until, min_bytes=min_bytes, max_bytes=max_bytes)
    found = listed(Door(context.obj), prefix, asked, versions=versions)
    if json:
        print_json(found)
    else:
        screen().print(listing(found, limit))


@objects.command()
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
    """Prints the addresses of the objects that are meant, a line each."""
    from platform_assets.entrypoints.door import Door
    from platform_assets.entrypoints.objects import Asked, chosen
    from platform_assets.entrypoints.screen import print_json

    asked = Asked(
        latest=latest, sample=sample, seed=seed, version=version,
        match=match, since=since, until=until, min_bytes=min_bytes, max_bytes=max_bytes,
    )  # fmt: skip
    found = chosen(Door(context.obj), prefix, asked)
    if json:
        print_json(found)
    else:
        typer.echo("\n".join(str(each.address) for each in found))


@objects.command()
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
    """Fetches objects in parallel ranges, verified; killed, it goes on where it was when it is started again."""
    from platform_assets.entrypoints.door import Door
    from platform_assets.entrypoints.objects import Asked, fetch, fetched
    from platform_assets.entrypoints.screen import print_json, screen

    asked = Asked(
        latest=latest, sample=sample, seed=seed, version=version,
        match=match, since=since, until=until, min_bytes=min_bytes, max_bytes=max_bytes,
    )  # fmt: skip
    done = fetch(Door(context.obj), prefix, target, asked, unpack=unpack)
    if json:
        print_json(done)
    else:
        screen().print(fetched(done))


@objects.command()
def verify(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="Fetched files, or folders of them.")],
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask S3 whether its object changed.")] = False,
    json: Json = False,
) -> None:
    """Compares fetched files with S3's size, checksums and ETag; the exit code is 1 where one differs."""
    from platform_assets.entrypoints.door import Door
    from platform_assets.entrypoints.objects import verified, verify_all
    from platform_assets.entrypoints.screen import print_json, screen

    found = verify_all(Door(context.obj), paths, ask=not offline)
    if json:
        print_json([{"ok": each.ok} | vars(each) for each in found])
    else:
        screen().print(verified(found))
    if not all(each.ok for each in found):
        raise typer.Exit(code=1)


@objects.command()
def doctor(
    context: typer.Context,
    place: Annotated[str | None, typer.Argument(help="s3://bucket/prefix; without, the lake of the settings.")] = None,
    record: Annotated[
        bool, typer.Option("--record/--no-record", help="Leave the verdict there: tables are not made on a bad bucket.")
    ] = True,
    json: Json = False,
) -> None:
    """Probes what a bucket can be trusted with; the exit code is 1 where table commits are not safe."""
    from platform_assets.entrypoints.door import Door
    from platform_assets.entrypoints.objects import diagnosed, examine
    from platform_assets.entrypoints.screen import print_json, screen

    found = examine(Door(context.obj), place, record=record)
    if json:
        print_json({"commits_are_safe": found.commits_are_safe} | vars(found))
    else:
        screen().print(diagnosed(found, record=record))
    if found.commits_are_safe is not True:
        raise typer.Exit(code=1)
