"""Whatever files bring, in whatever order and with whatever deaths, each key has the row of the newest file with it."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl
import pytest

from platform_core.ingest import SOURCE, number_arrivals, plan_rows

SCHEMA = {"id": pl.Int64, "month": pl.Int64, "row": pl.Int64, SOURCE: pl.String}
Rows = dict[int, tuple[int, int]]
STEPS = 4


def frame(rows: list[tuple[int, int, int, str]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


@dataclass
class Tables:
    """A table, what is kept aside and the log, committed one after the other; a run may die in between."""

    table: dict[int, tuple[int, int, str]] = field(default_factory=dict)
    aside: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    log: dict[str, tuple[str, int]] = field(default_factory=dict)

    def ingest(self, contents: dict[str, Rows], *, steps: int = STEPS) -> None:
        ids = [(source, repr(sorted(rows.items()))) for source, rows in contents.items()]
        arrivals = number_arrivals(ids, self.log)
        new = frame([(key, *row, source) for source, rows in contents.items() for key, row in rows.items()])
        earlier = {key for key, (*_, source) in self.table.items() if source in contents}
        concerned = earlier | set(new["id"])
        plan = plan_rows(
            new,
            frame([(key, *row) for key, row in self.table.items() if key in concerned and row[2] not in contents]),
            frame([(key, *row, source) for (source, key), row in self.aside.items()
                   if key in concerned and source not in contents]),
            key=["id"],
            arrivals={source: number for source, (_, number) in self.log.items()} | arrivals,
        )  # fmt: skip
        stale = {place for place in self.aside if place[0] in contents} | set(plan.restored.select(SOURCE, "id").rows())
        for step in list(self._steps(plan.written, plan.overtaken, stale, contents))[:steps]:
            step()
        if steps == STEPS:
            self.log |= {source: (content, arrivals[source]) for source, content in ids}

    def _steps(self, written, overtaken, stale, contents) -> Iterator:
        kept = {(source, key): (month, row) for key, month, row, source in overtaken.rows()}
        standing = {key: (month, row, source) for key, month, row, source in written.rows()}
        table = {key: row for key, row in self.table.items() if row[2] not in contents} | standing
        yield lambda: self.aside.update(kept)
        yield lambda: setattr(self, "table", table)
        yield lambda: setattr(self, "aside", {at: row for at, row in self.aside.items() if at not in stale - set(kept)})


def newest(order: dict[str, Rows]) -> dict[int, tuple[int, int, str]]:
    """The reference: files in the order in which their contents were logged, later ones over earlier ones."""
    return {key: (*row, source) for source, rows in order.items() for key, row in rows.items()}


def one_history(seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 - not a secret
    tables, order, landed, pending = Tables(), {}, {}, {}
    for _ in range(draw.randint(2, 9)):
        if draw.random() < 0.6:
            keys = draw.sample(range(1, 5), draw.randint(0, 3))
            source = draw.choice("abc")
            landed[source] = {key: (draw.randint(1, 3), draw.randint(1, 2)) for key in keys}
            pending[source] = None
        sources = [source for source in landed if source in pending or draw.random() < 0.2]
        draw.shuffle(sources)
        contents = {source: landed[source] for source in sources[: draw.randint(1, 3)]}
        if draw.random() < 0.4:
            tables.ingest(contents, steps=draw.randint(0, 3))
            pending |= dict.fromkeys(contents)  # what a dead run began is pending, for its log says another thing
            continue
        _finish(tables, contents, order, pending)
    _finish(tables, {source: landed[source] for source in pending}, order, pending)
    assert tables.table == newest(order), seed
    beaten = {(source, key) for source, rows in order.items() for key in rows} - {
        (source, key) for key, (*_, source) in tables.table.items()
    }
    assert beaten <= set(tables.aside), seed


def _finish(tables: Tables, contents: dict[str, Rows], order: dict[str, Rows], pending: dict[str, None]) -> None:
    tables.ingest(contents)
    for source, rows in contents.items():
        if source not in order or order[source] != rows:
            order.pop(source, None)
            order[source] = rows
        pending.pop(source, None)


@pytest.mark.parametrize("histories", [200, pytest.param(10_000, marks=pytest.mark.lane)])
def test_each_key_has_the_row_of_the_newest_file_that_has_it(histories: int) -> None:
    for seed in range(histories):
        one_history(seed)


def test_a_row_stands_again_in_the_partition_that_it_was_in() -> None:
    tables = Tables()
    tables.ingest({"a": {1: (3, 1), 9: (3, 1)}})
    tables.ingest({"b": {1: (5, 2), 8: (5, 2)}})
    assert tables.table[1] == (5, 2, "b")
    tables.ingest({"b": {8: (5, 2)}})
    assert tables.table == {1: (3, 1, "a"), 9: (3, 1, "a"), 8: (5, 2, "b")}


def test_an_older_file_taken_in_again_as_it_was_takes_no_key_from_a_later_one() -> None:
    tables = Tables()
    tables.ingest({"a": {1: (3, 1)}})
    tables.ingest({"b": {1: (5, 2)}})
    tables.ingest({"a": {1: (3, 1)}})
    assert tables.table == {1: (5, 2, "b")}
