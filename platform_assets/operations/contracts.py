"""Contract files: the registry of published versions beside the code, and verdicts on rows by a contract."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import polars as pl

from platform_assets.ingest import table_spec
from platform_assets.ingest.stored import as_declared
from platform_assets.location import CodeLocation
from platform_assets.operations.datasets import freshness_of
from platform_assets.operations.errors import UnknownName
from platform_assets.operations.history import open_history
from platform_assets.operations.overview import state_of
from platform_assets.operations.profiles import Rows, rows_of
from platform_assets.operations.sla import sla_of
from platform_core.contracts import Balance, Catalog, Dataset, ReferenceRule, rules_of
from platform_core.contracts.redundancy import implied_rules
from platform_core.contracts.sources import Files
from platform_core.errors import ShapeError
from platform_core.interchange.compatibility import Comparison, Level, compare
from platform_core.interchange.odcs import (
    ContractFileError,
    Imported,
    document_problems,
    from_odcs,
    merged,
    plain_document,
    to_odcs,
    updated,
)
from platform_core.interchange.queries import DIALECTS, Dialect, RuleQuery, rule_queries
from platform_core.quality import conform, judge
from platform_core.quality.judge import table_results
from platform_core.quality.proofs import needed_columns, proven_rules
from platform_core.rules import FileFacts
from platform_resources.documents import DocumentExists, odcs_schema, read_document, write_document
from platform_resources.sources import DeclaredFile
from platform_resources.storage import Lake

ENDING = ".odcs.yaml"


@dataclass(frozen=True)
class Registry:
    """Published versions of contracts: `<folder>/<domain>/<name>/<version>.odcs.yaml`, each written once."""

    folder: Path

    def path(self, name: str, version: str) -> Path:
        """Return where a version lies, whether it is there or not."""
        return self.folder / name / f"{version}{ENDING}"

    def names(self) -> list[str]:
        """Return the names of the datasets that have a published version."""
        return sorted({"/".join(path.parts[-3:-1]) for path in self.folder.glob(f"*/*/*{ENDING}")})

    def versions(self, name: str) -> list[str]:
        """Return the published versions of a dataset, the newest last."""
        versions = [path.name.removesuffix(ENDING) for path in (self.folder / name).glob(f"*{ENDING}")]
        return sorted(versions, key=lambda version: [int(part) for part in version.split(".") if part.isdecimal()])

    def newest(self, name: str) -> Dataset | None:
        """Return the contract that was published last, or None.

        Raises:
            ContractFileError: Its file does not hold a contract.
        """
        versions = self.versions(name)
        return load(self.path(name, versions[-1])).dataset if versions else None

    def publish(self, dataset: Dataset) -> Path | None:
        """Publish the contract of a dataset in its version; None where it is published already.

        Raises:
            DocumentExists: Another contract was published under this version.
        """
        path = self.path(dataset.name, dataset.version)
        if path.exists():
            changes = compare(load(path).dataset, dataset).changes
            if changes:
                raise DocumentExists(
                    f"{dataset.name}: version {dataset.version} is published and differs: "
                    f"{changes[0].kind.replace('_', ' ')}"
                    f"{f' of {changes[0].column}' if changes[0].column else ''}. Fix: raise the version; "
                    "platform diff proposes one."
                )
            return None
        document = to_odcs(dataset)
        problems = document_problems(document, odcs_schema())
        if problems:
            raise ContractFileError(dataset.name, problems)
        write_document(path, document)
        return path


def load(path: Path, *, table: str | None = None) -> Imported:
    """Return the contract in a file.

    Raises:
        UnreadableDocument: There is no such file, or it is no YAML or JSON.
        ContractFileError: It breaks the standard's own schema, or a part that is ours cannot be read.
    """
    document = read_document(path)
    problems = document_problems(document, odcs_schema())
    if problems:
        raise ContractFileError(str(path), problems)
    return from_odcs(document, table=table)


def comparisons(
    catalog: Catalog,
    registry: Registry,
    *,
    names: Sequence[str] = (),
    levels: Mapping[str, Level] | None = None,
    against: str | None = None,
) -> Iterator[Comparison]:
    """Yield each declared dataset compared with its published contract, then those that were published and are gone.

    Args:
        catalog: What is declared.
        registry: What was published.
        names: Only these datasets; all without.
        levels: What kinds of changes mean, where it differs from the defaults.
        against: A published version; the newest without.
    """
    for name in names or sorted({*catalog.datasets, *registry.names()}):
        published = registry.versions(name)
        newest = published[-1] if published else None
        version = newest if against is None else against if against in published else None
        old = load(registry.path(name, version)).dataset if version else None
        new = catalog.datasets.get(name)
        if old is not None and new is not None:
            yield compare(old, new, levels=levels)
        else:
            yield Comparison(
                name=name, old_version=old.version if old else None, new_version=new.version if new else None
            )


@dataclass(frozen=True, kw_only=True)
class ListedContract:
    """A contract in the list of all.

    Attributes:
        version: As declared; None where the dataset is declared no more.
        published: The versions in the registry.
        state: `published`, `changed` (differs from the newest), `unpublished` or `gone`.
    """

    name: str
    version: str | None
    owner: str | None
    published: Sequence[str]
    state: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that a contract asks of rows, and whether they keep it."""

    part: str
    name: str
    passed: bool
    detail: str
    is_warning: bool = False


