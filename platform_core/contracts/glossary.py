"""Terms of the business, declared beside the datasets, and the columns that hold what they mean."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from platform_core.contracts.dataset import Dataset
from platform_core.errors import ContractError, Problem


@dataclass(frozen=True)
class Term:
    """A word of the business.

    Attributes:
        name: The word, as people say it.
        meaning: What it means, in a sentence.
        columns: Where it stands: `domain/dataset.column`.
        owner: Who decides what it means; empty where nobody is named.
        synonyms: Other words for the same.
    """

    name: str
    meaning: str
    columns: Sequence[str] = ()
    owner: str = ""
    synonyms: Sequence[str] = ()

    def places(self) -> Iterator[tuple[str, str]]:
        """Yield the dataset and the column of each place."""
        for place in self.columns:
            dataset, _, column = place.rpartition(".")
            yield dataset, column


def glossary_of(terms: Iterable[Term], datasets: Mapping[str, Dataset]) -> tuple[Term, ...]:
    """Return the terms by name.

    Raises:
        ContractError: A name is used twice, a meaning is empty, or a column is not there; with every problem.
    """
    ordered = sorted(terms, key=lambda term: term.name.lower())
    problems = []
    for place, term in enumerate(ordered):
        if place and ordered[place - 1].name.lower() == term.name.lower():
            problems.append(Problem(term.name, "term", "is declared twice.", "keep one, with the columns of both."))
        if not term.meaning.strip():
            problems.append(Problem(term.name, "term", "has no meaning.", "say in a sentence what it means."))
        for dataset, column in term.places():
            names = [declared.name for declared in datasets[dataset].columns] if dataset in datasets else []
            if column not in names:
                fix = f"use one of {', '.join(names)}." if names else "write it as domain/dataset.column."
                problems.append(Problem(term.name, f"column {dataset}.{column}", "is not there.", fix))
    if problems:
        raise ContractError(problems)
    return tuple(ordered)
