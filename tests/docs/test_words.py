"""The words of a declaration stand on one page, made from the code: none is missing, and every example runs."""

from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from platform_core import contracts
from platform_core.contracts.words import EXAMPLES, TYPES, words_page
from platform_core.rules import FIELD_WORDS, KINDS

PAGE = Path(__file__).parents[2] / "docs/words.md"


def test_the_page_is_what_the_code_says() -> None:
    made = words_page()
    assert PAGE.read_text() == made, "write it anew: print(words_page(), end='') > docs/words.md"


def test_no_word_is_missing() -> None:
    page = PAGE.read_text()
    records = [getattr(contracts, name) for name in (*EXAMPLES, "Dataset") if is_dataclass(getattr(contracts, name))]
    words = [*contracts.__all__, *(field.name for record in records for field in fields(record) if field.init)]
    words += [*FIELD_WORDS, *(kind.kind for kind in KINDS), *TYPES]
    assert [word for word in words if word not in page] == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(name: str) -> None:
    assert eval(EXAMPLES[name], vars(contracts).copy()) is not None  # noqa: S307 - our own examples
