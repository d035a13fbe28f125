"""A value that must be unique is unique in the table, whichever file, run or replay brought it."""

from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.world import World, world

NAME = "shop/members"


def members(*rows: tuple[int, str | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"member": pl.Int64, "mail": pl.String}, orient="row")


def stored(shop: World) -> list[tuple[int, str | None]]:
    return shop.rows(NAME).rows()


def test_a_later_file_may_not_bring_a_value_that_another_row_has(shop: World) -> None:
    shop.land("shop/members-a.parquet", members((1, "ada@x.org"), (2, None), (3, None)))
    shop.catch_up()
    shop.land("shop/members-b.parquet", members((4, "ada@x.org"), (5, "bob@x.org"), (6, None)))
    shop.catch_up()
    assert [row[0] for row in stored(shop)] == [1, 2, 3, 5, 6]
    assert shop.red(NAME) == {"mail_unique"}
    assert shop.store(NAME).envelopes()["rules"].to_list() == [["mail_unique"]]
    assert shop.balance(NAME) == (6, 6)


def test_two_files_of_one_run_may_not_share_a_value(shop: World) -> None:
    shop.land("shop/members-a.parquet", members((1, "ada@x.org")))
    shop.land("shop/members-b.parquet", members((2, "ada@x.org")))
    shop.catch_up()
    assert stored(shop) == [(1, "ada@x.org")]


def test_the_same_row_again_keeps_its_value(shop: World) -> None:
    for source in ("a", "b"):
        shop.land(f"shop/members-{source}.parquet", members((1, "ada@x.org"), (2, "bob@x.org")))
    shop.catch_up()
    shop.land("shop/members-c.parquet", members((2, "bob@x.org")))
    shop.catch_up()
    assert stored(shop) == [(1, "ada@x.org"), (2, "bob@x.org")]
    assert shop.red(NAME) == set()


def test_a_refused_row_goes_in_by_replay_once_its_value_is_free(shop: World) -> None:
    shop.land("shop/members-a.parquet", members((1, "ada@x.org")))
    shop.catch_up()
    shop.land("shop/members-b.parquet", members((2, "ada@x.org")))
    shop.catch_up()
    shop.materialise(NAME, tags={"platform/replay": "all"})
    assert stored(shop) == [(1, "ada@x.org")]
    shop.land("shop/members-a.parquet", members((1, "countess@x.org")))
    shop.catch_up()
    shop.materialise(NAME, tags={"platform/replay": "all"})
    assert stored(shop) == [(1, "countess@x.org"), (2, "ada@x.org")]


def test_a_row_stays_when_files_are_taken_in_again_together(shop: World) -> None:
    for source, rows in {"1": [(1, "a")], "2": [(1, "b")], "3": [(2, "a")], "9": [(9, "z")]}.items():
        shop.land(f"shop/members-{source}.parquet", members(*rows))
        shop.catch_up()
    shop.land("shop/members-9.parquet", members((9, "y")))
    shop.catch_up()
    assert stored(shop) == [(1, "b"), (2, "a"), (9, "y")]
    assert shop.red(NAME) == set()


ROWS = st.lists(
    st.tuples(st.integers(1, 4), st.none() | st.sampled_from(["a@x.org", "b@x.org", "c@x.org"])), max_size=4
)


UNREADABLE_REVISION = [
    ("b", [(3, None), (4, "c@x.org")], True), ("a", [(1, "c@x.org"), (4, None), (2, "a@x.org")], False), ("b", [], True)
]  # fmt: skip
"""What b brought stays, and is no newer for the revision that cannot be read: a has overtaken its row 4."""


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from("ab"), ROWS, st.booleans()), min_size=1, max_size=4))
@example(UNREADABLE_REVISION)
def test_no_order_of_files_and_revisions_puts_a_value_in_twice(landed: list) -> None:
    with TemporaryDirectory() as folder, world(Path(folder)) as shop:
        for source, rows, at_once in landed:
            shop.land(f"shop/members-{source}.parquet", members(*rows))
            if at_once:
                shop.catch_up()
        shop.catch_up()
        mails = shop.rows(NAME)["mail"].drop_nulls()
        assert mails.n_unique() == mails.len()
        came, accounted = shop.balance(NAME)
        assert came == accounted
