"""What people ask of features and detectors: a frame for training, a key's latest values, leaks, another detector."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from platform_assets.factory.asset_keys import asset_key
from platform_assets.ingest.detectors import Detectors, latest_rows
from platform_assets.ingest.stored import as_declared
from platform_assets.ingest.tables import table_spec
from platform_assets.ingest.topic_history import topic_of
from platform_assets.location import CodeLocation
from platform_assets.operations.datasets import find_dataset
from platform_assets.operations.errors import RequestError
from platform_assets.operations.instance import open_instance
from platform_core.anomaly import Evaluation, evaluate_scores
from platform_core.contracts import Dataset
from platform_core.contracts.folds import Featured, Scored
from platform_core.contracts.publications import ToRedis, ToStore
from platform_core.features import compute_features, find_leaks
from platform_resources.sinks import redis, store

_INSTANTS = 5


@dataclass(frozen=True)
class DeclaredFeature:
    """One feature: where it is declared, and what it says."""

    dataset: str
    feature: str
    measure: str
    column: str
    over_seconds: float
    by: Sequence[str]
    version: str


@dataclass(frozen=True)
class DetectorVersion:
    """A detector that was trained; the last one scores."""

    version: str
    trained_at: datetime
    rows: int


def list_features(location: CodeLocation) -> list[DeclaredFeature]:
    """Return all declared features, those of one dataset together."""
    return [
        DeclaredFeature(
            dataset.name, feature.name, feature.measure.kind, feature.measure.column, feature.over.total_seconds(),
            feature.by, dataset.version,
        )
        for dataset in location.catalog.datasets.values() if isinstance(dataset.source, Featured)
        for feature in dataset.source.features
    ]  # fmt: skip


def frame_as_of(location: CodeLocation, name: str, labels: pl.DataFrame, *, instant: str) -> pl.DataFrame:
    """Return labels with the dataset's features as of their instants: what was known then, and nothing later.

    Args:
        location: The code location.
        name: A dataset whose source is `Featured`.
        labels: The features' keys and the instant, with whatever else; the rows keep their order.
        instant: The column of the instant, in UTC where it has no zone.

    Raises:
        RequestError: A column is missing, or the dataset has no features.
    """
    source = _featured(location, name)
    missing = [column for column in (*_keys(source), instant) if column not in labels.columns]
    if missing:
        raise RequestError(
            f"{name}: the labels have no column {missing[0]!r}, but {', '.join(labels.columns)}. "
            "Fix: name the column of the instant with --instant, and the others as the features' keys."
        )
    events, time = _events(location, source)
    dated_labels = labels.with_columns(_as_instant(labels, instant))
    return compute_features(source.features, events, dated_labels, time=time, instant=instant)


def look_up_features(location: CodeLocation, name: str, ids: Sequence[str]) -> dict[str, Any]:
    """Return the latest row of each key from where the dataset is published: the embedded store, or Redis.

    Raises:
        RequestError: It is published to neither.
    """
    dataset = find_dataset(location.catalog, name)
    for publication in dataset.publish:
        if isinstance(publication, ToStore):
            return dict(store.look_up(location.settings, publication.store, name, ids))
        if isinstance(publication, ToRedis):
            prefix = publication.prefix or name
            return dict(redis.look_up(location.settings, publication.connection, prefix, ids))
    raise RequestError(f"{name}: is not published where rows are looked up. Fix: publish=[ToStore(by=[...])].")


def leaks_of(location: CodeLocation, name: str) -> dict[str, datetime]:
    """Return the features that see the future, with an instant at which they do, on the rows that are stored.

    Raises:
        RequestError: There are no rows to look at.
    """
    source = _featured(location, name)
    events, time = _events(location, source)
    if events.height < 2:  # noqa: PLR2004 - a past and a future
        raise RequestError(f"{name}: {source.of} has no rows to look at. Fix: take some in.")
    events = events.sort(time, maintain_order=True)
    instants = [events[time][events.height * number // (_INSTANTS + 1)] for number in range(1, _INSTANTS + 1)]

    def compute(rows: pl.DataFrame) -> pl.DataFrame:
        return compute_features(source.features, rows, rows, time=time, instant=time)

    return find_leaks(compute, events, time=time, instants=instants, seed=0)


def train_again(location: CodeLocation, name: str, *, rows: int) -> DetectorVersion:
    """Train a detector on the latest rows of a stream; workers that start from now on score by it.

    Raises:
        RequestError: The dataset has no detector, or there are too few rows.
    """
    detectors = _detectors(location, name)
    latest = latest_rows(location.lake, location.catalog[detectors.source.of], rows)
    if latest.height < 2:  # noqa: PLR2004 - one row has no scale
        raise RequestError(f"{name}: {detectors.source.of} has {latest.height} rows. Fix: take some in.")
    version, _ = detectors.train(latest)
    return next(detector for detector in list_detectors(location, name) if detector.version == version)


@dataclass(frozen=True)
class DetectorDrift:
    """How far the latest rows of a stream lie from those that its detector was trained on.

    Attributes:
        dataset: Whose scores the detector gives.
        column: The one that moved most.
        shift: By how many of its usual deviations its median moved.
        trained: The detector that was trained on the latest rows; None where the shift is below the limit.
    """

    dataset: str
    column: str
    shift: float
    trained: DetectorVersion | None


def train_on_drift(location: CodeLocation, name: str, *, rows: int, limit: float) -> DetectorDrift:
    """Train a detector anew where the latest rows moved that far from those that the current one was trained on.

    Raises:
        RequestError: The dataset has no detector yet, or its stream no rows.
    """
    detectors = _detectors(location, name)
    drift = detectors.drift(latest_rows(location.lake, location.catalog[detectors.source.of], rows))
    if drift is None:
        raise RequestError(f"{name}: there is no detector or no row yet. Fix: platform anomalies train {name}")
    trained = train_again(location, name, rows=rows) if drift.shift >= limit else None
    return DetectorDrift(name, drift.column, drift.shift, trained)


def evaluate_detector(location: CodeLocation, name: str, labels: pl.DataFrame, *, label: str) -> Evaluation:
    """Compare the scores in a dataset's table with labels of its rows, and report the figures to Dagster.

    The asset's page draws them over time, as an observation with `precision`, `recall` and `auc`.

    Args:
        location: The code location.
        name: A dataset whose source is `Scored`.
        labels: Its key, and whether the row is odd.
        label: The column that says so.

    Raises:
        RequestError: A column is missing, or nothing was scored.
    """
    _detectors(location, name)
    dataset = find_dataset(location.catalog, name)
    missing = [column for column in (*dataset.key, label) if column not in labels.columns]
    if missing or not location.lake.exists(table_spec(dataset)):
        problem = f"the labels have no column {missing[0]!r}" if missing else "nothing was scored yet"
        raise RequestError(f"{name}: {problem}. Fix: give its key {', '.join(dataset.key)} and --label COLUMN.")
    stored = as_declared(location.lake.scan(table_spec(dataset)), dataset).select(*dataset.key, "anomaly_score")
    types = {column: stored.collect_schema()[column] for column in dataset.key}
    frame = labels.select(*dataset.key, pl.col(label).cast(pl.Boolean).alias("_odd")).cast(types)  # type: ignore[arg-type] # a dict of names
    scored = frame.join(stored.collect(), on=list(dataset.key), how="left")
    evaluation = evaluate_scores(scored["anomaly_score"], scored["_odd"])
    figures = {field: value for field, value in asdict(evaluation).items() if value is not None}
    with open_instance(location.settings) as instance:
        instance.report_runless_asset_event(dg.AssetObservation(asset_key(name), metadata=figures))
    return evaluation


def list_detectors(location: CodeLocation, name: str) -> list[DetectorVersion]:
    """Return the versions of a dataset's detector, the one that scores last."""
    detectors = _detectors(location, name)
    return [DetectorVersion(*row) for row in detectors.versions().select("version", "trained_at", "rows").iter_rows()]


