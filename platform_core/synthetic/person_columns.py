"""Columns that are of one person, as their names and classes of personal data say, and rows of them that agree.

A contract needs no word for it: `first_name`, `email`, `city` and `country` of one row are one person's. What a rule of
the contract says goes first. A column whose rules no part of a person satisfies, that refers to another dataset, or of
which a section says how it is spread, is drawn by itself; the others follow the country that stands in the row.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from platform_core.contracts.columns import Column
from platform_core.contracts.dataset import Dataset
from platform_core.contracts.ruleset import rules_of
from platform_core.rules import ValueRule
from platform_core.rules.formats import Format
from platform_core.synthetic.people import CODES, COUNTRIES, any_country, people_of

PROBE = 512
"""So many rows tell what a column's rules allow."""

_ENOUGH = 0.5
"""The share of passing values at which no other way of writing is tried."""

_LEAST = 0.05
"""The share below which a column is none of the person's, but drawn by itself."""

_LATE = 10_000_000
"""The number of the first row that is tried: what holds with eight digits holds with fewer, mostly."""

_TRIES = 16

_NAMES: Mapping[str, str] = {
    "first_name": "first_?name|given_?name|forename",
    "last_name": "last_?name|surname|family_?name",
    "email": "e_?mail(_?addr(ess)?)?|mail",
    "phone": "(tele)?phone(_?(number|no))?|mobile(_?(number|no))?|fax",
    "postcode": "post_?code|postal_?code|zip(_?code)?",
    "city": "(city|town)(_?name)?",
    "street": "street(_?(address|name))?|address_?line(_?1)?",
    "address": "address",
    "company": "(company|organi[sz]ation)(_?name)?|employer",
    "country": "country(_?(code|iso|iso2|iso3|name))?",
    "name": "(?P<of>full|person|contact|customer|client|guest|passenger|employee|member|holder|buyer|rider|driver|"
            "patient|student|author)_?name",
}  # fmt: skip
"""How the end of a column's name looks, in small letters, for each part of a person; the first that fits counts."""

_NO_PLACES = {"ip", "mac", "web", "memory", "wallet"}
"""What has an address and is no person."""

_CLASSES: Mapping[str, tuple[str, ...]] = {
    "name": ("name", "first_name", "last_name"),
    "email": ("email",),
    "phone": ("phone",),
    "address": ("address", "street", "postcode", "city"),
}
"""By class of personal data the parts that are of it, the whole first."""

_OF_PEOPLE = {"first_name", "last_name", "email"}
"""Beside one of these a column `name`, or beside `seller_email` one `seller_name`, is a person's, not a thing's."""

_INITIALS = pl.col("email").str.replace(r"^([a-z])[a-z]*\.", "$1.")

_TWO_LETTERS = pl.col("email").str.replace(r"^([a-z])[a-z]*\.([a-z])[a-z]*\.", "$1$2")

_WRITTEN: Mapping[str, tuple[pl.Expr, ...]] = {
    "email": (
        pl.col("email"), _INITIALS, pl.col("email").str.replace(r"\.[0-9]+@", "@"),
        _INITIALS.str.replace(r"\.[0-9]+@", "@"),
    ),
    "phone": (pl.col("phone"), pl.col("phone").str.replace_all(" ", ""), pl.col("phone").str.replace_all("[ +]", "")),
    "country": (
        pl.col("country"),
        pl.col("country").replace({code: country.alpha3 for code, country in COUNTRIES.items()}),
        pl.col("country").replace({code: country.english for code, country in COUNTRIES.items()}),
    ),
}  # fmt: skip
"""Ways to write a part, the most usual first."""

_DIFFERENT: Mapping[str, tuple[pl.Expr, ...]] = {
    "email": (pl.col("email"), _INITIALS, _TWO_LETTERS),
    "phone": (
        *(pl.concat_str(phone, pl.col("number")) for phone in _WRITTEN["phone"]),
        *(pl.concat_str(phone.str.replace(" ?555 ?01.*", "0"), pl.col("number")) for phone in _WRITTEN["phone"]),
    ),
    "name": (pl.concat_str(
        pl.col("first_name"), pl.lit(" "),
        pl.col("number").cast(pl.String).str.replace_many(list("0123456789"), [f"{sign}." for sign in "ABCDEFGHIJ"]),
        pl.lit(" "), pl.col("last_name"),
    ),),
}  # fmt: skip
"""The same where no two rows may be alike: each carries the row's number."""

