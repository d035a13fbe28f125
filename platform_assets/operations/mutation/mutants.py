"""Small changes to transforms and models, each run on designed rows: who notices, which change survives.

A change is noticed by a rule of a contract, a test of dbt, what a model's contract says of its columns, or the rows
that somebody approved. One that cannot run says nothing of those, and counts neither way. What nobody notices is run
on other designed rows: where its result is the same on all of them, it is equivalent as far as was observed; else it
survived, and a rule or an approved result is missing.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import polars as pl

from platform_assets.operations.errors import RequestError
from platform_assets.operations.mutation import python_changes, sql_changes
from platform_assets.operations.mutation.designed_rows import ANYWHERE, designed_tables
from platform_assets.operations.mutation.expected_rows import ExpectedRows, lines_of
from platform_assets.operations.mutation.models import CompiledModel, CompiledProject, ModelTrial, ModelVerdicts
from platform_assets.operations.trials import Trial, Verdicts, findings_of, judge_table
from platform_core.contracts import Balance, Catalog, Dataset, rules_of

Outcome = Literal["noticed", "survived", "equivalent", "raised"]
Judge = Literal["contract rules", "balances", "dbt tests", "columns and types", "approved rows"]
JUDGES: tuple[Judge, ...] = get_args(Judge)
"""Who may notice a change: `balances` are the rules of a contract that look at another dataset's totals."""

EXPECTED = "approved rows differ"
OTHER_COLUMNS = "other columns or types"
NO_CONTRACTS: Mapping[str, Dataset] = {}
_WORLDS = 2
_LARGER = 5
"""Other designed rows on which a change that nobody noticed is run, and so many times as many."""


@dataclass(frozen=True)
class Mutant:
    """One change to a transform or model, and who noticed.

    Attributes:
        asset: Whose transform or query it is.
        place: The line, or the file of a model.
        kind: Of change, such as `comparison`.
        before: The smallest expression around the change.
        after: The same, changed.
        outcome: `noticed`, `survived`, `equivalent` where the result is the same on all designed rows, or `raised`
            where it cannot run.
        noticed: `asset: rule or test` of each that noticed, or the error.
        judges: The kinds of those that noticed.
    """

    asset: str
    place: str
    kind: str
    before: str
    after: str
    outcome: Outcome
    noticed: tuple[str, ...]
    judges: tuple[Judge, ...] = ()


@dataclass(frozen=True)
class Difference:
    """How the rows of an asset differ from those that were approved.

    Attributes:
        asset: Its name.
        missing: Lines that were approved and are not made.
        added: Lines that are made and were not approved.
    """

    asset: str
    missing: tuple[str, ...]
    added: tuple[str, ...]


