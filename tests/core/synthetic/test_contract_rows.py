"""What the generator promises beyond passing: keys, references, quotas, windows, plausible people, clear refusals."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Day,
    Field,
    Files,
    UtcTimestamp,
    check,
    col,
    complete,
    daily,
    expression,
    measure,
    monthly,
    references,
    unique,
    volume,
)
from platform_core.synthetic import CannotGenerate, synthesize
from platform_core.synthetic.verdicts import red_rules

SHOPS = pl.DataFrame({"shop": ["north", "south", "west"]})


class Sales(DataFrameModel):
    """One row per sale."""

    shop: str = Field(references="shop/shops.shop")
    day: Day
    till: int = Field(ge=1, le=4)
    seller: str = Field(nullable=True, references="shop/sellers.name", coverage=0.8)
    pieces: int = Field(ge=1, le=9)
    price: int = Field(ge=1, le=100)
    total: int
    sold_at: UtcTimestamp


def sales(**terms):
    return Dataset("shop/sales", Sales, owner="team:shop", version="1.0.0", **terms)


LOOKUPS = {"shop_references": SHOPS, "seller_references": pl.DataFrame({"seller": ["Ada", "Alan"]})}


def drawn(dataset, rows, **terms):
    return synthesize(dataset, rows, 1, references=LOOKUPS, **terms)


def test_foreign_keys_are_found_in_the_rows_they_lead_to():
    assert set(drawn(sales(), 50)["shop"]) == set(SHOPS["shop"])


def test_a_loose_reference_misses_now_and_then_but_never_beyond_its_coverage():
    found = drawn(sales(), 500)["seller"].drop_nulls().is_in(["Ada", "Alan"]).mean()
    assert 0.8 <= found < 1


def test_a_reference_whose_rows_were_not_given_is_refused_with_the_fix():
    with pytest.raises(CannotGenerate, match=r"'shop_references'.*pass references="):
        synthesize(sales(), 5, 1)


def test_a_reference_to_an_empty_table_is_refused_where_null_is_no_way_out():
    with pytest.raises(CannotGenerate, match="no row of 'shop/shops'"):
        synthesize(sales(), 5, 1, references={**LOOKUPS, "shop_references": SHOPS.clear()})


def test_references_that_share_a_column_are_answered_together():
    pairs = pl.DataFrame({"shop": ["north", "moon"], "till": [3, 4]})
    dataset = sales(rules=[references(("shop", "till"), "shop/tills")])
    frame = synthesize(dataset, 20, 1, references={**LOOKUPS, "shop_till_references": pairs})
    assert frame.select("shop", "till").unique().rows() == [("north", 3)]


def test_a_small_key_is_used_up_to_the_last_combination():
    assert drawn(sales(key=("shop", "till")), 12).select("shop", "till").is_unique().all()


def test_more_rows_than_a_key_has_room_for_are_refused_with_the_number():
    with pytest.raises(CannotGenerate, match="only 12 rows can differ, and 13 are wanted"):
        drawn(sales(key=("shop", "till")), 13)


def test_a_column_that_equals_an_expression_is_computed():
    frame = drawn(sales(rules=[expression("sum", col("total") == col("pieces") * col("price"))]), 200)
    assert frame["total"].to_list() == (frame["pieces"] * frame["price"]).to_list()


def test_an_equality_inside_a_conjunction_is_computed_too():
    holds = (col("pieces") <= col("price")) & (col("total") == col("price"))
    frame = drawn(sales(rules=[expression("both", holds)]), 200)
    assert frame.select(holds.all()).item()


def test_rows_that_an_expression_seldom_likes_are_drawn_until_there_are_enough():
    frame = drawn(sales(rules=[expression("rare", "pieces * 12 > price + 100")]), 300)
    assert (frame["pieces"] * 12 > frame["price"] + 100).all()


def test_an_expression_that_no_row_satisfies_is_named():
    with pytest.raises(CannotGenerate, match="rule 'impossible'") as refusal:
        drawn(sales(rules=[expression("impossible", col("pieces") > col("price") + 100)]), 5)
    assert (refusal.value.dataset, refusal.value.culprit) == ("shop/sales", "rule 'impossible'")


def test_a_pattern_that_cannot_be_drawn_is_refused_with_its_column():
    class Codes(DataFrameModel):
        """One row per code."""

        code: str = Field(str_matches="^(?=a)(?!b)a$")

    with pytest.raises(
        CannotGenerate, match=r"column 'code' .*the pattern '.*' cannot be drawn.*Fix: write it without look-around"
    ):
        synthesize(Dataset("shop/codes", Codes, owner="team:shop", version="1.0.0"), 5)


def test_nulls_stay_within_their_quota_in_every_partition():
    dataset = sales(partitions=daily("2024-01-01", on="sold_at"), rules=[complete("seller", at_least=0.7)])
    shares = drawn(dataset, 400).group_by(pl.col("sold_at").dt.date()).agg(pl.col("seller").null_count() / pl.len())
    assert 0 < shares["seller"].max() <= 0.3


def test_a_measure_is_met_by_a_choice_of_rows():
    dataset = sales(rules=[measure("dear", pl.col("price").mean(), at_least=85)])
    assert drawn(dataset, 30)["price"].mean() >= 85


def test_a_volume_out_of_bounds_is_refused():
    with pytest.raises(CannotGenerate, match="ask for 10 rows or more"):
        drawn(sales(rules=[volume(at_least=10)]), 9)


def test_rows_are_spread_over_no_more_partitions_than_their_volume_allows():
    dataset = sales(partitions=monthly("2024-01", on="sold_at"), rules=[volume(at_least=40)])
    assert red_rules(drawn(dataset, 100), dataset, LOOKUPS) == ()


def test_instants_lie_in_the_window_and_never_before_the_first_partition():
    dataset = sales(partitions=monthly("2024-01", on="sold_at"))
    window = (datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC))
    assert drawn(dataset, 50, window=window)["sold_at"].dt.strftime("%Y-%m").unique().to_list() == ["2024-05"]
    assert drawn(dataset, 50)["sold_at"].min() >= dataset.partitions.starts_at


def test_no_instant_lies_after_now():
    now = datetime(2024, 1, 3, tzinfo=UTC)
    assert drawn(sales(partitions=monthly("2024-01", on="sold_at")), 50, now=now)["sold_at"].max() < now


class People(DataFrameModel):
    """One row per person."""

    name: str = Field(pii="name")
    email: str = Field(pii="email", unique=True)
    card: str = Field(pii="card")
    born: Day = Field(pii="birth_date")
    machine: str = Field(pii="ip_address")
    code: str = Field(str_matches="^[A-Z]{2}$")


PEOPLE = Dataset("shop/people", People, owner="team:shop", version="1.0.0", source=Files("p*.csv", null_values=("NA",)))


def test_people_are_plausible_and_nobody():
    frame = synthesize(PEOPLE, 300, 1)
    assert frame["email"].str.ends_with("@example.com").all()
    assert frame["name"].str.contains(r"^\w+( \w+)+$").all()
    assert frame["born"].dt.year().is_between(1940, 2005).all()
    assert frame["machine"].str.contains(r"^(192\.0\.2|198\.51\.100|203\.0\.113)\.\d+$").all()


def test_card_numbers_have_a_right_check_digit():
    for number in synthesize(PEOPLE, 20, 1)["card"]:
        digits = [int(digit) * (2 - place % 2) for place, digit in enumerate(number)]
        assert sum(digit // 10 + digit % 10 for digit in digits) % 10 == 0


def test_a_word_that_means_null_where_the_rows_come_from_is_never_drawn():
    assert "NA" not in set(synthesize(PEOPLE, 3000, 1)["code"])


class Everything(DataFrameModel):
    """One column of each type."""

    tiny: pl.Int8
    unsigned: pl.UInt64
    single: pl.Float32 = Field(gt=0, lt=1)
    money: Annotated[pl.Decimal, 12, 2] = Field(ge=0)
    clock: pl.Time
    span: Annotated[pl.Duration, "ms"] = Field(ge=timedelta(0), le=timedelta(hours=1))
    level: Annotated[pl.Enum, ["low", "high"]]
    bytes_: pl.Binary
    tags: Annotated[pl.List, pl.String()]
    point: Annotated[pl.Array, pl.Float64(), 2]

    @check("tags")
    @classmethod
    def few_tags(cls, data) -> pl.LazyFrame:
        """At most two tags."""
        return data.lazyframe.select(pl.col(data.key).list.len() <= 2)


class Oddities(DataFrameModel):
    """What few contracts have."""

    lists: Annotated[pl.List, pl.List(pl.Float64())]
    days: Annotated[pl.Array, pl.Date(), 3]
    pairs: Annotated[pl.Array, pl.List(pl.Int64()), 2]
    there: Annotated[pl.Datetime, "us", "Europe/Berlin"] = Field(ge=datetime(2024, 3, 31, tzinfo=UTC))
    here: UtcTimestamp = Field(lt=datetime(1969, 7, 20, tzinfo=ZoneInfo("Europe/Berlin")))


def test_lists_of_lists_and_bounds_of_another_zone_are_met():
    dataset = Dataset("shop/odd", Oddities, owner="team:shop", version="1.0.0")
    rows = synthesize(dataset, 100, 1)
    assert red_rules(rows, dataset, {}) == ()
    assert rows["there"].min() >= datetime(2024, 3, 31, tzinfo=UTC)
    assert rows["here"].max() < datetime(1969, 7, 19, 23, tzinfo=UTC)
    assert rows["lists"].list.len().max() > 1


def test_every_type_and_a_check_written_by_hand_are_met():
    dataset = Dataset("shop/all", Everything, owner="team:shop", version="1.0.0", rules=[unique("tiny")])
    frame = synthesize(dataset, 100, 1)
    assert red_rules(frame, dataset, {}) == ()
    assert frame["tags"].list.len().max() == 2


def test_no_rows_are_a_table_too():
    assert drawn(sales(), 0).shape == (0, 8)
