"""What judging costs: our one scan beside Pandera, a select written by hand, and dataframely, by the same rules.

Two tables: the flights sample (337 k rows, with references into four other tables) and 6 M rows by 20 rules. Every
case ends with a count for each rule and, where it says `split`, with the rows that may stay. Rows are typed and in
memory before the clock starts.
"""

import importlib.util
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import Case, Facts, main

if TYPE_CHECKING:
    import polars as pl

    from platform_core.contracts import Dataset

ROWS = 6_000_000
FLAGS, MODES = ("A", "N", "R"), ("AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK")
NO_DATAFRAMELY = "" if importlib.util.find_spec("dataframely") else "dataframely is not installed (pip install it)"


def prepare(folder: Path) -> None:
    """Writes both tables and what they refer to."""
    _lines().write_parquet(folder / "lines.parquet")
    for name, frame in _sample().items():
        frame.write_parquet(folder / f"{name}.parquet")


def _lines() -> "pl.DataFrame":
    """Order lines that break each of their rules in one row of a thousand or fewer."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(0)
    shipped = rng.integers(0, 86_400_000_000 * 365, ROWS)
    return pl.DataFrame(
        {
            "order_id": np.arange(ROWS) // 4,
            "line": np.arange(ROWS) % 4 + 1,
            "quantity": rng.integers(1, 51, ROWS).astype(float),
            "price": rng.uniform(1, 1e5, ROWS),
            "discount": rng.integers(0, 11, ROWS) / 100,
            "flag": rng.choice(FLAGS, ROWS),
            "mode": rng.choice(MODES, ROWS),
            "instruct": rng.choice(["COLLECT COD", "DELIVER IN PERSON", "NONE"], ROWS),
            "shipped": shipped,
            "received": shipped + rng.integers(0, 86_400_000_000 * 30, ROWS),
        }
    ).with_columns(
        pl.col("shipped", "received").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        pl.when(pl.int_range(pl.len()) % 1009 == 0).then(99.0).otherwise("quantity").alias("quantity"),
        pl.when(pl.int_range(pl.len()) % 2003 == 0).then(None).otherwise("flag").alias("flag"),
    )


def _sample() -> Mapping[str, "pl.DataFrame"]:
    """The flights sample in the contract's types, and the columns its references look into."""
    import polars as pl

    from platform_assets.domains.flights.flights import flights
    from platform_assets.operations.sample import sample_files
    from platform_core.quality import conform

    files = dict(sample_files())
    months = [pl.read_parquet(io.BytesIO(body)) for name, body in files.items() if name.startswith("flights/flights-")]
    weather = [pl.read_parquet(io.BytesIO(body)) for name, body in files.items() if name.startswith("flights/weather-")]
    return {
        "flights": conform(pl.concat(months), flights).frame,
        "carrier_references": pl.read_csv(files["flights/airlines.csv"]).select("carrier"),
        "tailnum_references": pl.read_csv(files["flights/planes.csv"], null_values="NA").select("tailnum"),
        "dest_references": pl.read_csv(files["flights/airports.csv"]).select(pl.col("faa").alias("dest")),
        "origin_time_hour_references": pl.concat(weather).select("origin", "time_hour"),
    }


def lines_dataset() -> "Dataset":
    """The contract of the lines: 20 rules beside `schema` and `types`."""
    from platform_core.contracts import DataFrameModel, Dataset, Field, Generated, UtcTimestamp, col, expression

    class Lines(DataFrameModel):
        """One row per line."""

        order_id: int
        line: int = Field(ge=1, le=7)
        quantity: float = Field(ge=1, le=50)
        price: float = Field(gt=0)
        discount: float = Field(ge=0, le=0.1)
        flag: str = Field(isin=FLAGS)
        mode: str = Field(isin=MODES)
        instruct: str = Field(str_matches=r"^[A-Z ]+$")
        shipped: UtcTimestamp = Field(nullable=True)
        received: UtcTimestamp = Field(nullable=True)

    return Dataset(
        "bench/lines", Lines, owner="team:bench", version="1.0.0", key=("order_id", "line"), source=Generated(rows=1),
        rules=[expression("received_after_shipped", col("received") >= col("shipped"))],
    )  # fmt: skip


def _read(folder: Path, name: str) -> "pl.DataFrame":
    import polars as pl

    return pl.read_parquet(folder / f"{name}.parquet")


