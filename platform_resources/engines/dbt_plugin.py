"""The dbt-duckdb plugin that hands the lake's tables to DuckDB as Arrow.

DuckDB reads Delta and S3 only with extensions that it downloads, so it never does: a source is a lazy frame over the
files of one snapshot, which DuckDB scans as Arrow and into which it pushes columns and filters. The snapshot is taken
once a dbt run, so that models and tests of that run see the same rows.
"""

import os
from typing import Any

import polars as pl
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt.adapters.duckdb.utils import SourceConfig

from platform_resources.settings import Settings
from platform_resources.storage.lake import Lake
from platform_resources.storage.table import TableSpec


class Plugin(BasePlugin):
    """Loads a source whose `meta.table` says path and format below the tables root.

    Its config holds PLATFORM_* variables, which say more than the environment; credentials come from AWS_* alone, so
    no profile on disk holds a secret.
    """

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Learn where the lake is; nothing is read yet."""
        variables = {name: value for name, value in plugin_config.items() if name.startswith("PLATFORM_")}
        self.lake = Lake(Settings.from_environment({**os.environ, **variables}))
        self.loaded: dict[str, pl.LazyFrame] = {}

    def load(self, source_config: SourceConfig) -> Any:
        """Return what DuckDB scans for this source; the same snapshot for as long as the run lasts.

        A lazy frame, because DuckDB asks it for the columns and rows that a query needs, whatever the format. An Arrow
        dataset of delta-rs would stream, but pyarrow cannot compare the string views that Polars writes with a text:
        "no kernel matching input types (string, string_view)".

        Raises:
            TableNotFound: nothing was ever written.
        """
        spec = TableSpec(**source_config["table"])
        if spec.path not in self.loaded:
            self.loaded[spec.path] = self.lake.scan(spec)
        return self.loaded[spec.path]

    def default_materialization(self) -> str:
        """Return "view": rows are not copied into DuckDB."""
        return "view"
