"""A contract without a word about people: its columns are of one person, by their names, and its rules go first."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from docs_src.people.members import members
from platform_core.contracts import Catalog, DataFrameModel, Dataset, Field, unique
from platform_core.synthetic import faults, synthesize, synthesize_batches, world
from platform_core.synthetic.people import COUNTRIES, ELSEWHERE
from platform_core.synthetic.person_columns import persons_of
from platform_core.synthetic.verdicts import red_rules


class People(DataFrameModel):
    """One row per person."""

    person_id: int
    first_name: str
    last_name: str
    full_name: str
    email: str
    country: str
    phone: str = Field(nullable=True)
    city: str
    company: str
    address: str


def dataset(model=People, rules=(), **words):
    return Dataset("crm/people", model, owner="team:crm", version="1.0.0", key=("person_id",), rules=rules, **words)


def made(model=People, rows=400, **words):
    rows_made = synthesize(dataset(model, **words), rows, 3)
    assert red_rules(rows_made, dataset(model, **words), {}) == ()
    assert rows_made.height == rows
    return rows_made


def assert_agree(row):
    """Judge one row by its country's vocabulary."""
    country = COUNTRIES.get(row["country"], ELSEWHERE)
    assert row["first_name"] in country.first_names
    assert row["last_name"] in country.last_names
    assert row["full_name"] == f"{row['first_name']} {row['last_name']}"
    assert row["city"] in {town for _, town in country.towns}
    assert row["phone"] is None or row["phone"].startswith(f"{country.telephone} 555 01")
    assert row["email"][0] == row["first_name"].lower().replace("é", "e").replace("á", "a").replace("ø", "o")[0]
    assert row["address"].endswith(row["city"])
    assert row["company"] == f"{row['last_name']} {country.company}"


def test_columns_of_a_person_agree_without_a_word_for_it():
    rows = made()
    for row in rows.iter_rows(named=True):
        assert_agree(row)
    assert rows["country"].n_unique() > 20
    assert 0.05 < rows["phone"].is_null().mean() < 0.15
    assert rows.filter(full_name="Søren Larsen")["email"].str.starts_with("soren.larsen.").all()


def test_the_page_shows_rows_that_are_made():
    page = (Path(__file__).parents[3] / "docs/test-data.md").read_text()
    assert synthesize(members, 5).write_csv() in page


class WithMore(People):
    """The same, with more to say."""

    postcode: str
    job: str
    mail: str = Field(alias="work_email", unique=True)


def test_more_rows_other_batches_and_an_added_column_change_nobody():
    few, many, wide = made(rows=20), made(rows=3000), made(WithMore, rows=3000)
    assert many.head(20).equals(few)
    assert pl.concat(synthesize_batches(dataset(), 3000, 3, size=77)).equals(many)
    assert wide.select(many.columns).equals(many)


class Strict(DataFrameModel):
    """What a contract says goes first."""

    person_id: int
    full_name: str = Field(str_matches="^[A-Za-z ]+$", str_length={"max_value": 12})
    email: str = Field(unique=True, format="email", str_length={"max_value": 24})
    phone: str = Field(unique=True, str_matches=r"^\+[0-9]{7,15}$")
    country: str = Field(str_matches="^[A-Z]{3}$")
    town: str = Field(nullable=True, pii="location")
    company: str = Field(isin=["Acme", "Globex"])


def test_patterns_lengths_and_uniqueness_of_the_contract_go_first():
    rows = made(Strict, rows=2000)
    codes = {country.alpha3 for country in COUNTRIES.values()}
    assert set(rows["country"]) <= codes
    prefixes = {country.alpha3: country.telephone.replace(" ", "") for country in COUNTRIES.values()}
    assert all(phone.startswith(prefixes[code]) for phone, code in rows.select("phone", "country").iter_rows())
    assert set(rows["company"]) == {"Acme", "Globex"}
    first_letters = rows["full_name"].str.slice(0, 1).str.to_lowercase()
    assert (rows["email"].str.slice(0, 1) == first_letters).all()


class Odd(People):
    """Rules that no person of ours satisfies."""

    email: str = Field(str_matches=r"^[a-z]{3}@acme\.org$")
    country: str = Field(isin=["DE", "KZ", "XK"])
    city: str = Field(str_endswith="grad")


def test_what_no_person_satisfies_is_drawn_by_itself_and_the_rest_agrees():
    rows = made(Odd)
    assert set(rows["country"]) == {"DE", "KZ", "XK"}, "each value that is listed comes, with a vocabulary or without"
    german = COUNTRIES["DE"]
    for row in rows.iter_rows(named=True):
        names = german if row["country"] == "DE" else ELSEWHERE
        assert row["first_name"] in names.first_names
        assert row["full_name"] == f"{row['first_name']} {row['last_name']}"


class Countries(DataFrameModel):
    """One row per country."""

    code: str = Field(isin=["FR", "JP", "PL"], unique=True)


class Guests(People):
    """People of those countries."""

    country: str = Field(references="crm/countries.code")


def test_people_follow_a_country_that_is_referred_to_or_weighted_by_a_section():
    countries = Dataset("crm/countries", Countries, owner="team:crm", version="1.0.0", key=("code",))
    rows = world(Catalog({"crm/countries": countries, "crm/people": dataset(Guests)}, {}), 1, rows=300)["crm/people"]
    assert rows["country"].n_unique() == 3
    weighted = made(synthetic={"schema": [{"name": "country", "values": {"IT": 9, "SE": 1}}]})
    assert (weighted["country"] == "IT").mean() > 0.8
    for row in [*rows.iter_rows(named=True), *weighted.iter_rows(named=True)]:
        assert_agree(row)


class Deals(DataFrameModel):
    """Two people in one row, and things that are none."""

    deal_id: int
    product_name: str
    buyer_name: str = Field(unique=True)
    buyer_email: str
    seller_name: str
    seller_email: str
    country: str
    ip_address: str
    capacity: str
    velocity: str


def test_two_people_of_a_row_are_two_and_things_are_none():
    deals = Dataset("crm/deals", Deals, owner="team:crm", version="1.0.0", key=("deal_id",))
    assert [dict(person.parts) for person in persons_of(deals)] == [
        {"buyer_name": "name", "buyer_email": "email", "country": "country"},
        {"seller_name": "name", "seller_email": "email"},
    ]
    rows = synthesize(deals, 5000, 1)
    assert rows["buyer_name"].n_unique() == 5000
    assert (rows["buyer_name"].str.slice(0, 3) != rows["seller_name"].str.slice(0, 3)).mean() > 0.9


@pytest.mark.parametrize("rules", [(), (unique("first_name", "last_name", "city"),), (unique("full_name"),)])
def test_each_fault_breaks_its_rule_alone(rules):
    strict = dataset(Odd, rules=rules)
    for fault in faults(strict, np.random.default_rng(1)):
        rows = fault.frame
        assert fault.raw or set(red_rules(rows, strict, {})) == {fault.rule_id, *fault.also}
