"""Generated data as files: datasets by their contracts, and recipes; each file appears whole or not at all."""

import json
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, get_args

import numpy as np
import polars as pl

from platform_assets.operations.refined_catalog import refine_catalog, seed_of
from platform_core.contracts import Catalog
from platform_core.errors import CoreError
from platform_core.synthetic import world
from platform_core.synthetic.commerce import TABLES, shop
from platform_core.synthetic.recipes import Recipes, images, series, table_chunks
from platform_core.synthetic.recipes.images import ImageRecipe, Pixels

FileFormat = Literal["parquet", "csv", "jsonl", "json", "arrow"]
FORMATS: tuple[FileFormat, ...] = get_args(FileFormat)


class UnwritableFolder(CoreError):
    """A folder that generated files cannot be written to."""

    def __init__(self, folder: Path, reason: str) -> None:
        self.folder, self.reason = folder, reason
        super().__init__(f"{folder}: cannot be written to ({reason}). Fix: name another folder with --out.")


@dataclass(frozen=True)
class GeneratedFile:
    """A file that was written: what it was made from, where it lies, its rows (or images)."""

    name: str
    path: str
    rows: int
    size_bytes: int


def generate_datasets(
    catalog: Catalog,
    names: Sequence[str],
    *,
    rows: int | None,
    seed: int | None,
    out: Path,
    file_format: FileFormat,
    recipe: tuple[Any, str] | None = None,
) -> list[GeneratedFile]:
    """Write generated rows of the datasets, and refer only to rows that are there.

    The datasets that they refer to are generated with them, so that references hold, and are written too.

    Args:
        catalog: What is declared.
        names: The datasets.
        rows: Of each table; None for what the recipe says, else 1,000.
        seed: The same makes the same rows; None for the recipe's, else 0.
        out: The folder; it is made where it is missing.
        file_format: Of the files.
        recipe: What a YAML file says of the datasets, and its name.

    Raises:
        CannotGenerate: With the dataset and the rule for which no rows were found.
        ContractError: With every word of the recipe that cannot be meant.
        UnwritableFolder: The folder cannot be written to.
    """
    part = Catalog({name: catalog[name] for name in _with_references(catalog, names)}, {})
    counts: dict[str, int] = {}
    if recipe is not None:
        part, counts = refine_catalog(part, recipe[0], source=recipe[1])
        seed = seed_of(recipe[0]) if seed is None else seed
    tables = world(part, seed or 0, rows=1000 if rows is None else rows, counts={} if rows is not None else counts)
    return [_written(name, _file(out, name, file_format), [tables[name]], file_format) for name in sorted(tables)]


def generate_recipes(
    recipes: Recipes, *, rows: int | None, seed: int | None, out: Path, file_format: FileFormat
) -> list[GeneratedFile]:
    """Write what the recipes ask for; tables chunk by chunk, so that any number of rows takes bounded memory.

    Args:
        recipes: What to make.
        rows: Of each table; None for the recipes' own.
        seed: None for the recipes' own.
        out: The folder; it is made where it is missing.
        file_format: Of tables and series. Images are PNG files, beside an NPZ of their arrays and labels; with Parquet
            a table of them too, pixels row by row.
    """
    seed = recipes.seed if seed is None else seed
    files = [
        _written(recipe.name, _file(out, recipe.name, file_format), table_chunks(recipe, seed, rows), file_format)
        for recipe in recipes.tables
    ]
    files += [
        _written(one.name, _file(out, one.name, file_format), [series(one, seed)], file_format)
        for one in recipes.series
    ]
    for recipe in recipes.images:
        files += _written_images(recipe, out, seed, as_table=file_format == "parquet")
    return files


def generate_shop(*, scale: float, seed: int, out: Path, file_format: FileFormat) -> list[GeneratedFile]:
    """Write the tables of a shop, as large as `scale` says; in memory is one block of its customers.

    Raises:
        UnwritableFolder: The folder cannot be written to.
    """
    folder = out / "commerce"
    return [
        _written(f"commerce/{table}", _file(folder, table, file_format), shop(scale, seed, table), file_format)
        for table in TABLES
    ]


def _with_references(catalog: Catalog, names: Iterable[str]) -> list[str]:
    needed: dict[str, None] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed[name] = None
            waiting += [rule.dataset for rule in catalog.references_of(catalog[name])]
    return list(needed)


def write_file(path: Path, name: str, chunks: Iterable[pl.DataFrame], file_format: FileFormat) -> GeneratedFile:
    """Write chunks of rows to a file, which appears whole or not at all."""
    return _written(name, path, chunks, file_format)


def _file(out: Path, name: str, file_format: FileFormat) -> Path:
    return out / f"{name}.{file_format}"


