"""One commit: quarantine, table, log; killed anywhere and made again it says the same; who comes second is refused."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from platform_assets.ingest.commit import commit
from platform_assets.ingest.ingest import Ingest, judge_inputs
from platform_assets.ingest.inputs import adapter_for, take_inputs
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.ingest.state import read_state
from platform_assets.ingest.superseded import SupersededRows
from platform_assets.ingest.tables import superseded_spec, table_spec
from platform_core.contracts import Dataset
from platform_resources.errors import PositionMoved
from platform_resources.storage import Lake
from tests.assets.ingest.worker import POINTS, dying, land, opened, orders, standing, take_in

both_formats = pytest.mark.parametrize("kind", ["delta", "iceberg"])
A, B = [(1, 3, 10), (9, 3, 10)], [(1, 5, 20), (8, 5, 20)]


class Killed(BaseException):
    """The death of a process, without one."""


def die() -> None:
    raise Killed


def balances(lake: Lake, dataset: Dataset) -> bool:
    """Whether input = valid + quarantined + superseded, by the log and by the tables themselves."""
    store = QuarantineStore(lake, dataset)
    log, aside = store.ingests(), store.envelopes(decision="open")
    kept = lake.scan(superseded_spec(dataset)).collect().height if SupersededRows(lake, dataset).exist() else 0
    counts = tuple(int(log[name].sum()) for name in ("valid", "quarantined", "superseded"))
    if dataset.newest is not None:  # a row that gave way to another of its own file is not kept
        kept = max(kept, counts[2])
    return counts == (len(standing(lake, dataset)), aside.height, kept) and sum(counts) == log["rows"].sum()


def decided(lake: Lake, dataset: Dataset, name: str) -> Ingest:
    state = read_state(lake, dataset)
    sources = [f"shop/orders-{name}.csv"]
    inputs = take_inputs(adapter_for(dataset, lake.settings), state, again=True, names=sources, partitions=None)
    return judge_inputs(state, inputs, {}, run_id=f"run {name}", at=datetime.now(UTC))


@both_formats
def test_a_row_stands_again_in_its_month_when_the_later_file_gives_its_key_up(tmp_path: Path, kind: str) -> None:
    lake, dataset = opened(tmp_path), orders(kind)
    land(lake, "a", A)
    take_in(lake, dataset, "a")
    land(lake, "b", B)
    take_in(lake, dataset, "b")
    assert standing(lake, dataset) == {1: (5, 20, "b"), 8: (5, 20, "b"), 9: (3, 10, "a")}
    land(lake, "b", B[1:])
    assert take_in(lake, dataset, "b").table.partitions == {"2024-03", "2024-05"}
    assert standing(lake, dataset) == {1: (3, 10, "a"), 8: (5, 20, "b"), 9: (3, 10, "a")}
    assert balances(lake, dataset)


def test_a_row_stands_again_when_the_later_one_is_refused_and_its_file_is_long_gone(tmp_path: Path) -> None:
    lake, dataset = opened(tmp_path), orders("delta")
    land(lake, "a", A)
    take_in(lake, dataset, "a")
    land(lake, "b", B)
    take_in(lake, dataset, "b")
    (Path(lake.settings.landing) / "shop/orders-a.csv").unlink()
    land(lake, "b", [(1, 5, -1), (8, 5, 20)])
    take_in(lake, dataset, "b")
    assert standing(lake, dataset)[1] == (3, 10, "a")
    assert balances(lake, dataset)


def test_an_older_file_taken_in_again_takes_nothing_from_a_later_one(tmp_path: Path) -> None:
    lake, dataset = opened(tmp_path), orders("delta")
    for name, rows in (("a", A), ("b", B)):
        land(lake, name, rows)
        take_in(lake, dataset, name)
    land(lake, "a", A)  # touched: another date, the same content
    version = lake.version(table_spec(dataset))
    take_in(lake, dataset, "a")
    assert standing(lake, dataset)[1] == (5, 20, "b")
    assert lake.version(table_spec(dataset)) == version


def test_the_same_commit_made_again_changes_nothing(tmp_path: Path) -> None:
    lake, dataset = opened(tmp_path), orders("delta")
    land(lake, "a", [*A, (7, 1, -5)])
    made = decided(lake, dataset, "a")
    commit(made.state, made.outcome)
    before = standing(lake, dataset), lake.version(table_spec(dataset)), QuarantineStore(lake, dataset).envelopes()
    commit(made.state, made.outcome)
    assert standing(lake, dataset) == before[0]
    assert lake.version(table_spec(dataset)) == before[1]
    assert QuarantineStore(lake, dataset).envelopes().equals(before[2])


@both_formats
def test_who_decided_on_a_table_that_has_moved_is_refused_and_nothing_is_lost(tmp_path: Path, kind: str) -> None:
    lake, dataset = opened(tmp_path), orders(kind)
    land(lake, "a", A)
    land(lake, "b", [*B, (7, 1, -5)])
    first, second = decided(lake, dataset, "a"), decided(lake, dataset, "b")
    commit(first.state, first.outcome)
    with pytest.raises(PositionMoved, match="another writer was first"):
        commit(second.state, second.outcome)
    take_in(lake, dataset, "b")
    assert standing(lake, dataset) == {1: (5, 20, "b"), 8: (5, 20, "b"), 9: (3, 10, "a")}
    assert balances(lake, dataset)


@pytest.mark.parametrize("point", [POINTS[0], *POINTS[2:]])
def test_a_worker_without_dagster_that_is_killed_heals_by_doing_it_again(tmp_path: Path, point: str) -> None:
    lake, dataset = opened(tmp_path), orders("delta")
    land(lake, "a", [*A, (7, 1, -5)])
    take_in(lake, dataset, "a")
    land(lake, "a", [(1, 4, 11), (7, 1, -6)])
    land(lake, "b", B)
    command = [sys.executable, "-m", "tests.assets.ingest.worker", str(tmp_path), "delta", point, "a", "b"]
    assert subprocess.run(command, timeout=300, check=False).returncode == -signal.SIGKILL
    take_in(lake, dataset, ["a", "b"])
    assert standing(lake, dataset) == {1: (5, 20, "b"), 8: (5, 20, "b")}
    assert balances(lake, dataset)


def test_rows_set_aside_by_a_run_that_died_before_its_table_lie_in_one_place_again(tmp_path: Path) -> None:
    lake, dataset = opened(tmp_path), orders("delta")
    land(lake, "a", A)
    take_in(lake, dataset, "a")
    land(lake, "b", B)
    with dying("before table", dataset, die), pytest.raises(Killed):
        take_in(lake, dataset, "b")
    land(lake, "b", B[1:])  # b came again, and does not have the key any more
    take_in(lake, dataset, "b")
    assert standing(lake, dataset) == {1: (3, 10, "a"), 8: (5, 20, "b"), 9: (3, 10, "a")}
    assert balances(lake, dataset)


def one_history(folder: Path, kind: str, seed: int, newest: str | None = None) -> None:
    """Files, revisions, moves, deaths and orders at random, against files laid over one another."""
    draw = random.Random(seed)  # noqa: S311 - not a secret
    lake, dataset = opened(folder), orders(kind, newest)
    order: dict[str, list[tuple[int, int, int]]] = {}
    landed: dict[str, list[tuple[int, int, int]]] = {}
    pending: dict[str, None] = {}
    for _ in range(draw.randint(3, 7)):
        name = draw.choice("abc")
        keys = draw.sample(range(1, 5), draw.randint(1, 3))
        keys += draw.choices(keys, k=draw.randint(0, 2)) if newest else []
        landed[name] = [(key, draw.randint(1, 3), draw.choice([-1, 1, 2])) for key in keys]
        land(lake, name, landed[name])
        pending[name] = None
        names = [other for other in landed if other in pending or draw.random() < 0.2]
        draw.shuffle(names)
        if draw.random() < 0.3:
            try:
                with dying(draw.choice(POINTS), dataset, die):
                    take_in(lake, dataset, names)
            except Killed:
                pending |= dict.fromkeys(names)
                continue
        else:
            take_in(lake, dataset, names)
        _done(names, landed, order, pending)
    if pending:
        take_in(lake, dataset, list(pending))
        _done(list(pending), landed, order, pending)
    expected: dict[int, tuple[int, int, str]] = {}
    for name, rows in order.items():
        for key, month, price in rows:
            is_older = newest == "price" and key in expected and expected[key][1] > price
            if price >= 0 and not is_older:
                expected[key] = (month, price, name)
    assert standing(lake, dataset) == expected, (kind, seed)
    assert balances(lake, dataset), (kind, seed)


def _done(names: list[str], landed: dict, order: dict, pending: dict) -> None:
    for name in names:
        if order.get(name) != landed[name]:
            order.pop(name, None)
            order[name] = landed[name]
        pending.pop(name, None)


def tonight() -> int:
    """The first seed of a night's histories: with `NIGHTLY=1` another one each day, the same on every machine."""
    day = datetime.now(UTC) if os.environ.get("NIGHTLY") else datetime(2026, 11, 28, tzinfo=UTC)
    return day.toordinal() * 100_000


@pytest.mark.parametrize(
    ("kind", "histories", "first"),
    [("delta", 5, lambda: 0), pytest.param("delta", 150, tonight, marks=pytest.mark.lane),
     pytest.param("iceberg", 60, tonight, marks=pytest.mark.lane)],
)  # fmt: skip
def test_whatever_lands_moves_dies_and_comes_again_each_key_has_the_newest_row(
    kind: str, histories: int, first: Callable[[], int]
) -> None:
    for seed in range(first(), first() + histories):
        with TemporaryDirectory() as folder:
            one_history(Path(folder), kind, seed)
