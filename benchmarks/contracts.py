"""What contracts cost away from the scan: a diff of 1,000 datasets, one record at a time, a profile, incidents.

The profile stands beside the same measures as one Polars pass by hand: nulls, distinct values, least and greatest,
quantiles, mean, deviation, top values and a histogram of each column of the flights sample (337 k rows, 19 columns).
Proofs are the rules that the statistics of a table of 6 M rows speak for, from the table's log to the list of rules:
`ms` is the least of 20 times.
"""

import io
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from harness import Case, Facts, main

DATASETS, RECORDS = 1_000, 20_000
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def prepare(folder: Path) -> None:
    """Writes the flights."""
    import polars as pl

    from platform_assets.operations.sample import sample_files

    frames = [pl.read_parquet(io.BytesIO(content)) for source, content in sample_files() if "flights/flights" in source]
    pl.concat(frames).write_parquet(folder / "flights.parquet")


def diffed(_: Path) -> Iterator[Facts | None]:
    """The contracts of 1,000 datasets against earlier ones, each with a changed rule and a new column of a new type."""
    from platform_assets.domains.flights.flights import flights
    from platform_core.contracts import complete
    from platform_core.interchange.compatibility import compare

    def declared(place: int, share: float) -> "object":
        rules = [*flights.rules[1:], complete("dep_delay", at_least=share)]
        return replace(flights, name=f"flights/flights_{place}", rules=rules)

    pairs = [(declared(place, 0.9), declared(place, 0.95)) for place in range(DATASETS)]
    yield None
    changes = sum(len(compare(old, new).changes) for old, new in pairs)  # type: ignore[arg-type]  # datasets
    yield {"changes": changes}


def recorded(folder: Path) -> Iterator[Facts | None]:
    """Every row rule of the flights on records, one at a time."""
    import polars as pl

    from platform_assets.domains.flights.flights import flights
    from platform_core.contracts import rules_of
    from platform_core.rules.base import RowRule
    from platform_core.rules.records import predicate_of

    schema = {column.name: column.dtype for column in flights.columns}
    rules = [rule for rule in rules_of(flights) if isinstance(rule, RowRule) and not rule.compares_rows
             and not rule.on_input and rule.kind not in ("columns", "schema", "expression")]  # fmt: skip
    holds = predicate_of(rules, schema)
    frame = (
        pl.read_parquet(folder / "flights.parquet")
        .head(RECORDS)
        .select(pl.col(name).cast(dtype) for name, dtype in schema.items())
    )
    records = frame.to_dicts()
    yield None
    held = sum(map(holds, records))
    yield {"records": len(records), "rules": len(rules), "held": held}


def profiled(folder: Path) -> Iterator[Facts | None]:
    """Our profile, distinct values estimated."""
    import polars as pl

    from platform_core.quality.profile import profile

    frame = pl.read_parquet(folder / "flights.parquet").lazy()
    yield None
    found = profile("flights", frame, personal={}, approximate=True)
    yield {"rows": found.rows}


def by_hand(folder: Path) -> Iterator[Facts | None]:
    """One select of the same measures, and the top values and histograms that a select cannot give."""
    import polars as pl

    frame = pl.read_parquet(folder / "flights.parquet")
    yield None
    numbers = [name for name, dtype in frame.schema.items() if dtype.is_numeric()]
    everything = pl.all()
    frame.select(
        everything.null_count().name.suffix("|nulls"), everything.approx_n_unique().name.suffix("|distinct"),
        everything.min().name.suffix("|min"), everything.max().name.suffix("|max"),
        *(pl.col(numbers).quantile(share).name.suffix(f"|{share}") for share in QUANTILES),
        pl.col(numbers).mean().name.suffix("|mean"), pl.col(numbers).std().name.suffix("|std"),
    )  # fmt: skip
    tops = [frame[name].value_counts(sort=True).head(10).height for name in frame.columns]
    for name in numbers:
        frame[name].drop_nulls().hist(bin_count=20)
    yield {"rows": frame.height, "tops": len(tops)}


def proven(folder: Path, *, table_format: Literal["delta", "iceberg", "parquet"]) -> Iterator[Facts | None]:
    """What a table's own statistics prove of seven columns without nulls and two ranges of whole numbers."""
    import numpy as np
    import polars as pl

    from platform_core.contracts import DataFrameModel, Dataset, Field, Generated, rules_of
    from platform_core.quality.proofs import proven_rules
    from platform_core.rules import FileFacts
    from platform_resources.settings import Settings
    from platform_resources.storage import Lake, TableSpec

    class Lines(DataFrameModel):
        """One row per line."""

        order_id: int = Field(ge=0)
        line: int = Field(ge=1, le=7)
        price: float
        flag: str

    dataset = Dataset("bench/lines", Lines, owner="team:bench", version="1.0.0", source=Generated(rows=1))
    lake = Lake(Settings.from_environment({"PLATFORM_STATE": str(folder / table_format)}))
    spec = TableSpec(path="bench/lines", format=table_format, mode="append")
    places, rng = np.arange(6_000_000), np.random.default_rng(0)
    lake.write(
        spec,
        pl.DataFrame({
            "order_id": places // 4, "line": places % 4 + 1,
            "price": rng.uniform(1, 1e5, places.size), "flag": rng.choice(["A", "N"], places.size),
        }),
    )  # fmt: skip

    def proofs() -> int:
        files = [FileFacts(file.rows, file.nulls, file.bounds) for file in lake.file_statistics(spec)]
        return len(proven_rules(dataset, files, lake.scan(spec).collect_schema()))

    proofs()
    yield None
    took = [_milliseconds(proofs) for _ in range(20)]
    yield {"rules": len(rules_of(dataset)), "proven": proofs(), "ms": round(min(took), 1)}


def _milliseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


def cases() -> list[Case]:
    """All of them."""
    return [
        Case(f"diff of {DATASETS:,} datasets", diffed, (), "contracts"),
        Case(f"{RECORDS:,} records by every rule on values", recorded, (), "contracts"),
        Case("profile", profiled, ("one Polars pass by hand",), "profile of the flights"),
        Case("one Polars pass by hand", by_hand, (), "profile of the flights"),
        *(
            Case(f"proofs, {table_format}", partial(proven, table_format=table_format), (), "6,000,000 rows in a table")
            for table_format in ("delta", "iceberg", "parquet")
        ),
    ]


if __name__ == "__main__":
    main(cases(), prepare=prepare, rounds=3)