@dataclass(frozen=True, kw_only=True)
class Compliance:
    """Rows judged by a contract: schema, quality and SLA in one verdict; warnings do not fail it."""

    contract: str
    version: str
    rows: str
    row_count: int
    passed: bool
    findings: Sequence[Finding]


def compliance_of(location: CodeLocation, contract: Dataset, name: str) -> Compliance:
    """Judge a table or a file by a contract.

    What the statistics of a table's files prove is not scanned; where somebody writes meanwhile, everything is.

    Args:
        location: What is declared, and where it lies.
        contract: The contract.
        name: A dataset, or a file.
    """
    declared, lake = location.catalog.datasets.get(name), location.lake
    spec = None if declared is None else table_spec(declared)
    before = lake.version(spec) if spec is not None and lake.exists(spec) else None
    statistics = lake.file_statistics(spec) if spec is not None and before is not None else ()
    references = stored_references(location.catalog, lake, contract)
    promises = promise_findings(location, contract, name)
    with _rows_judged(name, contract, location) as rows:
        unchanged = spec is not None and before is not None and lake.version(spec) == before
        files = [FileFacts(file.rows, file.nulls, file.bounds) for file in statistics] if unchanged else []
        return compliance(contract, rows, references, promises=promises, files=files)


@contextmanager
def _rows_judged(name: str, contract: Dataset, location: CodeLocation) -> Iterator[Rows]:
    """Yield the rows of a table or a file; a file for which the contract has words is read by them, as on arrival."""
    source = contract.source
    if name in location.catalog.datasets or source is None or source.kind != Files.kind or not Path(name).is_file():
        with rows_of(name, location.catalog, location.lake) as rows:
            yield rows
        return
    declared, memory = DeclaredFile.from_options(source.options), location.settings.memory_bytes
    batches = list(declared.batches(f"{contract.domain}/{name}", Path(name), memory))
    yield Rows(
        name=name,
        frame=pl.concat([batch.rows for batch in batches], how="diagonal_relaxed").lazy(),
        dataset=None,
        personal={column.name: column.pii for column in contract.columns if column.pii is not None},
        partition=None,
        malformed=sum(len(batch.malformed) for batch in batches),
    )


