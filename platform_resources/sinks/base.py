"""The sink port: what one or some commits changed is put on a far side under the rows' keys.

An adapter knows no contract and no Dagster: it gets the declaration as plain values (`options`) and its surroundings
(`SinkContext`). Its module has one function, `open_sink(options, context)`. The same changes may come again, after a
process died or a far side did not answer: they must leave the far side as they found it. A far side with transactions
may keep the position beside the rows (`position`), and then has each change once.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any

import polars as pl

from platform_resources.settings import SINK_PREFIX, Settings
from platform_resources.sinks.errors import SinkError

_CELLS_AT_ONCE = 200_000


@dataclass(frozen=True, kw_only=True)
class SinkContext:
    """What an adapter may need of its surroundings.

    Attributes:
        dataset: The dataset's name, `domain/dataset`.
        settings: Where things lie, and the addresses of far sides.
        key: The columns that identify a row.
        schema: The columns that are published, key first, with their types.
    """

    dataset: str
    settings: Settings
    key: tuple[str, ...]
    schema: Mapping[str, pl.DataType]

    def address(self, name: str) -> str:
        """Return the URL that the settings know under a name.

        Raises:
            SinkError: They know none.
        """
        url = self.settings.sinks.get(name)
        if url is None:
            variable = f"{SINK_PREFIX}{name.upper()}"
            raise SinkError(self.dataset, name, f"{variable} is not set", fix="set it to the far side's URL")
        return url


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What is different since a position; a row is among them once.

    Attributes:
        rows: To put; the published columns, key first.
        deleted: Keys of rows to delete.
        number: Grows from one publication of the dataset to the next: a far side can tell an old change by it.
        position: What stands for the table when these changes are on the far side.
    """

    rows: pl.DataFrame
    deleted: pl.DataFrame
    key: tuple[str, ...]
    number: int
    position: str

    @cached_property
    def ids(self) -> list[str]:
        """The id of each row to put."""
        return ids_of(self.rows, self.key)

    @cached_property
    def deleted_ids(self) -> list[str]:
        """The id of each row to delete."""
        return ids_of(self.deleted, self.key)

    def documents(self) -> Iterator[tuple[str, bytes]]:
        """Yield id and JSON document of each row to put, instants in ISO 8601 with a zone."""
        step = max(1, _CELLS_AT_ONCE // max(1, self.rows.width))
        for start in range(0, self.rows.height, step):
            part = self.rows.slice(start, step)
            yield from zip(self.ids[start : start + step], as_documents(part), strict=True)

    def __len__(self) -> int:
        return self.rows.height + self.deleted.height


class Sink(ABC):
    """One far side, opened for one dataset."""

    @abstractmethod
    def write(self, changes: Changes) -> None:
        """Put and delete rows durably; the same changes again change nothing.

        Raises:
            SinkUnreachable: It is worth to try again.
            SinkRefused: It is not.
        """

    def position(self) -> str | None:
        """Return the position of the last changes, where the far side keeps it with them; None where it does not."""
        return None

    def last_number(self) -> int:
        """Return the highest number that the far side knows of; 0 where it does not tell."""
        return 0

    @property
    def keeps_position(self) -> bool:
        """Whether the far side keeps `position` in one transaction with the rows: then each change is there once."""
        return False

    def close(self) -> None:  # noqa: B027 - most have nothing open
        """Release what is open."""


def open_sink(kind: str, options: Mapping[str, Any], context: SinkContext) -> Sink:
    """Open the adapter of a kind: a module of this package, or, with a dot in it, the module of that full name."""
    module = import_module(kind if "." in kind else f"platform_resources.sinks.{kind}")
    sink: Sink = module.open_sink(options, context)
    return sink


def ids_of(rows: pl.DataFrame, key: Sequence[str]) -> list[str]:
    """Return the id of each row: the key's value as text, of a key of several columns a JSON list of texts."""
    texts = [_as_text(rows[name]) for name in key]
    if len(texts) == 1:
        return texts[0]
    return [json.dumps(values, ensure_ascii=False, separators=(",", ":")) for values in zip(*texts, strict=True)]


def as_documents(rows: pl.DataFrame) -> list[bytes]:
    """Return each row as a JSON object, instants in ISO 8601 with a zone."""
    texts = rows.with_columns(
        (
            pl.col(name).dt.convert_time_zone("UTC").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
            if dtype.time_zone
            else pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%S%.6f")
        )
        for name, dtype in rows.schema.items()
        if isinstance(dtype, pl.Datetime)
    )
    return texts.write_ndjson().encode().splitlines()


def _as_text(values: pl.Series) -> list[str]:
    if isinstance(values.dtype, pl.Datetime):
        return values.dt.strftime("%Y-%m-%dT%H:%M:%S%.6f" + ("Z" if values.dtype.time_zone else "")).to_list()
    return values.cast(pl.String).to_list()