class MutationTrial:
    """Transforms and models on designed rows, and what is approved of them."""

    def __init__(
        self,
        catalog: Catalog,
        *,
        rows: int,
        seed: int,
        expected: ExpectedRows | None = None,
        project: CompiledProject | None = None,
        contracts: Mapping[str, Dataset] = NO_CONTRACTS,
    ) -> None:
        """Design rows, or take the approved ones, and make everything of them once.

        Args:
            catalog: Selected datasets with what they need.
            rows: Of each designed table.
            seed: The same seed designs the same rows.
            expected: What is approved.
            project: Compiled models over the datasets.
            contracts: Of models, by their names.
        """
        self.catalog, self.rows, self.seed, self.expected, self.project = catalog, rows, seed, expected, project
        self.contracts = contracts
        filled = {name: dataset for name, dataset in catalog.datasets.items() if name not in catalog.transforms}
        self.filled = Catalog(filled, {})
        schemas = {name: {column.name: column.dtype for column in dataset.columns} for name, dataset in filled.items()}
        approved = expected.inputs(schemas) if expected else None
        self.is_approved = approved is not None
        self.tables = self._designed(seed, rows) if approved is None else approved
        self._worlds: list[tuple[Trial, ModelTrial | None]] = [self._world(self.tables)]

    def made(self, names: Collection[str]) -> dict[str, pl.DataFrame]:
        """Return what the transforms and models of that name make of the rows."""
        trial, models = self._worlds[0]
        made_rows = {name: trial.calm[name].rows for name in self.catalog.transforms}
        return {
            name: rows for name, rows in (made_rows | dict(models.calm.rows if models else {})).items() if name in names
        }

    def differences(self, names: Collection[str]) -> list[Difference]:
        """Compare what is made with what is approved; assets of which nothing is approved are left out.

        Raises:
            RequestError: The approved inputs lack, or a contract has other columns than when they were.
        """
        differences = []
        for name, rows in self.made(names).items():
            approved = self.expected.rows(name) if self.expected else None
            if approved is None:
                continue
            if not self.is_approved:
                raise RequestError(
                    f"{name}: its approved rows were made of inputs that lack, or that have other columns than their "
                    "contracts have by now. Fix: platform test ... --approve, and look at what changes."
                )
            lines = lines_of(rows)
            differences.append(Difference(name, _beyond(approved, lines), _beyond(lines, approved)))
        return differences

    def approve(self, names: Collection[str]) -> list[Path]:
        """Write the rows, and what is made of them, as approved; return the files.

        Raises:
            RequestError: There is nothing that is made, or it does not stand on the rows.
        """
        made_rows = self.made(names)
        if self.expected is None or not made_rows:
            raise RequestError("--approve: nothing that is selected is made by a transform or a model. "
                               "Fix: select what is.")  # fmt: skip
        errors = {name: verdicts.error for name, verdicts in self._worlds[0][0].calm.items() if verdicts.error}
        if errors:
            raise RequestError("; ".join(f"{name}: {error}" for name, error in errors.items()) + ". Fix: mend that, "
                               "then approve.")  # fmt: skip
        return self.expected.approve(self.tables, made_rows)

    def mutants(self, names: Collection[str]) -> Iterator[Mutant]:
        """Run every change to the transforms and models of that name."""
        for name in self.catalog.transforms:
            if name in names:
                yield from self._of_transform(name)
        models = self._worlds[0][1]
        if models is not None and self.project is not None:
            for model in self.project.in_order(models.names):
                if model.name in names:
                    yield from self._of_model(model)

    def _of_transform(self, name: str) -> Iterator[Mutant]:
        transform = self.catalog.transforms[name]
        columns = [{column.name: str(column.dtype) for column in self.catalog[transform.input_name(parameter)].columns}
                   for parameter in transform.parameters]  # fmt: skip
        for change in python_changes.python_changes(transform.function, columns):
            outcome, noticed = self._judged_transform(name, change.function)
            judges = self._judges(noticed) if outcome == "noticed" else ()
            place = f"line {change.line}"
            yield Mutant(name, place, change.kind, change.before, change.after, outcome, noticed, judges)

    def _judged_transform(self, name: str, function: object) -> tuple[Outcome, tuple[str, ...]]:
        for place in range(1 + _WORLDS):
            trial, _ = self._at(place)
            verdicts = trial.run(transforms={name: function})
            if verdicts[name].error and not verdicts[name].red:
                return "raised", (verdicts[name].error,)
            usual = set(findings_of(trial.calm))
            noticed = [finding for finding in findings_of(verdicts) if finding not in usual]
            if place == 0:
                noticed += self._unexpected({name: verdicts[name].rows})
            if noticed:
                return "noticed", tuple(noticed)
            if not _same(trial.calm[name], verdicts[name]):
                return "survived", ()
        return "equivalent", ()

    def _of_model(self, model: CompiledModel) -> Iterator[Mutant]:
        place = Path(model.file).name
        try:
            changes = list(sql_changes.sql_changes(model.sql))
        except ValueError:
            return
        for change in changes:
            outcome, noticed = self._judged_model(model, change.sql)
            judges = self._judges(noticed) if outcome == "noticed" else ()
            yield Mutant(model.name, place, change.kind, change.before, change.after, outcome, noticed, judges)

    def _judged_model(self, model: CompiledModel, sql: str) -> tuple[Outcome, tuple[str, ...]]:
        for place in range(1 + _WORLDS):
            models = self._at(place)[1]
            if models is None or model.unique_id not in models.names:
                break
            verdicts = models.run(model.unique_id, sql)
            if verdicts.error:
                return "raised", (verdicts.error,)
            noticed = [test for test in verdicts.red if test not in models.calm.red]
            usual = set(self._broken(models.calm, models.tables))
            noticed += [rule for rule in self._broken(verdicts, models.tables) if rule not in usual]
            noticed += _other_columns(models.calm, verdicts)
            if place == 0:
                noticed += self._unexpected(verdicts.rows)
            if noticed:
                return "noticed", tuple(noticed)
            if any(not _same_rows(models.calm.rows[name], rows) for name, rows in verdicts.rows.items()):
                return "survived", ()
        return "equivalent", ()

    def _broken(self, verdicts: ModelVerdicts, tables: Mapping[str, pl.DataFrame]) -> list[str]:
        """Return the rules that the contracts of models have, and that their rows break."""
        made = {name: judge_table(rows, self.contracts[name], tables, self._worlds[0][0].now)
                for name, rows in verdicts.rows.items() if name in self.contracts}  # fmt: skip
        return list(findings_of(made))

    def _judges(self, noticed: Collection[str]) -> tuple[Judge, ...]:
        kinds = {self._judge(finding) for finding in noticed}
        return tuple(judge for judge in JUDGES if judge in kinds)

    def _judge(self, finding: str) -> Judge:
        """Return the kind of a judge: what is neither of a contract nor ours is a test of dbt."""
        name, _, what = finding.partition(": ")
        if what == EXPECTED:
            return "approved rows"
        dataset = self.catalog.datasets.get(name) or self.contracts.get(name)
        if what in {OTHER_COLUMNS, "schema"} or (dataset is None and what):
            return "columns and types"
        if dataset is None:
            return "dbt tests"
        rule = next((rule for rule in rules_of(dataset) if rule.id == what), None)
        return "balances" if isinstance(rule, Balance) else "contract rules"

    def _unexpected(self, made_rows: Mapping[str, pl.DataFrame]) -> list[str]:
        if self.expected is None or not self.is_approved:
            return []
        approved = {name: self.expected.rows(name) for name in made_rows}
        return [f"{name}: {EXPECTED}" for name, rows in made_rows.items()
                if approved[name] is not None and approved[name] != lines_of(rows)]  # fmt: skip

    def _at(self, place: int) -> tuple[Trial, ModelTrial | None]:
        """Return the designed rows of that place; others than the first are made when one asks for them."""
        while len(self._worlds) <= place:
            self._worlds.append(self._world(self._designed(self.seed + len(self._worlds), _LARGER * self.rows)))
        return self._worlds[place]

    def _world(self, tables: Mapping[str, pl.DataFrame]) -> tuple[Trial, ModelTrial | None]:
        trial = Trial(self.catalog, tables=tables, seed=self.seed)
        stored = {name: verdicts.rows for name, verdicts in trial.calm.items()}
        return trial, ModelTrial(self.project, stored, self.catalog.datasets) if self.project else None

    def _designed(self, seed: int, rows: int) -> dict[str, pl.DataFrame]:
        numbers: dict[str, set[float]] = {ANYWHERE: set()}
        for transform in self.catalog.transforms.values():
            numbers[ANYWHERE] |= python_changes.numbers_in(transform.function)
        for model in self.project.models.values() if self.project else ():
            for column, number in sql_changes.numbers_in(model.sql):
                numbers.setdefault(column, set()).add(number)
        return designed_tables(self.filled, seed, rows=rows, numbers=numbers)