def judged_lines(folder: Path, *, repeated: bool = False) -> Iterator[Facts | None]:
    """Our judge on the lines; a repeated row spoils its proof of uniqueness by hashes, and the exact way follows."""
    from platform_core.quality import judge

    frame, dataset = _read(folder, "lines"), lines_dataset()
    if repeated:
        frame = frame.head(-1).vstack(frame.head(1)).rechunk()
    yield None
    verdict = judge(frame, dataset, {})
    yield _told({result.rule.id: result.failed for result in verdict.results}, verdict.valid.height)


def _told(failed: Mapping[str, int], valid: int | None = None) -> Facts:
    return {"failures": sum(failed.values()), **({"rows that stay": valid} if valid is not None else {})}


def _line_masks() -> dict[str, "pl.Expr"]:
    """The 20 rules of the lines as one would write them by hand; true where a row is good or null."""
    import polars as pl

    col = pl.col
    required = ("order_id", "line", "quantity", "price", "discount", "flag", "mode", "instruct")
    return {
        **{f"{name}_not_null": col(name).is_not_null() for name in required},
        "line_ge": col("line") >= 1,
        "line_le": col("line") <= 7,
        "quantity_ge": col("quantity") >= 1,
        "quantity_le": col("quantity") <= 50,
        "price_gt": col("price") > 0,
        "discount_ge": col("discount") >= 0,
        "discount_le": col("discount") <= 0.1,
        "flag_isin": col("flag").is_in(FLAGS),
        "mode_isin": col("mode").is_in(MODES),
        "instruct_matches": col("instruct").str.contains(r"^[A-Z ]+$"),
        "received_after_shipped": col("received") >= col("shipped"),
        "key_unique": pl.struct("order_id", "line").is_first_distinct(),
    }


def counted_lines(folder: Path) -> Iterator[Facts | None]:
    """Counts only: what a select costs when nobody asks which rows."""
    frame = _read(folder, "lines")
    yield None
    counts = [(~mask).sum().alias(name) for name, mask in _line_masks().items()]
    yield _told(frame.lazy().select(counts).collect().row(0, named=True))


def split_lines(folder: Path) -> Iterator[Facts | None]:
    """Counts and the rows that stay, from one select of masks: what our judge answers."""
    frame = _read(folder, "lines")
    yield None
    yield _split(frame, _line_masks())


def _split(frame: "pl.DataFrame", masks: Mapping[str, "pl.Expr"]) -> Facts:
    import polars as pl

    good = frame.lazy().select(mask.fill_null(value=True).alias(name) for name, mask in masks.items()).collect()
    failed = good.select((~pl.all()).sum()).row(0, named=True)
    return _told(failed, frame.filter(good.select(pl.all_horizontal(pl.all())).to_series()).height)


def pandera_lines(folder: Path) -> Iterator[Facts | None]:
    """Pandera on an eager frame with all failures collected; it names the failing cases and keeps no row apart."""
    import pandera.polars as pandera

    frame, schema = _read(folder, "lines"), _pandera_schema()
    yield None
    try:
        schema.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        yield {"failures": error.failure_cases.height}
        return
    yield {"failures": 0}


def _pandera_schema() -> Any:
    import pandera.polars as pandera
    import polars as pl

    schema = lines_dataset().model.to_schema()
    cross = pandera.Check(lambda data: data.lazyframe.select(pl.col("received") >= pl.col("shipped")))
    return pandera.DataFrameSchema(schema.columns, checks=[cross], unique=["order_id", "line"], strict=True)


def dataframely_lines(folder: Path) -> Iterator[Facts | None]:
    """dataframely's filter: the rows that stay, and counts."""
    import dataframely as dy
    import polars as pl

    class Lines(dy.Schema):
        order_id = dy.Int64(primary_key=True)
        line = dy.Int64(primary_key=True, min=1, max=7)
        quantity = dy.Float64(nullable=False, min=1, max=50)
        price = dy.Float64(nullable=False, min_exclusive=0)
        discount = dy.Float64(nullable=False, min=0, max=0.1)
        flag = dy.String(nullable=False, check=lambda each: each.is_in(FLAGS))
        mode = dy.String(nullable=False, check=lambda each: each.is_in(MODES))
        instruct = dy.String(nullable=False, regex=r"^[A-Z ]+$")
        shipped = dy.Datetime(nullable=True, time_zone="UTC", time_unit="us")
        received = dy.Datetime(nullable=True, time_zone="UTC", time_unit="us")

        @dy.rule()
        def received_after_shipped(cls) -> pl.Expr:  # noqa: N805 - dataframely's form
            return pl.col("received") >= pl.col("shipped")

    frame = _read(folder, "lines")
    yield None
    good, info = Lines.filter(frame)
    yield _told(dict(info.counts()), good.height)


