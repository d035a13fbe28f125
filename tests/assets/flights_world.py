"""The real flights in a lake, and what the marts must say, reckoned by Polars from the files alone."""

import io
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import dagster as dg
import polars as pl

from platform_assets.discovery import discover
from platform_assets.factory.dbt.assets import build_dbt_assets
from platform_assets.factory.red_checks import RedChecks
from platform_assets.ingest import table_spec
from platform_assets.operations.sample import sample_files
from platform_core.contracts import Catalog, Dataset
from platform_resources.settings import Settings
from platform_resources.storage import Lake, TableSpec
from platform_resources.storage.io_manager import LakeIOManager

DBT = Path(__file__).parents[2] / "dbt"
NAMES = ("airlines", "airports", "planes", "weather", "flights")
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=1)
def catalog() -> Catalog:
    return discover("platform_assets.domains.flights")


@lru_cache(maxsize=1)
def files() -> Mapping[str, pl.DataFrame]:
    """The rows of each dataset, typed by its contract; without the wind of 1,048 mph that a rule refuses."""
    read: Mapping[str, Callable[[bytes], pl.DataFrame]] = {
        "csv": lambda content: pl.read_csv(content, null_values="NA", infer_schema_length=None),
        "parquet": lambda content: pl.read_parquet(io.BytesIO(content)),
    }
    landed = [(source.split("/")[1], read[source.rpartition(".")[2]](content)) for source, content in sample_files()]
    frames = {name: pl.concat([frame for source, frame in landed if source.startswith(name)]) for name in NAMES}
    frames["weather"] = frames["weather"].filter(pl.col("wind_speed").fill_null(0) <= 250)
    return {name: frame.cast(dtypes(catalog()[f"flights/{name}"])) for name, frame in frames.items()}


def dtypes(dataset: Dataset) -> dict[str, pl.DataType]:
    return {column.name: column.dtype for column in dataset.columns}


def ingested(name: str, rows: pl.DataFrame, at: datetime = FIRST) -> pl.DataFrame:
    """The rows as an ingest stores them."""
    dataset = catalog()[f"flights/{name}"]
    keyed = rows.with_columns(dataset.partitions.key()) if dataset.partitions else rows
    return keyed.with_columns(
        _source=pl.lit(f"{name}.parquet"),
        _ingest_id=pl.lit(at.isoformat()),
        _row_hash=pl.struct(pl.all()).hash().cast(pl.String),
        _ingested_at=pl.lit(at).dt.cast_time_unit("us"),
    )


def spec(name: str) -> TableSpec:
    return table_spec(catalog()[f"flights/{name}"])


def fill(state: Path) -> Lake:
    """A lake with all the flights."""
    lake = Lake(Settings.from_environment({"PLATFORM_STATE": str(state)}))
    for name, rows in files().items():
        lake.write(spec(name), ingested(name, rows))
    return lake


def dbt(lake: Lake, project: Path = DBT) -> dg.AssetsDefinition:
    return build_dbt_assets(lake.settings, catalog(), project=project)[0]


def run(lake: Lake, project: Path = DBT, *, select: dg.AssetSelection | None = None) -> dg.ExecuteInProcessResult:
    """A run of the dbt models."""
    models = dbt(lake, project)
    return dg.materialize(
        [models],
        selection=select,
        resources={
            "lake": lake,
            "io_manager": LakeIOManager(lake.settings),
            "red_checks": RedChecks.of([models]),
        },
        instance=dg.DagsterInstance.ephemeral(),
        raise_on_error=False,
    )


def rerun(lake: Lake, project: Path = DBT) -> dg.ExecuteInProcessResult:
    """A run of all models without any check, which is most of the time that a run takes."""
    return run(lake, project, select=dg.AssetSelection.groups("flights").without_checks())


def mart(lake: Lake, name: str) -> pl.DataFrame:
    return lake.scan(TableSpec(path=f"flights/{name}/v1")).collect()


def departures(flights: pl.DataFrame) -> pl.DataFrame:
    """Every flight with the weather of its hour, reckoned without dbt, DuckDB or our lake."""
    weather = files()["weather"].select("origin", "time_hour", "wind_speed", "precip", "visib")
    return (
        flights.join(weather, on=["origin", "time_hour"], how="left")
        .join(files()["airlines"].rename({"name": "airline"}), on="carrier", how="left")
        .join(files()["airports"].select(dest="faa", destination="name"), on="dest", how="left")
        .with_columns(
            distance=pl.col("distance").min().over("origin", "dest"),
            local_hour=pl.col("hour"),
            wind=classes("wind_speed", [5, 15, 25], ["calm", "breeze", "fresh", "strong"]),
            precipitation=classes("precip", [1e-9, 0.1, 0.3], ["none", "light", "moderate", "heavy"]),
            visibility=classes("visib", [1, 3, 10], ["below 1 mile", "1 to 3 miles", "3 to 10 miles", "10 miles"]),
        )
    )


def classes(column: str, bounds: list[float], labels: list[str]) -> pl.Expr:
    """The class of each value, left ends closed."""
    found = pl.when(pl.col(column) < bounds[0]).then(pl.lit(labels[0]))
    for bound, label in zip(bounds[1:], labels[1:], strict=False):
        found = found.when(pl.col(column) < bound).then(pl.lit(label))
    return found.when(pl.col(column) >= bounds[-1]).then(pl.lit(labels[-1])).otherwise(pl.lit("unknown"))


def delays(rows: pl.DataFrame, *by: str, weather: bool = True) -> pl.DataFrame:
    """What a mart must say of the rows, by some columns."""
    delay, wet, left = pl.col("dep_delay"), pl.col("precip") > 0, pl.col("dep_delay").is_not_null()
    measures = {
        "flights": pl.len().cast(pl.Int64),
        "cancelled": pl.col("dep_time").is_null().sum().cast(pl.Int64),
        "cancelled_share": pl.col("dep_time").is_null().mean(),
        "mean_dep_delay": delay.mean(),
        "median_dep_delay": delay.median(),
        "late_share": (delay.filter(left) >= 15).mean(),
        "mean_arr_delay": pl.col("arr_delay").mean(),
    }
    rain = {
        "mean_wind_speed": pl.col("wind_speed").mean(),
        "wet_share": wet.mean(),
        "mean_dep_delay_wet": delay.filter(wet).mean(),
        "mean_dep_delay_dry": delay.filter(~wet).mean(),
    }
    return rows.group_by(by).agg(**measures, **(rain if weather else {})).sort(by)
