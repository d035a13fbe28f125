"""A kind of rule is one class: one that no module of the product has heard of is judged, drawn, broken and exported."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest

import platform_core
from platform_core.contracts import DataFrameModel, Dataset, Field, Generated, catalog_of, rules_of
from platform_core.contracts.dbt import dbt_sources
from platform_core.quality import judge
from platform_core.rules import ValueRule
from platform_core.synthetic import faults, synthesize


@dataclass(frozen=True, kw_only=True)
class Palindrome(ValueRule):
    """A text reads the same from both ends."""

    kind: ClassVar[str] = "palindrome"

    def good(self, value: pl.Expr) -> pl.Expr:
        return value.eq(value.str.reverse())

    def accepts(self, value: Any) -> bool:
        return bool(value == value[::-1])

    def sql(self) -> str:
        return f'"{self.column}" = reverse("{self.column}")'

    def texts(self, *, good: bool) -> tuple[str, ...]:
        return ("anna", "level", "noon") if good else ("lever", "moon")


class Names(DataFrameModel):
    """Names."""

    name: str = Field(nullable=True)


NAMES = Dataset("toy/names", Names, owner="team:toy", version="1.0.0", source=Generated(rows=9),
                rules=[Palindrome(columns=("name",))])  # fmt: skip


def test_it_is_listed_with_an_id_and_a_label_and_judged() -> None:
    rule = rules_of(catalog_of([NAMES])["toy/names"])[-1]
    assert (rule.id, rule.label) == ("name_palindrome", "name palindrome")
    judged = judge(pl.DataFrame({"name": ["anna", "eve", "bob!", None]}), NAMES, {})
    assert judged.refused.to_list() == [False, False, True, False]
    assert isinstance(rule, Palindrome)
    assert [rule.predicate({})({"name": name}) for name in ("anna", "bob!", None)] == [True, False, True]


def test_rows_are_drawn_that_keep_it_and_planted_that_break_it_alone() -> None:
    assert set(synthesize(NAMES, 50, 1)["name"].drop_nulls()) == {"anna", "level", "noon"}
    (fault,) = faults(NAMES, np.random.default_rng(1), only={"name_palindrome"})
    assert fault.red == {"name_palindrome"}


def test_it_is_a_dbt_test() -> None:
    column = dbt_sources([NAMES])["sources"][0]["tables"][0]["columns"][0]
    (test,) = column["data_tests"]
    assert test["rows_hold"]["arguments"] == {"condition": '"name" = reverse("name")'}


@pytest.mark.parametrize("room", ["contracts", "quality", "synthetic"])
def test_no_other_room_asks_which_kind_a_rule_is(room: str) -> None:
    modules = Path(platform_core.__path__[0], room).rglob("*.py")
    asking = [path.name for path in modules if re.search(r"(rule|other|broken)\.kind\b", path.read_text())]
    assert asking == []
