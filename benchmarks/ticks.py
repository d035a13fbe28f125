"""What a tick of the landing sensor costs, by the number of known files and datasets.

Every file is in its dataset's ingest log. Reported are processor seconds: of a first look without a cursor, of a tick
that finds nothing new, of ticks after one file landed, after one was written anew, and after one went away; and the
size of the cursor.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

SCALES = ((500, 5), (5_000, 20), (20_000, 100))
LARGEST = (1_000_000, 100)
_LINKS = 50_000


def main() -> None:
    """Prints one row a scale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", action="store_true", help="also 1,000,000 files (some minutes)")
    scales = [*SCALES, LARGEST] if parser.parse_args().largest else SCALES
    print("### A tick of the landing sensor\n")
    print("| files | datasets | first look s | nothing new s | one new s | one revised s | one gone s | cursor kB |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for files, datasets in scales:
        with tempfile.TemporaryDirectory(prefix="platform-bench-", ignore_cleanup_errors=True) as folder:
            print(f"| {files:,} | {datasets} | {' | '.join(_row(Path(folder), files, datasets))} |", flush=True)


def _row(folder: Path, files: int, count: int) -> list[str]:
    from platform_assets.operations.arrivals import SETTLED, Cursor, look
    from platform_core.contracts import DataFrameModel, Dataset, Delta, Files, Quarantine
    from platform_resources.settings import Settings
    from platform_resources.storage import Lake

    class Row(DataFrameModel):
        id: int

    settings = Settings.from_environment({"PLATFORM_STATE": str(folder)})
    lake = Lake(settings)
    datasets = [
        Dataset(f"bench/d{number}", Row, owner="team:bench", version="1.0.0", key=("id",),
                source=Files(f"d{number}-*.csv"), store=Delta(mode="merge"), quarantine=Quarantine())
        for number in range(count)
    ]  # fmt: skip
    landing = Path(settings.landing) / "bench"
    landing.mkdir(parents=True)
    for number in range(files):  # links, of which a file may have 65,000, for a million files would take 4 GB
        # The first file of each dataset is none: unlinking a link changes when the others arrived.
        path = landing / f"d{number % count}-{number // count}.csv"
        if number < count or (number - count) % _LINKS == 0:
            path.write_bytes(b"id\n1\n")
            first = path
        else:
            path.hardlink_to(first)
    for dataset in datasets:
        _log(lake, settings, dataset)

    def tick(cursor: Cursor) -> Cursor:
        now = datetime.now(UTC) + 2 * SETTLED
        arrivals, after = look(lake, settings, datasets, Cursor.read(cursor.write(), now), now)
        found.append(len(arrivals))
        return after

    found: list[int] = []
    cursors = [Cursor.read(None, datetime.now(UTC))]
    new, revised = landing / "d0-new.csv", landing / "d1-0.csv"
    changes: list[Callable[[], object]] = [
        lambda: None,
        lambda: None,
        lambda: new.write_bytes(b"id\n2\n"),
        lambda: revised.write_bytes(b"id\n2\n3\n"),
        (landing / "d2-0.csv").unlink,
    ]
    taken = []
    for change in changes:
        change()
        began = time.process_time()
        cursors.append(tick(cursors[-1]))
        taken.append(time.process_time() - began)
    assert found == [0, 0, 1, 1, 0], found
    return [*(f"{seconds:.2f}" for seconds in taken), f"{max(len(each.write()) for each in cursors) / 1e3:.0f}"]


def _log(lake: object, settings: object, dataset: object) -> None:
    """Writes the dataset's landed files into its ingest log, as if they had been taken in."""
    import polars as pl

    from platform_assets.ingest.inputs import adapter_for
    from platform_assets.ingest.quarantine import INGESTS
    from platform_assets.ingest.tables import ingests_spec
    from platform_resources.sources import Cursor

    units = adapter_for(dataset, settings).pending(Cursor())
    log = pl.DataFrame({
        "source": [unit.source for unit in units],
        "stamp": [unit.stamp for unit in units],
        "ingest_id": [f"{place:032x}" for place in range(len(units))],
    }).with_columns(
        pl.lit(None).cast(dtype).alias(name) if name not in {"rows", "valid"} else pl.lit(1, pl.Int64).alias(name)
        for name, dtype in INGESTS.items() if name not in {"source", "stamp", "ingest_id"}
    )  # fmt: skip
    lake.write(ingests_spec(dataset), log.select(list(INGESTS)))


if __name__ == "__main__":
    main()
