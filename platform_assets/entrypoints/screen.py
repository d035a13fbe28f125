"""How commands speak: tables for people, JSON for programs.

A terminal's width decides where text wraps, but never inside a name or an id. Where output is piped nothing wraps at
all, so that a line is a record.
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

T = TypeVar("T")

_PIPED_WIDTH = 10_000
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_WEEKS = 14 * _DAY
_KILO = 1000


def screen() -> Console:
    """Return the console of standard output."""
    console = Console()
    return console if console.is_terminal else Console(width=_PIPED_WIDTH)


def errors() -> Console:
    """Return the console of standard error."""
    return Console(stderr=True, soft_wrap=True, highlight=False)


def print_json(value: Any) -> None:
    """Print the value as JSON; instants are ISO 8601 in UTC."""
    sys.stdout.write(json.dumps(_plain(value), indent=2, ensure_ascii=False, default=_text) + "\n")


def print_result(value: T, render: Callable[[T], RenderableType], as_json: bool) -> None:  # noqa: FBT001 - the flag
    """Print a result: as JSON for programs, or as `render` shows it to people."""
    if as_json:
        print_json(value)
    else:
        screen().print(render(value))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def _text(value: Any) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)


class _Verbatim(Table):
    """A table whose texts stand as they are: `[error]` in a title or `[a-z]` in a pattern is no style."""

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        super().add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in cells), **options)


def table(*columns: str, numbers: Iterable[str] = (), fixed: Iterable[str] = ()) -> Table:
    """Make an empty table of texts.

    Args:
        columns: Headings.
        numbers: Those that stand right.
        fixed: Those that never wrap, because people copy what stands there.
    """
    return _with_columns(_Verbatim, columns, numbers, fixed)


def styled_table(*columns: str, numbers: Iterable[str] = (), fixed: Iterable[str] = ()) -> Table:
    """Make an empty table like `table`, whose cells are markup; what comes from outside goes through `plain`."""
    return _with_columns(Table, columns, numbers, fixed)


def _with_columns(kind: type[Table], columns: Sequence[str], numbers: Iterable[str], fixed: Iterable[str]) -> Table:
    rendered = kind(box=SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    for name in columns:
        right = name in set(numbers)
        rendered.add_column(name, justify="right" if right else "left", no_wrap=right or name in set(fixed))
    return rendered


def facts(pairs: Iterable[tuple[str, str]]) -> Table:
    """Make a grid of pairs, a name and what there is to say about it, a line each."""
    rendered = Table.grid(padding=(0, 2))
    rendered.add_column(style="dim", no_wrap=True)
    rendered.add_column(overflow="fold")
    for name, text in pairs:
        rendered.add_row(name, text)
    return rendered


def plain(value: object) -> str:
    """Return a value as text in which nothing is markup; a null shows as `null`."""
    return "[dim]null[/]" if value is None else escape(str(value))


def number(value: int | None) -> str:
    """Return a count with separators; a dash where there is none."""
    return "-" if value is None else f"{value:,}"


def count(value: int, one: str, many: str = "") -> str:
    """Return a count with its noun.

    >>> count(1, "row"), count(2, "row")
    ('1 row', '2 rows')
    """
    return f"{value:,} {one if value == 1 else many or f'{one}s'}"


def ago(instant: datetime | None, now: datetime) -> str:
    """How long ago an instant was, in one unit; the day itself after two weeks."""
    if instant is None:
        return "never"
    seconds = (now - instant).total_seconds()
    if seconds < _MINUTE:
        return "just now"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE:.0f} min ago"
    if seconds < _DAY:
        return f"{seconds // _HOUR:.0f} h ago"
    if seconds < _WEEKS:
        return f"{seconds // _DAY:.0f} d ago"
    return f"{instant:%Y-%m-%d}"


def at(instant: datetime | None, now: datetime) -> str:
    """Return an instant to the second, and how long ago it was."""
    return "never" if instant is None else f"{instant:%Y-%m-%d %H:%M:%S} UTC, {ago(instant, now)}"


def joined(words: Sequence[str], nothing: str = "-") -> str:
    """Words with commas, or what stands for none."""
    return ", ".join(words) or nothing


def size(size_bytes: float) -> str:
    """Bytes in the largest unit that leaves a whole number, by powers of 1000.

    >>> size(512), size(1_500_000), size(10 * 1000**3)
    ('512 B', '1.5 MB', '10.0 GB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < _KILO:
            return f"{size_bytes:,.1f} {unit}" if unit != "B" else f"{size_bytes:,.0f} B"
        size_bytes /= _KILO
    return f"{size_bytes:,.1f} TB"


def share(value: float | None) -> str:
    """Return a share as a percentage; a dash where there is none."""
    return "-" if value is None else f"{value:.1%}"