NUMBERED = frozenset(_DIFFERENT)
"""Parts that can carry it."""


@dataclass(frozen=True)
class Person:
    """Columns of one table that speak of the same person.

    Attributes:
        chance: The name of its source of chance.
        parts: By column, which part of the person it is.
    """

    chance: str
    parts: Mapping[str, str]

    @property
    def country(self) -> str | None:
        """The first column with the country, which the others follow."""
        return next((name for name, part in self.parts.items() if part == "country"), None)


def persons_of(dataset: Dataset) -> list[Person]:
    """Return the persons that a table's columns speak of.

    Columns with the same words before the part are of one person, and so are all where no part comes twice: of
    `name`, `buyer_city`, `seller_city` the buyer has the name.
    """
    formats = {rule.columns[0]: rule.format for rule in rules_of(dataset) if isinstance(rule, Format)}
    owned = {column.name: said for column in dataset.columns if (said := _said(column, formats.get(column.name)))}
    sure = {(owner, part) for owner, part in owned.values() if part != "name?"}
    groups: dict[str, dict[str, str]] = {}
    for name, (owner, part) in owned.items():
        if part != "name?" or {(owner, other) for other in _OF_PEOPLE} & sure:
            groups.setdefault(owner, {})[name] = part.removesuffix("?")
    parts_of_groups = [part for parts in groups.values() for part in set(parts.values())]
    if len(parts_of_groups) == len(set(parts_of_groups)):
        one = {name: part for parts in groups.values() for name, part in parts.items()}
        return [Person("person", one)] if one else []
    unowned = groups.pop("", {})
    heir = next((owner for owner, parts in groups.items() if not set(parts.values()) & set(unowned.values())), "")
    groups[heir] = {**groups.get(heir, {}), **unowned}
    return [Person(f"person {owner}".strip(), parts) for owner, parts in groups.items() if parts]


def _said(column: Column, form: str | None) -> tuple[str, str] | None:
    """Return whose part of a person a column is, and which; `name?` where it may be the name of a thing."""
    if not isinstance(column.dtype, pl.String | pl.Categorical | pl.Enum):
        return None
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column.name).lower()
    by_name = None
    for part, pattern in _NAMES.items():
        match = re.search(f"^(?:(?P<owner>.*)_)?(?:{pattern})$", words)
        if match:
            of = match.groupdict().get("of") or ""
            by_name = (match["owner"] or (of if of not in {"full", "person"} else ""), part)
            break
    if form in {"email", "country"}:
        return by_name if by_name is not None and by_name[1] == form else ("", form)
    if column.pii is None:
        if by_name is None and (words == "name" or words.endswith("_name")):
            by_name = (words.removesuffix("name").removesuffix("_"), "name?")
        return None if by_name is None or by_name[0] in _NO_PLACES else by_name
    parts = _CLASSES.get(column.pii)
    if parts is None:
        return None
    return by_name if by_name is not None and by_name[1] in parts else ("", parts[0])


@dataclass(frozen=True)
class Follower:
    """Columns of a person, filled in behind the others of a row.

    Attributes:
        chance: The name of its source of chance.
        written: By column, how its part of a person is written.
        columns: The columns.
        rules: What holds of them.
        country: The column whose country the person is of; without, one of `codes`.
        codes: Of countries whose people can satisfy the rules.
        different: Columns in which no two rows are alike, for they carry the row's number.
    """

    chance: str
    written: Mapping[str, pl.Expr]
    columns: tuple[Column, ...]
    rules: tuple[ValueRule, ...]
    country: str | None
    codes: tuple[str, ...]
    different: frozenset[str]

    def filled(self, frame: pl.DataFrame, rng: np.random.Generator, start: int) -> pl.DataFrame:
        """Return the frame with the person's columns; rows that break a rule are drawn again, for some rounds."""
        numbers = pl.int_range(start + 1, start + frame.height + 1, eager=True)
        countries = codes_of(frame[self.country]) if self.country is not None else None
        drawn = self._drawn(rng, numbers, countries).with_row_index("_row")
        bad = self._is_bad(drawn).arg_true()
        for _ in range(_TRIES):
            if bad.is_empty():
                break
            again = self._drawn(rng, numbers[bad], None if countries is None else countries[bad])
            again = again.with_columns(bad.alias("_row"))
            drawn, bad = drawn.update(again, on="_row"), bad.filter(self._is_bad(again))
        return pl.concat([frame, drawn.drop("_row")], how="horizontal")

    def _is_bad(self, drawn: pl.DataFrame) -> pl.Series:
        return _holds_all(drawn, self.rules).not_()

    def _drawn(self, rng: np.random.Generator, numbers: pl.Series, countries: pl.Series | None) -> pl.DataFrame:
        if countries is None:
            countries = any_country(rng, numbers.len(), dict.fromkeys(self.codes, 1.0))
        return written(people_of(rng, numbers, countries), self.written, self.columns)