def _written(name: str, path: Path, chunks: Iterable[pl.DataFrame], file_format: FileFormat) -> GeneratedFile:
    rows = 0

    def counted() -> Iterator[pl.DataFrame]:
        nonlocal rows
        for chunk in chunks:
            rows += chunk.height
            yield chunk

    with _draft(path) as draft:
        _WRITERS[file_format](counted(), draft)
    return GeneratedFile(name, str(path), rows, path.stat().st_size)


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """Give a name beside the file's, which becomes the file's when all went well and goes when not."""
    draft = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        draft.replace(path)
    except OSError as error:
        raise UnwritableFolder(path.parent, error.strerror or str(error)) from error
    finally:
        draft.unlink(missing_ok=True)


def _parquet(chunks: Iterator[pl.DataFrame], path: Path) -> None:
    import pyarrow.parquet as pq

    first = next(chunks).to_arrow()
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for chunk in chunks:
            writer.write_table(chunk.to_arrow())


def _arrow(chunks: Iterator[pl.DataFrame], path: Path) -> None:
    import pyarrow as pa

    first = next(chunks).to_arrow()
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, first.schema) as writer:
        writer.write_table(first)
        for chunk in chunks:
            writer.write_table(chunk.to_arrow())


def _csv(chunks: Iterator[pl.DataFrame], path: Path) -> None:
    with path.open("wb") as file:
        for number, chunk in enumerate(chunks):
            _as_text(chunk).write_csv(file, include_header=number == 0)


def _as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Give nested values their JSON, which CSV lacks, and instants their zone, without which no contract reads them."""
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    instants = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Datetime) and dtype.time_zone]
    return frame.with_columns(
        *(_nested_text(frame[name]) for name in nested),
        *(pl.col(name).dt.convert_time_zone("UTC").dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ") for name in instants),
    )


def _nested_text(values: pl.Series) -> pl.Series:
    texts = [None if value is None else json.dumps(value, default=str) for value in values.to_list()]
    return pl.Series(values.name, texts, dtype=pl.String)


def _jsonl(chunks: Iterator[pl.DataFrame], path: Path) -> None:
    with path.open("wb") as file:
        for chunk in chunks:
            chunk.write_ndjson(file)


def _json(chunks: Iterator[pl.DataFrame], path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"[")
        first = True
        for chunk in chunks:
            text = chunk.write_json().encode()[1:-1]
            if text:
                file.write(text if first else b"," + text)
                first = False
        file.write(b"]\n")


_WRITERS: dict[FileFormat, Callable[[Iterator[pl.DataFrame], Path], None]] = {
    "parquet": _parquet, "arrow": _arrow, "csv": _csv, "jsonl": _jsonl, "json": _json,
}  # fmt: skip


def _written_images(recipe: ImageRecipe, out: Path, seed: int, *, as_table: bool) -> list[GeneratedFile]:
    folder = out / recipe.name
    labels, arrays = [], []
    for number, (label, pixels) in enumerate(images(recipe, seed)):
        with _draft(folder / f"{number:05}.png") as draft, draft.open("wb") as file:
            write_png(file, pixels)
        labels.append(label)
        arrays.append(pixels)
    listing = pl.DataFrame({"file": [f"{number:05}.png" for number in range(len(labels))], "label": labels})
    stacked = folder / "images.npz"
    with _draft(stacked) as draft, draft.open("wb") as file:
        shape = (0, recipe.height, recipe.width, recipe.channels)
        np.savez_compressed(file, images=np.stack(arrays) if arrays else np.zeros(shape, np.uint8), labels=labels)
    written = [_written(f"{recipe.name}/labels", folder / "labels.csv", [listing], "csv")]
    if as_table:
        rows = listing.with_columns(
            pl.lit(recipe.height).alias("height"), pl.lit(recipe.width).alias("width"),
            pl.lit(recipe.channels).alias("channels"),
            pl.Series("pixels", [pixels.tobytes() for pixels in arrays], dtype=pl.Binary),
        )  # fmt: skip
        written.append(_written(f"{recipe.name}/images", folder / "images.parquet", [rows], "parquet"))
    return [*written, GeneratedFile(recipe.name, str(stacked), len(labels), stacked.stat().st_size)]


def write_png(file: IO[bytes], pixels: Pixels) -> None:
    """Write grey (1 channel) or RGB (3 channels) pixels of 8 bits as PNG (ISO/IEC 15948), without filters."""
    height, width, channels = pixels.shape
    lines = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, width * channels)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if channels == 1 else 2, 0, 0, 0)
    file.write(b"\x89PNG\r\n\x1a\n")
    for kind, content in ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b"")):
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        file.write(struct.pack(">I", len(content)) + kind + content + checksum)
