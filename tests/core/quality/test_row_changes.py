import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from platform_core.quality.row_changes import compare_rows

OLD = pl.LazyFrame({"id": [1, 2, 3], "name": ["a", "b", None], "gone": [1, 1, 1]})
NEW = pl.LazyFrame({"id": [2, 3, 4], "name": ["b", "c", "d"], "come": [1.0, 1.0, 1.0]})


def test_rows_are_compared_by_key_values_by_column_and_columns_by_name():
    changes = compare_rows(OLD, NEW, ["id"])
    assert (changes.added, changes.removed, changes.changed) == (1, 1, 1)
    (column,) = changes.columns
    assert (column.column, column.rows, column.examples[0].before, column.examples[0].after) == ("name", 1, None, "c")
    assert changes.new_columns == {"come": "Float64"}
    assert changes.lost_columns == ("gone",)


def test_personal_data_is_masked_in_examples():
    example = compare_rows(OLD, NEW, ["id"], hidden=frozenset({"name"})).columns[0].examples[0]
    assert (example.before, example.after) == (None, "•••")


def test_a_state_compared_with_itself_is_the_same_and_nan_is_alike():
    frame = pl.LazyFrame({"id": [1, None], "x": [float("nan"), None]})
    assert compare_rows(frame, frame, ["id"]).is_empty
    assert compare_rows(frame, frame, []).is_empty


@given(st.lists(st.integers(0, 5)), st.lists(st.integers(0, 5)))
def test_without_a_key_what_is_added_and_removed_leads_from_one_state_to_the_other(before, after):
    changes = compare_rows(pl.LazyFrame({"x": before}, schema={"x": pl.Int64}),
                           pl.LazyFrame({"x": after}, schema={"x": pl.Int64}), [])  # fmt: skip
    assert len(before) - changes.removed + changes.added == len(after)
    assert (changes.added == 0 == changes.removed) == (sorted(before) == sorted(after))