def score(mutants: Collection[Mutant]) -> float | None:
    """Return the share of changes with another result that were noticed; None where there is no such change."""
    outcomes = [mutant.outcome for mutant in mutants]
    noticed, survived = outcomes.count("noticed"), outcomes.count("survived")
    return noticed / (noticed + survived) if noticed + survived else None


def by_rules(mutants: Collection[Mutant]) -> list[Mutant]:
    """Return the changes that a rule, a test or a type noticed, and not the approved rows alone."""
    return [mutant for mutant in mutants if mutant.outcome == "noticed" and mutant.judges != ("approved rows",)]


def by_judge(mutants: Collection[Mutant]) -> dict[Judge, tuple[int, int]]:
    """Return, by kind of judge, how many changes it noticed, and how many of them no other kind did.

    Approved rows see nearly all; for the other kinds they are left aside.
    """
    noticed = [mutant.judges for mutant in mutants if mutant.outcome == "noticed"]
    without_rows = [tuple(judge for judge in judges if judge != "approved rows") or judges for judges in noticed]
    return {judge: (sum(judge in judges for judges in noticed), without_rows.count((judge,))) for judge in JUDGES}


def _same(before: Verdicts, after: Verdicts) -> bool:
    return before.error == after.error and _same_rows(before.rows, after.rows)


def _same_rows(before: pl.DataFrame, after: pl.DataFrame) -> bool:
    """Compare rows whatever their order: a table has none."""
    return before.schema == after.schema and before.height == after.height and lines_of(before) == lines_of(after)


def _other_columns(calm: ModelVerdicts, verdicts: ModelVerdicts) -> list[str]:
    """Return what a contract of dbt refuses: other columns, or other types."""
    return [f"{name}: {OTHER_COLUMNS}" for name, rows in verdicts.rows.items()
            if rows.schema != calm.rows[name].schema]  # fmt: skip


def _beyond(lines: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    """Return the lines that are not among the others, doubles counted."""
    remaining = list(others)
    beyond = []
    for line in lines:
        if line in remaining:
            remaining.remove(line)
        else:
            beyond.append(line)
    return tuple(beyond)
