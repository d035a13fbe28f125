"""The words of a declaration stand on one page, made from the code: none is missing, and every example runs."""

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_type_hints

import pytest

from platform_core import contracts
from platform_core.contracts.arguments import fits
from platform_core.contracts.words import ARGUMENTS, EXAMPLES, TYPES, example_of, words_page
from platform_core.rules import FIELD_WORDS, KINDS

PAGE = Path(__file__).parents[2] / "docs/words.md"
RECORDS = [getattr(contracts, name) for name in (*EXAMPLES, "Dataset") if is_dataclass(getattr(contracts, name))]


def test_the_page_is_what_the_code_says() -> None:
    made = words_page()
    assert PAGE.read_text() == made, "write it anew: print(words_page(), end='') > docs/words.md"


def test_no_word_is_missing() -> None:
    page = PAGE.read_text()
    words = [*contracts.__all__, *(field.name for record in RECORDS for field in fields(record) if field.init)]
    words += [*FIELD_WORDS, *(kind.kind for kind in KINDS), *TYPES]
    assert [word for word in words if word not in page] == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(name: str) -> None:
    assert eval(EXAMPLES[name], vars(contracts).copy()) is not None  # noqa: S307 - our own examples


@pytest.mark.parametrize("record", RECORDS)
def test_each_argument_has_an_example_of_its_type(record: type) -> None:
    names = {**vars(contracts), "Orders": contracts.DataFrameModel}
    hints = get_type_hints(record)
    for field in fields(record):
        example = example_of(record.__name__, field.name)
        if not field.init or (field.name == "format" and not example):
            continue  # by its format a store is known, and nobody writes it
        (written,) = eval(f"dict({example})", names).items()  # noqa: S307 - our own examples
        assert written[0] == field.name
        assert fits(written[1], hints[field.name]), example


def test_no_example_is_of_an_argument_that_is_gone() -> None:
    known = {field.name for record in RECORDS for field in fields(record)}
    assert {name.rpartition(".")[2] for name in ARGUMENTS} <= known
