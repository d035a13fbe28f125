"""The tests that every source passes, also one of your own: one line gives them to pytest.

    TestOrders = battery_of(make_trial)

`make_trial(folder)` gives a `Trial`: a source over rows that the tests may add. A trial says what its kind can do, and
is tested for no more and no less.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from platform_resources.errors import ResourceError
from platform_resources.sources.base import Cursor, SourceAdapter, Unit

_ROWS = 3_000
_TRIES = 400


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A source to be tested.

    Attributes:
        open: Opens it anew, as another process would, with so many bytes of memory.
        add: Adds rows with these ids.
        ids: Reads the ids of rows.
        is_incremental: Whether a load takes only what came since the position.
        fail: Makes one request in five fail from now on, in a way that passes; None where it asks nobody.
        secret: What must show nowhere; empty where there is none.
    """

    open: Callable[[int], SourceAdapter]
    add: Callable[[Sequence[int]], None]
    ids: Callable[[pl.DataFrame], Sequence[int]]
    is_incremental: bool = True
    fail: Callable[[], None] | None = None
    secret: str = ""


def load(trial: Trial, position: str = "", *, memory_bytes: int = 1 << 30) -> tuple[set[int], str, list[Unit]]:
    """Take in what is pending behind a position: the ids, the position behind it, and the units."""
    adapter, ids = trial.open(memory_bytes), set[int]()
    units = [adapter.identify(unit) for unit in adapter.pending(Cursor(position=position))]
    for unit in units:
        for batch in adapter.read(unit):
            ids |= set(trial.ids(batch.rows)) if batch.rows.height else set()
        position = unit.position or position
    return ids, position, units


def battery_of(make_trial: Callable[[Path], Trial]) -> type:
    """Return the class of tests of a source, for pytest to collect under a name that begins with `Test`."""

    class Battery:
        """What every source passes."""

        def test_all_rows_come_once_in_batches_of_bounded_size(self, tmp_path: Path) -> None:
            trial = make_trial(tmp_path)
            trial.add(range(1, _ROWS + 1))
            adapter = trial.open(1 << 22)
            numbers: list[int] = []
            for unit in adapter.pending(Cursor()):
                for batch in adapter.read(adapter.identify(unit)):
                    assert batch.rows.estimated_size() <= 1 << 22, "a batch is larger than the memory allowed"
                    numbers += trial.ids(batch.rows) if batch.rows.height else []
            assert sorted(numbers) == [*range(1, _ROWS + 1)]

        def test_the_next_load_begins_where_the_last_one_ended_in_another_process_too(self, tmp_path: Path) -> None:
            trial = make_trial(tmp_path)
            trial.add([1, 2, 3])
            _, position, _ = load(trial)
            trial.add([4, 5])
            ids, _, _ = load(trial, position)
            assert {4, 5} <= ids
            assert trial.is_incremental == (ids < {1, 2, 3, 4, 5}), "it says otherwise of itself"

        def test_a_reader_that_dies_between_two_batches_loses_and_doubles_nothing(self, tmp_path: Path) -> None:
            trial = make_trial(tmp_path)
            trial.add(range(1, _ROWS + 1))
            adapter = trial.open(1 << 20)
            unit = adapter.identify(adapter.pending(Cursor())[0])
            with closing(adapter.read(unit)) as batches:  # type: ignore[type-var] # adapters yield
                next(batches)
            ids, _, units = load(trial)
            assert ids == {*range(1, _ROWS + 1)}
            assert units[0].ingest_id == unit.ingest_id, "the same content has another id"

        def test_reading_again_gives_the_same(self, tmp_path: Path) -> None:
            trial = make_trial(tmp_path)
            trial.add([3, 1, 2])
            first, second = load(trial), load(trial)
            assert first[0] == second[0]
            assert [unit.ingest_id for unit in first[2]] == [unit.ingest_id for unit in second[2]]

        def test_a_reader_that_is_stopped_lets_go_of_what_it_opened(self, tmp_path: Path) -> None:
            trial = make_trial(tmp_path)
            trial.add(range(1, 100))
            load(trial)
            before = _open_files()
            for _ in range(5):
                adapter = trial.open(1 << 30)
                with closing(adapter.read(adapter.identify(adapter.pending(Cursor())[0]))) as batches:  # type: ignore[type-var]
                    next(batches)
                del adapter, batches
            assert _open_files() <= before + 1

        def test_one_request_in_five_fails_and_nothing_is_missed(self, tmp_path: Path) -> None:
            trial = make_trial(tmp_path)
            trial.add(range(1, 60))
            if trial.fail is None:
                assert load(trial)[0] == {*range(1, 60)}, "it asks nobody, so that nothing can fail"
                return
            trial.fail()
            for _ in range(_TRIES):
                try:
                    assert load(trial)[0] == {*range(1, 60)}
                except ResourceError as error:
                    assert error.transient, "a fault that passes is not told as one"
                else:
                    return
            raise AssertionError("no load ended")

        def test_it_says_what_it_reads_and_shows_no_secret(self, tmp_path: Path) -> None:
            trial = make_trial(tmp_path)
            trial.add([1])
            adapter = trial.open(1 << 30)
            words = f"{adapter.describe()} {adapter!r} {adapter.pending(Cursor())!r}"
            assert adapter.describe()
            assert not trial.secret or trial.secret not in words

    return Battery


def _open_files() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


__all__: Sequence[Any] = ["Trial", "battery_of", "load"]