def compliance(
    dataset: Dataset,
    rows: Rows,
    references: Mapping[str, pl.DataFrame],
    *,
    promises: Sequence[Finding],
    files: Sequence[FileFacts] = (),
) -> Compliance:
    """Judge rows by a contract.

    Args:
        dataset: The contract.
        rows: A table or a file.
        references: For each reference rule, by its id, the values that are there; a rule without is not judged, and
            says so.
        promises: What is known of how the table keeps its promises; none for a file.
        files: What is known of the table's files: rules that this proves are not looked at.
    """
    proven = proven_rules(dataset, files, rows.frame.collect_schema())
    needed = needed_columns(dataset, proven)
    unread = [
        pl.lit(None, column.dtype).alias(column.name) for column in dataset.columns
        if column.name not in needed and column.name in rows.frame.collect_schema()
    ]  # fmt: skip
    frame = rows.frame.with_columns(unread if proven else []).collect()
    findings = [*_judged(dataset, frame, references, {rule.id: len(files) for rule in proven}), *promises]
    if rows.malformed:
        told = f"{rows.malformed:,} records that are no rows; platform convert lists them"
        findings = [Finding(part="schema", name="malformed", passed=False, detail=told), *findings]
    failed = [finding for finding in findings if not finding.passed and not finding.is_warning]
    return Compliance(
        contract=dataset.name, version=dataset.version, rows=rows.name, row_count=frame.height, passed=not failed,
        findings=tuple(findings),
    )  # fmt: skip


def _judged(
    dataset: Dataset, frame: pl.DataFrame, references: Mapping[str, pl.DataFrame], proven: Mapping[str, int]
) -> Iterator[Finding]:
    try:
        conformed = conform(frame, dataset)
    except ShapeError as error:
        yield Finding(part="schema", name="schema", passed=False, detail=f"{', '.join(error.culprits)}: {error.reason}")
        return
    for cast_column in conformed.conversions:
        yield Finding(part="schema", name=f"{cast_column.column}_cast", passed=not cast_column.lost, is_warning=True,
                      detail=cast_column.words)  # fmt: skip
    missing = [rule for rule in rules_of(dataset) if rule.kind == "references" and rule.id not in references]
    empty = {rule.id: conformed.frame.select(rule.columns).unique() for rule in missing}
    now = datetime.now(UTC)
    judgement = judge(
        conformed.frame, dataset, {**references, **empty}, unreadable=conformed.unreadable, now=now, sure=proven
    )
    empty |= {rule.id: rule.own_side(conformed.frame) for rule in rules_of(dataset)
              if isinstance(rule, Balance) and rule.id not in references}  # fmt: skip
    whole = table_results(judgement.valid.lazy(), dataset, references, now=now)
    for result in [*judgement.results, *whole]:
        part = "schema" if result.rule.id in ("schema", "types") else "quality"
        if result.rule.id in empty:
            detail, passed = "not evaluated: the dataset that it looks into has no table", False
        elif result.rule.id in proven:
            detail, passed = f"proven by the statistics of {proven[result.rule.id]:,} files", True
        else:
            passed = result.passed
            measured = "" if result.value is None else f"measured {result.value:.4g}"
            detail = measured or (f"{result.failed:,} of {result.total:,} rows" if result.failed else "")
        is_warning = result.rule.severity == "warn"
        yield Finding(part=part, name=result.rule.id, passed=passed, detail=detail, is_warning=is_warning)


