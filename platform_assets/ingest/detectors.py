"""The detectors of a dataset's scores: frozen, versioned by their content, and never changed."""

import json
from datetime import UTC, datetime

import numpy as np
import polars as pl

from platform_core.anomaly import Detector, describe_detector, learn_season, parse_detector, train_detector
from platform_core.contracts import Dataset
from platform_core.contracts.folds import Scored
from platform_resources.storage import Lake, TableSpec

_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "version": pl.String,
    "trained_at": pl.Datetime("us", "UTC"),
    "rows": pl.Int64,
    "description": pl.String,
}


class Detectors:
    """Trains, keeps and loads the detectors of one dataset."""

    def __init__(self, lake: Lake, dataset: Dataset) -> None:
        """Read nothing yet."""
        if not isinstance(dataset.source, Scored):
            raise TypeError(f"{dataset.name} has no detector")
        self._lake, self._source = lake, dataset.source
        path = f"{dataset.name}/v{dataset.major}__detectors"
        self._spec = TableSpec(path=path, format="parquet", partition_column="version")

    def train(self, rows: pl.DataFrame) -> tuple[str, Detector]:
        """Train on the rows, and keep what was learnt; the same rows give the same version again."""
        rng = np.random.default_rng(self._source.seed)
        source, season = self._source, None
        columns = tuple(source.reads_columns)
        if source.season is not None and source.time is not None:
            season = learn_season(rows, columns, time=source.time, period=source.season, slots=source.season_parts)
        detector = train_detector(rows, columns, rng, rate=source.rate, season=season)
        if detector.version not in self.versions()["version"]:
            described = json.dumps(describe_detector(detector))
            row = pl.DataFrame([(detector.version, datetime.now(UTC), rows.height, described)], _SCHEMA, orient="row")
            self._lake.write(self._spec, row, partitions=[detector.version])
        return detector.version, detector

    def load(self, version: str) -> Detector:
        """Return a version, bit for bit as it was trained."""
        row = self._lake.read(self._spec, partitions=[version], columns=["description"])
        return parse_detector(json.loads(row["description"].item()))

    def current(self) -> str | None:
        """Return the version that was trained last; None before the first."""
        versions = self.versions()
        return None if versions.is_empty() else str(versions["version"][-1])

    def versions(self) -> pl.DataFrame:
        """Return the versions with when and on how many rows they were trained, in that order."""
        if not self._lake.exists(self._spec):
            return pl.DataFrame(schema=_SCHEMA).drop("description")
        kept = self._lake.read(self._spec, columns=["version", "trained_at", "rows"])
        return kept.sort("trained_at", "version")
