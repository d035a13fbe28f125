"""The detectors of a dataset's scores: frozen, versioned by their content, and never changed."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import polars as pl

from platform_assets.ingest.stored import as_declared
from platform_assets.ingest.tables import table_spec
from platform_assets.ingest.topic_history import topic_of
from platform_core.anomaly import (
    Detector,
    Evaluation,
    describe_detector,
    evaluate_scores,
    learn_season,
    parse_detector,
    score_rows,
    shifts_of,
    train_detector,
)
from platform_core.contracts import Catalog, Dataset
from platform_core.contracts.folds import Scored
from platform_resources.storage import Lake, TableSpec

_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "version": pl.String,
    "trained_at": pl.Datetime("us", "UTC"),
    "rows": pl.Int64,
    "description": pl.String,
}


@dataclass(frozen=True)
class Drift:
    """The column whose median moved most since the training, and by how many of its usual deviations."""

    column: str
    shift: float


@dataclass(frozen=True)
class Renewal:
    """What a look at a detector found and did.

    Attributes:
        version: Of the detector that scores from now on; None while there are too few rows for one.
        rows: The latest ones, which it was held against.
        drift: How far they lie from its training; None where there was no detector before.
        is_trained: Whether another detector was trained.
        evaluation: How good it is on labelled rows; None where none are declared.
    """

    version: str | None
    rows: int
    drift: Drift | None
    is_trained: bool
    evaluation: Evaluation | None


class Detectors:
    """Trains, keeps and loads the detectors of one dataset."""

    def __init__(self, lake: Lake, dataset: Dataset) -> None:
        """Read nothing yet."""
        if not isinstance(dataset.source, Scored):
            raise TypeError(f"{dataset.name} has no detector")
        self._lake, self.source = lake, dataset.source
        path = f"{dataset.name}/v{dataset.major}__detectors"
        self._spec = TableSpec(path=path, format="parquet", partition_column="version")

    def train(self, rows: pl.DataFrame) -> tuple[str, Detector]:
        """Train on the rows, and keep what was learnt; the same rows give the same version again."""
        rng = np.random.default_rng(self.source.seed)
        source, season = self.source, None
        columns = tuple(source.reads_columns)
        if source.season is not None and source.time is not None:
            season = learn_season(rows, columns, time=source.time, period=source.season, slots=source.season_parts)
        detector = train_detector(rows, columns, rng, rate=source.rate, season=season)
        if detector.version not in self.versions()["version"]:
            described = json.dumps(describe_detector(detector))
            row = pl.DataFrame([(detector.version, datetime.now(UTC), rows.height, described)], _SCHEMA, orient="row")
            self._lake.write(self._spec, row, partitions=[detector.version])
        return detector.version, detector

    def drift(self, rows: pl.DataFrame) -> "Drift | None":
        """Return how far the rows lie from those that the current detector was trained on; None without one."""
        current = self.current()
        if current is None or rows.is_empty():
            return None
        shifts = shifts_of(self.load(current), rows)
        column = max(shifts, key=lambda shift: shifts[shift])
        return Drift(column, shifts[column])

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
        version_rows = self._lake.read(self._spec, columns=["version", "trained_at", "rows"])
        return version_rows.sort("trained_at", "version")


def latest_rows(lake: Lake, above: Dataset, rows: int) -> pl.DataFrame:
    """Return the latest rows of a stream by their event time, in its order; all where it has no more."""
    time, spec = str(topic_of(above).event_time), table_spec(above)
    if not lake.exists(spec):
        return pl.DataFrame(schema={column.name: column.dtype for column in above.columns})
    return as_declared(lake.scan(spec), above).top_k(rows, by=time).collect().sort(time)


def renew_detector(lake: Lake, catalog: Catalog, dataset: Dataset, *, rows: int, limit: float | None) -> Renewal:
    """Train the detector of a dataset where there is none or the latest rows drifted, and judge it by its labels.

    Args:
        lake: The tables.
        catalog: All declared datasets.
        dataset: Whose source is `Scored`.
        rows: How many of the latest rows are looked at, and trained on.
        limit: The drift from which another detector is trained; None trains only where there is none.
    """
    detectors = Detectors(lake, dataset)
    source = detectors.source
    latest = latest_rows(lake, catalog[source.of], max(rows, source.train_on))
    drift = detectors.drift(latest)
    has_drifted = drift is not None and limit is not None and drift.shift >= limit
    is_trained = has_drifted or (drift is None and latest.height >= source.train_on)
    if is_trained:
        detectors.train(latest)
    version = detectors.current()
    evaluation = None
    if version is not None and source.labels is not None:
        evaluation = _evaluate(lake, catalog, dataset, detectors.load(version))
    return Renewal(version, latest.height, drift, is_trained, evaluation)


def _evaluate(lake: Lake, catalog: Catalog, dataset: Dataset, detector: Detector) -> Evaluation:
    """Score the labelled rows of the stream by a detector, and compare."""
    source, key = Detectors(lake, dataset).source, list(dataset.key)
    above, labels = catalog[source.of], catalog[str(source.labels)]
    if not lake.exists(table_spec(labels)):
        return evaluate_scores(pl.Series(dtype=pl.Float64), pl.Series(dtype=pl.Boolean))
    labelled = as_declared(lake.scan(table_spec(labels)), labels).select(*key, pl.col(source.label).alias("_label"))
    rows = as_declared(lake.scan(table_spec(above)), above).join(labelled, on=key, how="inner").collect()
    return evaluate_scores(score_rows(detector, rows)["anomaly_score"], rows["_label"])
