"""The catalog at 10,000 datasets: memory of the search index, and how long a search takes."""

import random
import resource
import time
from datetime import UTC, datetime

from platform_assets.operations.catalog_search import CatalogEntry, SearchIndex, SearchQuery

COUNT, SEARCHES = 10_000, 2_000


def entry(number: int, rng: random.Random) -> CatalogEntry:
    words = [
        f"{a}{b}"
        for a in ("order", "flight", "weather", "customer", "revenue", "delay", "invoice", "ticket", "stock", "visit")
        for b in range(40)
    ]
    return CatalogEntry(
        name=f"domain{number % 100}/{rng.choice(words)}_{number}", domain=f"domain{number % 100}",
        owner=f"team:{number % 250}", version="1.0.0", source="files",
        description=f"One row per {rng.choice(words)} and {rng.choice(words)} of day {number}.",
        tags=(rng.choice(words), "mart"), terms=(rng.choice(words).title(),),
        columns=tuple(f"{rng.choice(words)}_{place}" for place in range(20)), score=rng.uniform(60, 100), state="green",
        rows=number, materialised_at=datetime.now(UTC), freshness="pass", checks_passed=20, checks_warned=0,
        checks_failed=0, quarantine_open=0, sla_kept=True, red_upstream=(),
    )  # fmt: skip


def main() -> None:
    rng = random.Random(1)
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    entries = [entry(number, rng) for number in range(COUNT)]
    index = SearchIndex(entries)
    built, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    took = []
    for number in range(SEARCHES):
        word = rng.choice(["order12", "flig", "weather3 revenue", "delay7", "ticket30", "stock5 day"])
        query = SearchQuery(text=word, min_score=80 if number % 3 == 0 else None, tag="mart" if number % 5 == 0 else "")
        begun = time.process_time()
        index.search(query)
        took.append((time.process_time() - begun) * 1000)
    took.sort()
    print(f"{COUNT:,} datasets: built in {built:.1f} s, {(after - before) / 1024:.0f} MB for entries and index")
    print(f"search: median {took[len(took) // 2]:.1f} ms, p99 {took[int(len(took) * 0.99)]:.1f} ms of CPU")


if __name__ == "__main__":
    main()