def read_labels(file: Path) -> pl.DataFrame:
    """Read a frame of labels from CSV or Parquet.

    Raises:
        RequestError: There is no such file.
    """
    if not file.is_file():
        raise RequestError(f"there is no file {str(file)!r}. Fix: name one of CSV or Parquet.")
    return pl.read_parquet(file) if file.suffix == ".parquet" else pl.read_csv(file, try_parse_dates=True)


def _featured(location: CodeLocation, name: str) -> Featured:
    dataset = find_dataset(location.catalog, name)
    if not isinstance(dataset.source, Featured):
        names = sorted({feature.dataset for feature in list_features(location)})
        raise RequestError(f"{name}: has no features. Fix: name one of {', '.join(names) or 'those with Featured'}.")
    return dataset.source


def _detectors(location: CodeLocation, name: str) -> Detectors:
    dataset = find_dataset(location.catalog, name)
    if not isinstance(dataset.source, Scored):
        names = [scored.name for scored in location.catalog.datasets.values() if isinstance(scored.source, Scored)]
        raise RequestError(f"{name}: has no detector. Fix: name one of {', '.join(names) or 'those with Scored'}.")
    return Detectors(location.lake, dataset)


def _events(location: CodeLocation, source: Featured) -> tuple[pl.DataFrame, str]:
    above: Dataset = location.catalog[source.of]
    spec = table_spec(above)
    types = {column.name: column.dtype for column in above.columns}
    stored = location.lake.exists(spec)
    rows = as_declared(location.lake.scan(spec), above).collect() if stored else pl.DataFrame(schema=types)
    return rows, str(topic_of(above).event_time)


def _keys(source: Featured) -> list[str]:
    return list(dict.fromkeys(column for feature in source.features for column in feature.by))


def _as_instant(labels: pl.DataFrame, instant: str) -> pl.Expr:
    dtype = labels.schema[instant]
    column = pl.col(instant)
    if dtype == pl.String:
        return column.str.to_datetime(time_unit="us", time_zone="UTC")
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is None:
        return column.dt.replace_time_zone("UTC").dt.cast_time_unit("us")
    return column.cast(pl.Datetime("us", "UTC"))
