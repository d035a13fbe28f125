"""The lake in a notebook: tables by name, lazily, masked, without importing what declares them.

    from platform_assets.entrypoints.notebooks import open_platform
    platform = open_platform()
    platform["flights/flights"].at(partition="2013-01").head()

`%load_ext platform_assets.entrypoints.notebooks` adds the cell magic `%%platform sql`.
"""

# ruff: noqa: PLC0415 - a notebook pays only for what it uses

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import polars as pl

from platform_assets.operations.errors import RequestError, UnknownName
from platform_core.privacy.detect import suspected_pii
from platform_core.privacy.masking import MASK
from platform_core.quality.conform import converted
from platform_resources.settings import Settings
from platform_resources.storage import Lake, TableSpec
from platform_resources.storage.branches import found_tables

_SHOWN = 10
_NAMED = re.compile(r'"([^"/\s]+/[^"/\s]+)"')
_VERSION = re.compile(r"v(\d+)")


def open_platform(
    settings: Settings | None = None, *, contracts: Path | str = "contracts", unmask: bool = False
) -> "Platform":
    """Open the lake of the environment.

    Args:
        settings: Where things lie; None reads the environment, `PLATFORM_BRANCH` among it.
        contracts: The folder of published contracts, which say what is personal data; where it has none of a table,
            columns that look like personal data are masked.
        unmask: Shows personal data; in development only.

    Raises:
        RequestError: Unmasking is asked for outside of development.
    """
    chosen = settings or Settings.from_environment()
    if unmask and chosen.environment != "development":
        raise RequestError(f"unmask: personal data is shown in development only, and this is {chosen.environment}. "
                           "Fix: leave it out.")  # fmt: skip
    return Platform(Lake(chosen), Path(contracts), unmask)


@dataclass(frozen=True)
class Platform:
    """The tables of a lake, by the names of datasets."""

    lake: Lake
    contracts: Path
    unmask: bool

    def __getitem__(self, name: str) -> "Table":
        """Return the newest major version of a table; raises UnknownName."""
        if name not in self._specs:
            raise UnknownName("table", name, sorted(self._specs))
        return Table(self, name, self._specs[name])

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._specs))

    def __len__(self) -> int:
        return len(self._specs)

    def sql(self, query: str) -> pl.DataFrame:
        """Run a query by DuckDB over tables in double quotes, such as `from "flights/flights"`; masked as they are.

        Raises:
            UnknownName: There is no such table.
        """
        import duckdb

        with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as connection:
            connection.execute("set TimeZone = 'UTC'")
            for name in dict.fromkeys(_NAMED.findall(query)):
                connection.register(name, self[name].lazy().collect().to_arrow())
            return pl.DataFrame(connection.sql(query).to_arrow_table())

    @cached_property
    def _specs(self) -> dict[str, TableSpec]:
        """The newest major version of each table; those beside a dataset's own are left out."""
        settings = self.lake.settings
        places = [replace(settings, branch=None)]
        if self.lake.branch is not None:
            from platform_resources.storage.branches import Branches

            places.append(Branches(settings).tables_of(self.lake.branch.name))
        newest: dict[str, tuple[int, TableSpec]] = {}
        for path, pin in (table for place in places for table in found_tables(place)):
            name, _, last = path.rpartition("/")
            version = _VERSION.fullmatch(last)
            if pin is not None and version is not None:
                major, spec = int(version[1]), TableSpec(path=path, format=pin.format)
                newest[name] = max(newest.get(name, (-1, spec)), (major, spec), key=lambda pair: pair[0])
        return {name: spec for name, (_, spec) in newest.items()}

    def personal(self, name: str, frame: pl.LazyFrame) -> set[str]:
        """Name the columns of personal data: as the newest published contract says, or as they look."""
        contract = self._contract(name)
        if contract is None:
            return set(suspected_pii(frame))
        properties = [column for table in contract.get("schema", []) for column in table.get("properties", [])]
        return {column["name"] for column in properties if column.get("classification") == "personal"}

    def wider_types(self, name: str, frame: pl.LazyFrame, *, major: int) -> dict[str, pl.DataType]:
        """Find the columns whose published type is wider than the one in which the rows lie, with that type."""
        contract = self._contract(name)
        if contract is None or not str(contract.get("version", "")).startswith(f"{major}."):
            return {}
        from platform_core.interchange.compatibility import is_wider
        from platform_core.interchange.odcs import from_odcs

        stored_types = frame.collect_schema()
        columns = from_odcs(contract).dataset.columns
        return {column.name: column.dtype for column in columns
                if column.name in stored_types and is_wider(column.dtype, stored_types[column.name])}  # fmt: skip

    def _contract(self, name: str) -> dict[str, Any] | None:
        """Read the newest published contract; None where there is none."""
        published = sorted((self.contracts / name).glob("*.odcs.yaml"), key=_numbers)
        if not published:
            return None
        from ruamel.yaml import YAML

        contract: dict[str, Any] = YAML(typ="safe").load(published[-1].read_text(encoding="utf-8"))
        return contract

    def _repr_html_(self) -> str:
        items = "".join(f"<li><code>{escape(name)}</code></li>" for name in self)
        return f"<p>{escape(self.lake.settings.tables_root)}</p><ul>{items}</ul>"