def codes_of(countries: pl.Series) -> pl.Series:
    """Return codes of two letters for countries by code or English name; null for what has no vocabulary."""
    return countries.cast(pl.String).str.to_lowercase().replace_strict(CODES, default=None, return_dtype=pl.String)


def written(folk: pl.DataFrame, ways: Mapping[str, pl.Expr], columns: Sequence[Column]) -> pl.DataFrame:
    """Return the columns of people, in the types of the contract."""
    return folk.select(ways[column.name].cast(column.dtype, strict=False).alias(column.name) for column in columns)


def holds_country(column: Column, rules: Sequence[ValueRule]) -> bool:
    """Whether a column holds a person's country, by its name or its format."""
    form = next((rule.format for rule in rules if isinstance(rule, Format)), None)
    said = _said(column, form)
    return said is not None and said[1] == "country"


def countries_for(column: Column, rules: Sequence[ValueRule]) -> pl.Series | None:
    """List countries that a column may hold, in the first way of writing of which the rules allow some."""
    codes = pl.DataFrame({"country": list(COUNTRIES)})
    for way in _WRITTEN["country"]:
        allowed = written(codes, {column.name: way}, [column]).to_series().filter(_holds(codes, way, column, rules))
        if allowed.len():
            return allowed
    return None


def follower_of(
    person: Person,
    columns: Sequence[Column],
    rules: Mapping[str, Sequence[ValueRule]],
    rng: np.random.Generator,
    *,
    countries: pl.Series | None,
    different: frozenset[str],
) -> Follower | None:
    """Return how the columns of a person are filled: those that satisfy their rules, and together.

    Args:
        person: The person.
        columns: Of the person, those that are free.
        rules: By column, what holds.
        rng: For trying.
        countries: Some values of the column whose country the others follow, if there is one.
        different: Columns in which no two rows may be alike.
    """
    codes = None if countries is None else codes_of(countries)
    tried = any_country(rng, PROBE, dict.fromkeys(COUNTRIES, 1.0)) if codes is None else codes
    folk = people_of(rng, pl.int_range(_LATE, _LATE + PROBE, eager=True), tried)
    ways: dict[str, pl.Expr] = {}
    passing = pl.repeat(value=True, n=PROBE, eager=True)
    for column in columns:
        part, own = person.parts[column.name], rules.get(column.name, ())
        forms = _DIFFERENT.get(part, ()) if column.name in different else _WRITTEN.get(part, (pl.col(part),))
        choices = [(form, passing & _holds(folk, form, column, own)) for form in forms]
        form, both = max(choices, key=lambda choice: min(int(choice[1].sum()) / int(passing.sum()), _ENOUGH))
        if int(both.sum()) >= _LEAST * int(passing.sum()):
            ways[column.name], passing = form, both
    if not ways:
        return None
    filled = tuple(column for column in columns if column.name in ways)
    held = tuple(rule for column in filled for rule in rules.get(column.name, ()))
    allowed = tuple(sorted(set(folk["country"].filter(passing).drop_nulls())))
    return Follower(person.chance, ways, filled, held, None if codes is None else person.country, allowed,
                    different.intersection(ways))  # fmt: skip


def _holds(folk: pl.DataFrame, form: pl.Expr, column: Column, rules: Sequence[ValueRule]) -> pl.Series:
    values = written(folk, {column.name: form}, [column])
    return values.to_series().is_not_null() & _holds_all(values, rules)


def _holds_all(rows: pl.DataFrame, rules: Sequence[ValueRule]) -> pl.Series:
    good = pl.all_horizontal(pl.lit(value=True), *(rule.holds() for rule in rules)).fill_null(value=False)
    return rows.with_columns(good.alias("_good"))["_good"]