def promise_findings(location: CodeLocation, contract: Dataset, rows: str) -> list[Finding]:
    """Return whether a table keeps what its contract promises: freshness now, and each promise's error budget.

    Nothing is said of a file, or without a promise. What could not be measured does not fail the contract, and says so.
    """
    dataset = location.catalog.datasets.get(rows)
    if dataset is None:
        return []
    findings = []
    if contract.freshness is not None:
        with open_history(location.settings) as history:
            at = state_of(dataset, location.lake, history).materialised_at
        filled = None if at is None else datetime.fromtimestamp(at, UTC)
        fresh = freshness_of(contract, filled, datetime.now(UTC))
        detail = "never materialised" if filled is None else f"materialised {filled:%Y-%m-%d %H:%M} UTC"
        findings.append(Finding(part="sla", name="freshness", passed=fresh.state == "pass", detail=detail))
    for promises in sla_of(location, datetime.now(UTC), days=_SLA_DAYS, name=rows):
        for promise in promises.promises:
            burn = "" if promise.burn is None else f", {promise.burn:.2f} of the error budget used"
            findings.append(Finding(part="sla", name=f"{promise.name}_over_{_SLA_DAYS:g}_days",
                                    passed=promise.kept is not False, detail=f"{promise.detail}{burn}"))  # fmt: skip
    return findings


_SLA_DAYS = 30.0


def stored_references(catalog: Catalog, lake: Lake, dataset: Dataset) -> dict[str, pl.DataFrame]:
    """Return what each rule on references and balances looks for, where the dataset it looks into has a table."""
    stored_values = {}
    for rule in rules_of(dataset):
        target = catalog.datasets.get(rule.dataset) if isinstance(rule, ReferenceRule | Balance) else None
        if isinstance(rule, ReferenceRule) and target is not None and lake.exists(table_spec(target)):
            values = lake.read(table_spec(target), columns=list(dict.fromkeys(rule.to))).unique()
            stored_values[rule.id] = values.select(
                pl.col(to).alias(own) for own, to in zip(rule.columns, rule.to, strict=True)
            )
        if isinstance(rule, Balance) and target is not None and lake.exists(table_spec(target)):
            stored_values[rule.id] = rule.side_of(as_declared(lake.scan(table_spec(target)), target)).collect()
    return stored_values


def write_into(folder: Path, dataset: Dataset) -> Path:
    """Write the contract of a dataset into a folder; a file that is there keeps comments and keys of others.

    Raises:
        UnreadableDocument: The file that is there is no YAML.
    """
    path = folder / dataset.domain / f"{dataset.title}{ENDING}"
    document: Any = to_odcs(dataset)
    if path.exists():
        existing = read_document(path)
        document = merged(existing, document) if _is_ours(existing) else updated(existing, dataset)
    write_document(path, document)
    return path


def _is_ours(document: Mapping[str, Any]) -> bool:
    """Return whether a document was written by the platform; of one that was not, only what changed is written."""
    tables = document.get("schema") or [{}]
    return any(property_.get("property") == "platformDataset" for property_ in tables[0].get("customProperties") or ())


def documents(catalog: Catalog, names: Sequence[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the contracts of datasets as documents, by name."""
    for name in names or sorted(catalog.datasets):
        yield name, plain_document(to_odcs(catalog[name]))


@dataclass(frozen=True, kw_only=True)
class JudgedRule:
    """A rule of a contract.

    Attributes:
        implied_by: Rules that say it already; empty where it says something of its own.
    """

    id: str
    severity: str
    dimension: str
    label: str
    implied_by: Sequence[str]


def judged_rules(dataset: Dataset) -> list[JudgedRule]:
    """Return the rules of a dataset, each with the rules that imply it."""
    implied = {implied_rule.rule.id: [rule.id for rule in implied_rule.by] for implied_rule in implied_rules(dataset)}
    return [
        JudgedRule(id=rule.id, severity=rule.severity, dimension=rule.dimension, label=rule.label,
                   implied_by=implied.get(rule.id, ()))
        for rule in rules_of(dataset)
    ]  # fmt: skip


def queries_of(dataset: Dataset, dialect: str, table: str | None) -> list[RuleQuery]:
    """Compile the rules of a dataset to SQL.

    Raises:
        UnknownName: There is no such dialect.
    """
    if dialect not in DIALECTS:
        raise UnknownName("dialect", dialect, DIALECTS)
    return rule_queries(dataset, cast("Dialect", dialect), table=table)