def judged_flights(folder: Path) -> Iterator[Facts | None]:
    """Our judge on the flights, references and completeness included."""
    from platform_assets.domains.flights.flights import flights
    from platform_core.contracts import ReferenceRule, rules_of
    from platform_core.quality import judge

    frame = _read(folder, "flights")
    looked_up = {rule.id: _read(folder, rule.id) for rule in rules_of(flights) if isinstance(rule, ReferenceRule)}
    yield None
    verdict = judge(frame, flights, looked_up)
    failed = {result.rule.id: result.failed for result in verdict.results}
    yield {"rules": len(failed), **_told(failed, verdict.valid.height)}


def split_flights(folder: Path) -> Iterator[Facts | None]:
    """The same by hand: joins for the references, one select of masks, one grouping for the shares."""
    import polars as pl

    frame = _read(folder, "flights")
    names = ("carrier_references", "tailnum_references", "dest_references", "origin_time_hour_references")
    looked_up = {name: _read(folder, name) for name in names}
    yield None
    for name, values in looked_up.items():
        frame = frame.join(
            values.unique().with_columns(pl.lit(value=True).alias(name)), on=values.columns, how="left",
            maintain_order="left",
        )  # fmt: skip
    month = pl.col("time_hour").dt.strftime("%Y-%m")
    facts = _split(frame, _flight_masks())
    shares = frame.group_by(month).agg(
        *(pl.col(name).fill_null(value=False).mean() for name in names[1:]), pl.col("dep_delay").is_not_null().mean()
    )
    yield {"rules": len(_flight_masks()) + shares.width - 1, **facts}


def _flight_masks() -> dict[str, "pl.Expr"]:
    import polars as pl

    col = pl.col
    required = ("year", "month", "day", "sched_dep_time", "sched_arr_time", "carrier", "flight", "origin", "dest",
                "distance", "hour", "minute", "time_hour")  # fmt: skip
    bounds = {
        "year": (2000, 2100), "month": (1, 12), "day": (1, 31), "dep_time": (1, 2400), "sched_dep_time": (0, 2400),
        "dep_delay": (-60, 1500), "arr_time": (1, 2400), "sched_arr_time": (0, 2400), "arr_delay": (-120, 1500),
        "hour": (0, 24), "minute": (0, 59),
    }  # fmt: skip
    return {
        **{f"{name}_not_null": col(name).is_not_null() for name in required},
        **{f"{name}_ge": col(name) >= low for name, (low, _) in bounds.items()},
        **{f"{name}_le": col(name) <= high for name, (_, high) in bounds.items()},
        **{f"{name}_gt": col(name) > 0 for name in ("flight", "air_time", "distance")},
        "air_time_le": col("air_time") <= 1500,
        "origin_isin": col("origin").is_in(["EWR", "JFK", "LGA"]),
        "carrier_references": col("carrier_references").fill_null(value=False),
        "key_unique": pl.struct("carrier", "flight", "time_hour", "origin").is_first_distinct(),
        "partition": col("time_hour") >= pl.datetime(2013, 1, 1, time_zone="UTC"),
        "origin_is_not_dest": col("origin") != col("dest"),
    }


def cases() -> list[Case]:
    """Both tables."""
    lines, sample = f"{ROWS:,} rows by 20 rules", "336,776 flights by all their rules"
    split = "one select by hand, split"
    return [
        Case("judge", judged_lines, (split,), lines),
        Case("judge, one row repeated", lambda folder: judged_lines(folder, repeated=True), (split,), lines),
        Case(split, split_lines, (), lines),
        Case("one select by hand, counts only", counted_lines, (split,), lines),
        Case("pandera, eager polars", pandera_lines, (split,), lines),
        Case("dataframely, filter", dataframely_lines, (split,), lines, skip=NO_DATAFRAMELY),
        Case("judge, flights", judged_flights, (f"{split}, flights",), sample),
        Case(f"{split}, flights", split_flights, (), sample),
    ]


if __name__ == "__main__":
    main(cases(), prepare=prepare, rounds=3)
