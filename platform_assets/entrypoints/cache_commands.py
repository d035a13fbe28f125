"""The commands `platform cache stats | clean | verify`."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

cache = typer.Typer(name="cache", help="What was read from S3 before, kept on this machine.", no_args_is_help=True)


@cache.command()
def stats(json: Json = False) -> None:
    """Shows hits, bytes and evictions of each tier, of all processes together."""
    from datetime import UTC, datetime

    from platform_assets.entrypoints.cache import facts_of, page
    from platform_assets.entrypoints.screen import print_json, screen

    found = facts_of()
    if json:
        print_json(found)
    else:
        screen().print(page(found, datetime.now(UTC)))


@cache.command()
def clean(
    older_than: Annotated[str, typer.Option(help="Age since the last use, such as 7d, 12h, 30m or 0s.")],
    json: Json = False,
) -> None:
    """Removes what nobody used for so long; whoever reads it at the moment goes on reading."""
    from platform_assets.entrypoints.cache import age, changing, open_folder
    from platform_assets.entrypoints.screen import count, print_json, screen, size

    folder, least = open_folder(), age(older_than)
    with changing(folder):
        done = folder.clean(least)
    if json:
        print_json(done)
        return
    left = f"{count(done.entries, 'entry', 'entries')} of {size(done.size_bytes)} left"
    screen().print(
        f"{count(done.removed, 'entry', 'entries')} of {size(done.removed_bytes)} removed, {left}", highlight=False
    )


@cache.command()
def verify(json: Json = False) -> None:
    """Reads every byte and removes what is damaged, so that it is read from S3 again when next wanted."""
    from platform_assets.entrypoints.cache import changing, open_folder
    from platform_assets.entrypoints.screen import count, print_json, screen, size

    folder = open_folder()
    with changing(folder):
        done = folder.verify()
    if json:
        print_json(done)
        return
    console = screen()
    for name in done.corrupt:
        console.print(f"damaged, removed: {name}", highlight=False, soft_wrap=True)
    told = f"{count(done.checked, 'entry', 'entries')} of {size(done.checked_bytes)} read"
    console.print(f"{told}, {count(len(done.corrupt), 'damaged entry', 'damaged entries')} removed", highlight=False)
