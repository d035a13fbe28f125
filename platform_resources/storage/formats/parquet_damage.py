"""What plain Parquet lacks: its columns, or the end of a file. No list says which files there should be."""

import polars as pl

from platform_resources.errors import TableDamaged
from platform_resources.storage.damage import BRING_BACK, Lost, damaged, is_json
from platform_resources.storage.folder import Entry, Folder
from platform_resources.storage.table import TableSpec

SCHEMAS = "_schema"
_AGAIN = f"{BRING_BACK}; or overwrite what it held: materialise {{}} again"


def damage(spec: TableSpec, folder: Folder, live: list[Entry], options: dict[str, object]) -> TableDamaged | None:
    """Returns what is wrong with a table that cannot be read, or None.

    Args:
        spec: the table.
        folder: its place.
        live: the files that hold its rows.
        options: with which Polars reads them.
    """
    for each in folder.entries(SCHEMAS):
        if not is_json(folder.read(each.name)):
            lost = Lost("list of columns", folder.uri(each.name), "is empty or cut off")
            return damaged(spec.path, lost, fix=f"{BRING_BACK}; or delete it, and write any rows with all columns")
    for each in live:
        try:
            pl.scan_parquet(folder.uri(each.name), glob=False, hive_partitioning=False, **options).collect_schema()  # type: ignore[arg-type]  # as the format gives them
        except (pl.exceptions.PolarsError, OSError):
            place, _, _ = each.name.rpartition("/")
            lost = Lost("data file", folder.uri(each.name), f"of {each.size_bytes:,} bytes is cut off or no Parquet")
            return damaged(
                spec.path, lost, fix=_AGAIN.format(f"partition {place.partition('=')[2]}" if place else "it")
            )
    return None
