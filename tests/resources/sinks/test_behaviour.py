"""One behaviour of all far sides: rows under their keys, and the same changes again change nothing."""

import polars as pl

from platform_resources.sinks import Changes
from tests.resources.sinks.conftest import FarSide


def changes(number: int, rows: dict[str, int], deleted: tuple[str, ...] = ()) -> Changes:
    return Changes(
        rows=pl.DataFrame({"sku": list(rows), "left": list(rows.values())}, {"sku": pl.String, "left": pl.Int64}),
        deleted=pl.DataFrame({"sku": list(deleted)}, {"sku": pl.String}),
        key=("sku",),
        number=number,
        position=str(number),
    )


def documents(**rows: int) -> dict[str, dict[str, int | str]]:
    return {name: {"sku": name, "left": left} for name, left in rows.items()}


def test_rows_are_put_under_their_keys_and_deleted_by_them(far_side: FarSide) -> None:
    far_side.sink.write(changes(1, {"a": 1, "b": 2, "c": 3}))
    far_side.sink.write(changes(2, {"b": 7}, deleted=("c",)))
    assert far_side.read() == documents(a=1, b=7)


def test_the_same_changes_again_change_nothing(far_side: FarSide) -> None:
    first, second = changes(1, {"a": 1, "b": 2}), changes(2, {"a": 5}, deleted=("b",))
    far_side.sink.write(first)
    far_side.sink.write(second)
    far_side.sink.write(second)
    assert far_side.read() == documents(a=5)


def test_a_key_is_kept_whatever_its_letters(far_side: FarSide) -> None:
    far_side.sink.write(changes(1, {"ü 1": 1}))
    assert far_side.read() == {"ü 1": {"sku": "ü 1", "left": 1}}


def test_changes_that_only_delete_what_is_not_there_pass(far_side: FarSide) -> None:
    far_side.sink.write(changes(1, {"a": 1}))
    far_side.sink.write(changes(2, {}, deleted=("b",)))
    assert far_side.read() == documents(a=1)


def test_a_far_side_that_keeps_the_position_keeps_it_with_the_rows(far_side: FarSide) -> None:
    assert far_side.sink.position() is None
    far_side.sink.write(changes(4, {"a": 1}))
    assert far_side.sink.position() == ("4" if far_side.sink.keeps_position else None)
