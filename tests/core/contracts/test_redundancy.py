"""Rules judged as rules: a repeated or implied rule is named with those that say the same, and only such a rule."""

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_core.contracts import DataFrameModel, Dataset, Field, compare, mostly, rules_from, rules_of, unique
from platform_core.contracts.redundancy import implied_rules
from platform_core.quality import judge
from platform_core.rules.bounds import AtLeast


class Parcels(DataFrameModel):
    id: int = Field(unique=True)
    weight: int = Field(ge=0, le=40, nullable=True)
    size: str = Field(isin=["S", "M"])
    packed: int
    sent: int
    come: int


def parcels(*rules) -> Dataset:
    return Dataset("shop/parcels", Parcels, owner="team:shop", version="1.0.0", key=("id",), rules=rules)


def implied(*rules) -> dict[str, list[str]]:
    return {each.rule.id: [rule.id for rule in each.by] for each in implied_rules(parcels(*rules))}


def test_a_wider_interval_set_or_share_is_named_with_what_says_more() -> None:
    wider = rules_from([
        {"name": "wide", "type": "in_range", "field": "weight", "value": {"min_value": -5, "max_value": 90}},
        {"name": "sizes", "type": "isin", "field": "size", "value": ["S", "M", "L"]},
        {"name": "again", "type": "ge", "field": "weight", "value": 0},
    ])  # fmt: skip
    share = mostly(AtLeast(columns=("weight",), min_value=0, id="share"), at_least=0.9)
    assert implied(*wider, share, unique("id", "sent")) == {
        "id_unique": ["key_unique"], "wide": ["weight_ge", "weight_le"], "sizes": ["size_isin"],
        "again": ["weight_ge"], "share": ["weight_ge"], "id_sent_unique": ["id_unique"],
    }  # fmt: skip


def test_two_steps_imply_the_third() -> None:
    assert implied(compare("packed", "<", "sent"), compare("sent", "<", "come"), compare("packed", "<=", "come")) == {
        "id_unique": ["key_unique"], "packed_come_le": ["packed_sent_lt", "sent_come_lt"],
    }  # fmt: skip


def test_a_warning_does_not_imply_an_error_and_a_tighter_rule_stays() -> None:
    items = [
        {"name": "warned", "type": "le", "field": "weight", "value": 10, "severity": "warn"},
        {"name": "light", "type": "le", "field": "weight", "value": 30},
    ]
    assert "light" not in implied(*rules_from(items))
    assert "weight_le" in implied(*rules_from(items))


class Bounded(DataFrameModel):
    value: int = Field(nullable=True)


BOUNDS = st.lists(
    st.tuples(st.sampled_from(["eq", "ne", "ge", "gt", "le", "lt", "isin", "notin"]), st.integers(-2, 2)),
    min_size=2, max_size=6,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(BOUNDS)
def test_without_the_implied_rules_the_same_rows_are_refused(bounds: list[tuple[str, int]]) -> None:
    rules = rules_from([
        {"name": f"r{place}", "type": word, "field": "value", "value": [at, at + 1] if word.endswith("in") else at}
        for place, (word, at) in enumerate(bounds)
    ])  # fmt: skip
    dataset = Dataset("toy/bounded", Bounded, owner="team:toy", version="1.0.0", rules=rules)
    spare = {each.rule.id for each in implied_rules(dataset)}
    shorter = Dataset("toy/bounded", Bounded, owner="team:toy", version="1.0.0",
                      rules=[rule for rule in rules if rule.id not in spare])  # fmt: skip
    rows = pl.DataFrame({"value": [*range(-4, 5), None]}, schema={"value": pl.Int64})
    assert judge(rows, dataset, {}).refused.equals(judge(rows, shorter, {}).refused)
    assert len(rules_of(shorter)) == len(rules_of(dataset)) - len(spare)
