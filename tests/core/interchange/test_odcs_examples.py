"""The standard's own examples come in and go out without a difference, and change only where the declaration does.

The files are those of https://github.com/bitol-io/open-data-contract-standard (docs/examples, Apache-2.0), as they are.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from platform_core.interchange.odcs import document_problems, from_odcs, updated
from platform_resources.documents import document_text, odcs_schema, read_document

EXAMPLES = sorted((Path(__file__).parent / "odcs_examples").glob("*.yaml"))


def test_all_eighteen_are_here() -> None:
    assert len(EXAMPLES) == 18


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_with_an_unchanged_declaration_stays_as_it_is(path: Path) -> None:
    document = read_document(path)
    text = document_text(document)
    assert document_problems(document, odcs_schema()) == []
    for table in [each["name"] for each in document.get("schema") or ()]:
        updated(document, from_odcs(document, table=table).dataset, table=table)
    assert document_text(document) == text


def test_only_what_the_declaration_says_otherwise_is_written() -> None:
    document = read_document(next(path for path in EXAMPLES if path.name == "full-example.odcs.yaml"))
    before = document_text(document).splitlines()
    dataset = from_odcs(document, table="tbl").dataset
    after = document_text(updated(document, replace(dataset, version="1.2.0"), table="tbl")).splitlines()
    changed = [line for line, other in zip(after, before, strict=True) if line != other]
    assert changed == ["version: 1.2.0 # Version (follows semantic versioning)"]
