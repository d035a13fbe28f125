"""`platform cache stats | clean | verify`: the cache that the settings name."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from platform_assets.entrypoints.options import Json

if TYPE_CHECKING:
    from rich.table import Table

    from platform_resources.storage.caches.disk import DiskTier
    from platform_resources.storage.caches.report import CacheFacts, TierFacts

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

commands = typer.Typer(name="cache", help="What was read from S3 before, kept on this machine.", no_args_is_help=True)


@commands.command()
def stats(json: Json = False) -> None:
    """Show hits, bytes and evictions of each tier, of all processes together."""
    from platform_assets.entrypoints.screen import print_result
    from platform_resources.settings import Settings
    from platform_resources.storage.caches.report import cache_facts

    print_result(cache_facts(Settings.from_environment()), lambda facts: _facts_table(facts, datetime.now(UTC)), json)


@commands.command()
def clean(
    older_than: Annotated[str, typer.Option(help="Age since the last use, such as 7d, 12h, 30m or 0s.")],
    json: Json = False,
) -> None:
    """Remove what nobody used for so long; whoever reads it at the moment goes on reading."""
    from platform_assets.entrypoints.screen import count, print_json, screen, size

    folder, age = _folder(), parse_age(older_than)
    with _refusing_foreign_folder(folder):
        done = folder.clean(age)
    if json:
        print_json(done)
        return
    remaining = f"{count(done.entries, 'entry', 'entries')} of {size(done.size_bytes)} left"
    screen().print(
        f"{count(done.removed, 'entry', 'entries')} of {size(done.removed_bytes)} removed, {remaining}", highlight=False
    )


@commands.command()
def verify(json: Json = False) -> None:
    """Read every byte and removes what is damaged, so that it is read from S3 again when next wanted."""
    from platform_assets.entrypoints.screen import count, print_json, screen, size

    folder = _folder()
    with _refusing_foreign_folder(folder):
        done = folder.verify()
    if json:
        print_json(done)
        return
    console = screen()
    for name in done.corrupt:
        console.print(f"damaged, removed: {name}", highlight=False, soft_wrap=True)
    read = f"{count(done.checked, 'entry', 'entries')} of {size(done.checked_bytes)} read"
    console.print(f"{read}, {count(len(done.corrupt), 'damaged entry', 'damaged entries')} removed", highlight=False)


def _folder() -> "DiskTier":
    from platform_resources.settings import Settings
    from platform_resources.storage.caches.report import require_cache

    return require_cache(Settings.from_environment()).disk


@contextmanager
def _refusing_foreign_folder(folder: "DiskTier") -> Iterator[None]:
    """Raise RequestError where the folder cannot be changed, or not be read."""
    from platform_assets.operations.errors import RequestError

    try:
        yield
    except OSError as error:
        raise RequestError(
            f"{folder.root}: {error.strerror}. Fix: run it as the user who fills the cache, or set PLATFORM_CACHE."
        ) from error


def parse_age(text: str) -> timedelta:
    """Read a duration such as 7d or 12h.

    >>> parse_age("90m")
    datetime.timedelta(seconds=5400)

    Raises:
        RequestError: It is not a whole number and a unit.
    """
    from platform_assets.operations.errors import RequestError

    match = re.fullmatch(r"([0-9]{1,6})([smhdw])", text.strip())
    if match is None:
        raise RequestError(f"--older-than: {text!r} is no age. Fix: write a number and s, m, h, d or w, such as 7d.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _facts_table(cache: "CacheFacts", now: datetime) -> "Table":
    from platform_assets.entrypoints.screen import at, count, facts, share, size

    return facts(
        [
            ("folder", cache.folder),
            ("holds", f"{_entries(cache.entries)}, {size(cache.size_bytes)} of {size(cache.disk.limit_bytes)}"),
            ("least recently used", at(cache.oldest_use, now)),
            ("hit rate", share(cache.hit_rate)),
            ("from memory", _tier(cache.memory)),
            ("from disk", _tier(cache.disk)),
            ("from S3", f"{count(cache.misses, 'read')}; asked {count(cache.revalidations, 'time')} what is new"),
            ("kept", f"{_entries(cache.filled)}, {size(cache.filled_bytes)}; {_entries(cache.refused)} found no room"),
            *([] if cache.used else [("note", "the lake lies on disk, where tables are not cached")]),
        ]
    )


def _tier(tier: "TierFacts") -> str:
    from platform_assets.entrypoints.screen import count, share, size

    hits = f"{count(tier.hits, 'hit')} ({share(tier.hit_rate)}), {size(tier.hit_bytes)}"
    return f"{hits}; {count(tier.evictions, 'eviction')}; at most {size(tier.limit_bytes)}"


def _entries(value: int) -> str:
    from platform_assets.entrypoints.screen import count

    return count(value, "entry", "entries")
