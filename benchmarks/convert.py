"""What a conversion costs, verified, beside the fastest libraries in each direction, which verify nothing.

TPC-H lineitem at scale 1 (6.0 M rows, 17 columns; a CSV file of 1.27 GB) by tpchgen-cli: `pip install -e '.[bench]'`.
"""

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from harness import Case, Facts, main

SCALE = "1"
SKIP = "" if importlib.util.find_spec("tpchgen_cli") or (Path(sys.executable).parent / "tpchgen-cli").exists() else (
    "tpchgen-cli is not installed (pip install -e '.[bench]')"
)  # fmt: skip
TO_PARQUET, TO_JSONL = "CSV to Parquet, zstd", "Parquet to JSON lines"


def prepare(folder: Path) -> None:
    """Writes lineitem as Parquet and as CSV."""
    if SKIP:
        return
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq

    program = Path(sys.executable).parent / "tpchgen-cli"
    subprocess.run([program, "parquet", "-s", SCALE, "--tables=lineitem", f"--output-dir={folder}"], check=True)
    table = pq.read_table(folder / "lineitem.parquet")
    columns = {}
    for field in table.schema:
        column = table[field.name]
        if pa.types.is_decimal(field.type):
            column = column.cast(pa.float64())
        elif pa.types.is_date(field.type):
            column = column.cast(pa.timestamp("us"))
        elif not pa.types.is_primitive(field.type):
            column = column.cast(pa.string())
        columns[field.name] = column
    table = pa.table(columns)
    pq.write_table(table, folder / "li.parquet", compression="zstd", row_group_size=1_000_000)
    pyarrow.csv.write_csv(table, folder / "li.csv")


def anew(folder: Path, name: str) -> str:
    """The path of a target, of which earlier rounds leave nothing: to write over pages that are there is faster."""
    (folder / name).unlink(missing_ok=True)
    return str(folder / name)


def ours(source: str, target: str, memory_bytes: int = 800_000_000, verify: str = "sample"):
    def steps(folder: Path) -> Iterator[Facts | None]:
        from platform_resources.conversion import Options, convert
        from platform_resources.settings import Settings

        settings = Settings.from_environment({"PLATFORM_STATE": str(folder)})
        options = Options(memory_bytes=memory_bytes, verify=verify)
        path = anew(folder, target)
        yield None
        done = convert(str(folder / source), path, settings=settings, options=options)
        yield {"rows": done.rows, "MB written": done.written_bytes // 1_000_000}

    return steps


def duckdb_copy(query: str, target: str, options: str):
    def steps(folder: Path) -> Iterator[Facts | None]:
        import duckdb

        path = anew(folder, target)
        yield None
        duckdb.sql(f"COPY ({query.format(folder=folder)}) TO '{path}' ({options})")
        yield {"MB written": Path(path).stat().st_size // 1_000_000}

    return steps


def polars_csv(folder: Path) -> Iterator[Facts | None]:
    import polars as pl

    path = anew(folder, "p.parquet")
    yield None
    pl.scan_csv(folder / "li.csv", try_parse_dates=True).sink_parquet(path)
    yield {"MB written": Path(path).stat().st_size // 1_000_000}


def arrow_csv(folder: Path) -> Iterator[Facts | None]:
    import pyarrow.csv
    import pyarrow.parquet as pq

    path = anew(folder, "a.parquet")
    yield None
    reader = pyarrow.csv.open_csv(folder / "li.csv", read_options=pyarrow.csv.ReadOptions(block_size=1 << 24))
    with pq.ParquetWriter(path, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)
    yield {"MB written": Path(path).stat().st_size // 1_000_000}


def polars_jsonl(folder: Path) -> Iterator[Facts | None]:
    import polars as pl

    path = anew(folder, "p.jsonl")
    yield None
    pl.scan_parquet(folder / "li.parquet").sink_ndjson(path)
    yield {"MB written": Path(path).stat().st_size // 1_000_000}


def pandas_csv(folder: Path) -> Iterator[Facts | None]:
    import pandas as pd

    path = anew(folder, "n.parquet")
    yield None
    dates = ["l_shipdate", "l_commitdate", "l_receiptdate"]
    pd.read_csv(folder / "li.csv", parse_dates=dates).to_parquet(path, compression="zstd", index=False)
    yield {"MB written": Path(path).stat().st_size // 1_000_000}


def pandas_jsonl(folder: Path) -> Iterator[Facts | None]:
    import pandas as pd

    path = anew(folder, "n.jsonl")
    yield None
    frame = pd.read_parquet(folder / "li.parquet")
    frame.to_json(path, orient="records", lines=True, date_format="iso")
    yield {"MB written": Path(path).stat().st_size // 1_000_000}


CSV = "FROM read_csv('{folder}/li.csv')"
CASES = [
    Case("duckdb COPY to parquet", duckdb_copy(CSV, "d.parquet", "FORMAT parquet, COMPRESSION zstd"), table=TO_PARQUET,
         skip=SKIP),
    Case("convert to parquet, read back", ours("li.csv", "o.parquet"), against=("duckdb COPY to parquet",),
         table=TO_PARQUET, skip=SKIP),
    Case("polars sink_parquet", polars_csv, against=("duckdb COPY to parquet",), table=TO_PARQUET, skip=SKIP),
    Case("pyarrow open_csv", arrow_csv, against=("duckdb COPY to parquet",), table=TO_PARQUET, skip=SKIP),
    Case("pandas read_csv, to_parquet", pandas_csv, against=("duckdb COPY to parquet",), table=TO_PARQUET, skip=SKIP),
    Case("polars sink_ndjson", polars_jsonl, table=TO_JSONL, skip=SKIP),
    Case("convert to jsonl, a sample parsed", ours("li.parquet", "o.jsonl"), against=("polars sink_ndjson",),
         table=TO_JSONL, skip=SKIP),
    Case("convert to jsonl, all parsed", ours("li.parquet", "f.jsonl", verify="full"), against=("polars sink_ndjson",),
         table=TO_JSONL, skip=SKIP),
    Case("duckdb COPY to json", duckdb_copy("FROM '{folder}/li.parquet'", "d.jsonl", "FORMAT json"),
         against=("polars sink_ndjson",), table=TO_JSONL, skip=SKIP),
    Case("pandas read_parquet, to_json", pandas_jsonl, against=("polars sink_ndjson",), table=TO_JSONL, skip=SKIP),
]  # fmt: skip

if __name__ == "__main__":
    main(CASES, prepare=prepare, rounds=3)