@dataclass(frozen=True)
class Table:
    """A table of the lake, or a part of one; nothing is read before it is collected."""

    platform: Platform
    name: str
    spec: TableSpec
    version: str | None = None
    instant: datetime | None = None
    partition: str | None = None

    def at(
        self, *, version: str | int | None = None, instant: datetime | None = None, partition: str | None = None
    ) -> "Table":
        """Return the table at a version, or as it was at an instant with a zone; or one partition of it."""
        return replace(
            self,
            version=self.version if version is None else str(version),
            instant=instant or self.instant,
            partition=partition or self.partition,
        )

    def lazy(self) -> pl.LazyFrame:
        """Return the rows lazily, without the platform's own columns; personal data is masked.

        A version from before a type became wider is read in the wider type, which loses nothing.

        Raises:
            VersionNotFound: The table has no such version.
        """
        frame = self.platform.lake.scan(self.spec, version=self.version, at=self.instant)
        if self.partition is not None:
            frame = frame.filter(pl.col(self._partition_column(frame)) == self.partition)
        frame = frame.select(name for name in frame.collect_schema().names() if not name.startswith("_"))
        major = int(self.spec.path.rpartition("/v")[2])
        frame = converted(frame, self.platform.wider_types(self.name, frame, major=major))
        if self.platform.unmask:
            return frame
        hidden = self.platform.personal(self.name, frame)
        masked = [pl.when(pl.col(name).is_not_null()).then(pl.lit(MASK)).alias(name)
                  for name in frame.collect_schema().names() if name in hidden]  # fmt: skip
        return frame.with_columns(masked)

    def collect(self) -> pl.DataFrame:
        """Read all rows."""
        return self.lazy().collect()

    def head(self, rows: int = _SHOWN) -> pl.DataFrame:
        """Read the first rows."""
        return self.lazy().head(rows).collect()

    def profile(self) -> "Page":
        """Measure every column, with plots; shown as a page."""
        from platform_core.quality.profile import profile
        from platform_core.quality.profile_page import profile_page

        frame = self.lazy()
        personal = {name: "personal" for name, kind in frame.collect_schema().items()
                    if name in self.platform.personal(self.name, frame)}  # fmt: skip
        return Page(profile_page(profile(self.name, frame, personal=personal)))

    def _partition_column(self, frame: pl.LazyFrame) -> str:
        names = [name for name in frame.collect_schema().names() if name.startswith("_") and "partition" in name]
        if not names:
            raise RequestError(f"{self.name}: has no partitions. Fix: filter its rows.")
        return names[0]

    def _repr_html_(self) -> str:
        """Show what it is and its first rows."""
        rows = int(self.lazy().select(pl.len()).collect().item())
        facts = [f"{rows:,} rows", self.spec.format, f"version {self.version or self.platform.lake.version(self.spec)}"]
        facts += [f"partition {self.partition}"] if self.partition else []
        return f"<p><b>{escape(self.name)}</b>: {escape(', '.join(facts))}</p>{self.head()._repr_html_()}"


@dataclass(frozen=True)
class Page:
    """A page of HTML, shown in a frame of its own."""

    html: str

    def _repr_html_(self) -> str:
        return f'<iframe srcdoc="{escape(self.html, quote=True)}" width="100%" height="480"></iframe>'


def load_ipython_extension(shell: Any) -> None:
    """Add `%%platform sql`: the cell is a query over tables in double quotes."""

    def run(line: str, cell: str) -> pl.DataFrame:
        if line.split() != ["sql"]:
            raise RequestError(f"%%platform {line}: is not known. Fix: write %%platform sql.")
        return open_platform().sql(cell)

    shell.register_magic_function(run, magic_kind="cell", magic_name="platform")


def _numbers(path: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", path.name))
