"""A section beside the contract says how generated rows are spread; rules, keys and references stay the contract's."""

import numpy as np
import polars as pl
import pytest

from platform_assets.operations.refined_catalog import refine_catalog
from platform_core.contracts import Catalog, DataFrameModel, Dataset, Field, UtcTimestamp, complete, expression
from platform_core.errors import ContractError
from platform_core.synthetic import CannotGenerate, faults, synthesize, world
from platform_core.synthetic.refinements import refinement_of
from platform_core.synthetic.verdicts import red_rules


class Guests(DataFrameModel):
    """One row per guest."""

    guest: str = Field(pii="name", description="Who")
    mail: str = Field(pii="email", unique=True, description="Where to write")
    country: str = Field(isin=["DE", "ES", "FR", "IT", "NL", "PL"], description="From where")


class Stays(DataFrameModel):
    """One row per stay."""

    stay: int = Field(description="Its number")
    mail: str = Field(references="inn/guests.mail", description="Whose")
    price: float = Field(ge=20, le=400, unit="euros", description="A night")
    stars: float = Field(nullable=True, ge=1, le=5, description="What the guest gave")
    nights: int = Field(ge=1, le=30, description="How many")
    arrived_at: UtcTimestamp = Field(description="When")


PEOPLE = [{"name": "guest", "person": "name"}, {"name": "mail", "person": "email"},
          {"name": "country", "person": "country"}]  # fmt: skip
SPREAD = {
    "schema": [
        {"name": "price", "distribution": "normal", "mean": 90, "std": 60},
        {"name": "stars", "distribution": "beta", "shape": [5, 1], "null_rate": 0.4},
        {"name": "nights", "distribution": "poisson", "mean": 3},
        {"name": "arrived_at", "business_hours": [8, 18]},
    ],
    "correlations": [{"columns": ["price", "stars"], "value": 0.9}],
}
GUESTS = Dataset("inn/guests", Guests, owner="team:inn", version="1.0.0", key=("mail",), synthetic={"schema": PEOPLE})


def stays(synthetic=SPREAD, rules=()):
    return Dataset("inn/stays", Stays, owner="team:inn", version="1.0.0", key=("stay",), rules=rules,
                   synthetic=synthetic)  # fmt: skip


def test_values_are_spread_as_the_section_says_and_keep_the_contract():
    catalog = Catalog({"inn/guests": GUESTS, "inn/stays": stays()}, {})
    made = world(catalog, 5, rows=2000)
    guests, rows = made["inn/guests"], made["inn/stays"]
    assert red_rules(guests, GUESTS, {}) == ()
    assert red_rules(rows, catalog["inn/stays"], {"mail_references": guests.select("mail")}) == ()
    first = guests["guest"].str.split(" ").list.first().str.to_lowercase().str.normalize("NFKD").str.slice(0, 1)
    assert (guests["mail"].str.slice(0, 1) == first).all(), "name and mail are one person's"
    assert rows["price"].min() >= 20, "what the rules refuse is drawn again, not clipped"
    assert rows.filter(pl.col("price") == 20).is_empty()
    assert rows["nights"].min() >= 1
    assert 3 < rows["nights"].mean() < 3.4
    assert 0.36 < rows["stars"].is_null().mean() < 0.44
    assert rows["stars"].mean() > 4
    assert 0.8 < rows.drop_nulls().select(pl.corr("price", "stars", method="spearman")).item() < 0.97
    assert set(rows["arrived_at"].dt.hour()) == set(range(8, 18))
    assert set(rows["arrived_at"].dt.weekday()) == {1, 2, 3, 4, 5}


def test_rows_stay_and_a_section_changes_no_other_column():
    references = {"mail_references": synthesize(GUESTS, 300, 5).select("mail")}
    plain, spread = (synthesize(stays(section), 300, 5, references=references) for section in (None, SPREAD))
    few = synthesize(stays(), 40, 5, references=references)
    assert spread.head(40).equals(few)
    assert spread.select("stay", "mail").equals(plain.select("stay", "mail"))
    assert not spread["price"].equals(plain["price"])


def test_faults_still_break_their_rule_and_rules_beat_the_section():
    rules = [complete("stars", at_least=0.9), expression("cheap_stays_are_long", "price > 60 OR nights >= 3")]
    dataset = stays(rules=rules)
    references = {"mail_references": pl.DataFrame({"mail": ["a@example.com", "b@example.com"]})}
    rows = synthesize(dataset, 200, 1, references=references)
    assert red_rules(rows, dataset, references) == ()
    planted = list(faults(dataset, np.random.default_rng(1), references=references))
    assert {"price_ge", "stars_complete", "cheap_stays_are_long"} <= {name for fault in planted for name in fault.red}


def test_a_section_that_cannot_be_meant_is_refused_with_every_culprit():
    section = {
        "schema": [
            {"name": "prize", "mean": 3},
            {"name": "price", "type": "integer"},
            {"name": "mail", "person": "email"},
            {"name": "nights", "null_rate": 0.1},
            {"name": "stars", "generator": "nowhere"},
        ],
        "correlations": [{"columns": ["stay", "mail"], "value": 0.5}],
    }
    with pytest.raises(ContractError) as refused:
        refinement_of(stays(section))
    told = str(refused.value)
    for culprit in ("'prize': is no column", "'type'", "takes its values from inn/guests", "has a null_rate of 0.1",
                    "'nowhere'", "names 'stay'"):  # fmt: skip
        assert culprit in told
    with pytest.raises(CannotGenerate, match=r"synthetic section.*let it agree with the rules"):
        synthesize(stays({"schema": [{"name": "nights", "values": [99]}]}), 5,
                   references={"mail_references": pl.DataFrame({"mail": ["a@example.com"]})})  # fmt: skip


def test_a_recipe_speaks_of_datasets_by_name():
    catalog = Catalog({"inn/guests": GUESTS, "inn/stays": stays()}, {})
    recipe = {"synthetic_data": {"tabular": [
        {"name": "inn/stays", "num_rows": 7, "schema": [{"name": "nights", "values": [2]}]},
    ]}}  # fmt: skip
    refined, counts = refine_catalog(catalog, recipe, source="inn.yaml")
    made = world(refined, 5, rows=20, counts=counts)
    assert (made["inn/stays"].height, made["inn/guests"].height) == (7, 20)
    assert made["inn/stays"]["nights"].to_list() == [2] * 7
    assert made["inn/stays"]["price"].equals(world(catalog, 5, rows=7)["inn/stays"]["price"])
    with pytest.raises(ContractError, match="'inn/rooms': is no dataset that is made"):
        refine_catalog(catalog, {"tabular": {"name": "inn/rooms"}}, source="inn.yaml")
