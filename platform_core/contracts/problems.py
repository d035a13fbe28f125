"""What is wrong with one declaration: every problem, each with culprit and fix, none of them raised."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import reduce

import polars as pl

from platform_core.contracts.arguments import wrong_arguments
from platform_core.contracts.columns import Column, columns_of
from platform_core.contracts.dataset import ARRIVAL, Dataset
from platform_core.contracts.model import DataFrameModel, allowed_rules
from platform_core.contracts.partitions import Categories, Partitions
from platform_core.contracts.ruleset import rules_of, schema_of
from platform_core.contracts.sources import Changes, Spelling
from platform_core.contracts.stores import Iceberg
from platform_core.contracts.trials import failed_trials
from platform_core.contracts.types import PII_CLASSES
from platform_core.errors import Problem
from platform_core.rules import FIELD_WORDS, SEVERITIES, DatasetRule, RowRule, Rule, ValueRule
from platform_core.rules.intervals import Intervals, line_of

_WORD = r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*"
_NAME = re.compile(f"{_WORD}/{_WORD}")
"""Without two underscores in a row, for Dagster's op names join the words by them: `a/b__c` and `a__b/c` were one."""
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_OWNER = re.compile(r"team:[A-Za-z0-9_\-.]+|[^@\s]+@[^@\s]+\.[^@\s]+")
_RULE_ID = re.compile(r"[A-Za-z0-9_]+")
_CRON_FIELD = re.compile(r"[0-9*][0-9*,/\-]*|(?:[A-Za-z]{3}(?:[,\-](?=[A-Za-z]))?)+|L")
_CRON_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_COLUMN = re.compile(r'[^\s"{}](?:[^"{}\x00-\x1f]*[^\s"{}])?')
_RESERVED = ("_source", "_ingest_id", "_row_hash", "_ingested_at", "_partition", ARRIVAL)


def problems_in(dataset: Dataset) -> list[Problem]:
    """All problems of a declaration that can be known without looking at other datasets."""
    wrong = unreadable(dataset)
    if wrong:
        return wrong  # nothing else can be asked of such a declaration
    return [
        *_identity(dataset),
        *_promises(dataset),
        *_columns(dataset),
        *_contradictions(dataset),
        *_key(dataset),
        *_newest(dataset),
        *_storage(dataset),
        *_rules(dataset),
        *_publications(dataset),
        *failed_trials(dataset),
    ]


def unreadable(dataset: Dataset) -> list[Problem]:
    """Arguments of another type than they must have, and annotations that are no type."""
    wrong = list(wrong_arguments(str(dataset.name), dataset)) or list(_unreadable_model(dataset))
    return wrong or [*_passed_over(dataset), *_wrong_columns(dataset)]


def _passed_over(dataset: Dataset) -> Iterator[Problem]:
    """Attributes that Pandera takes for no column: it looks at no name that begins with `_`."""
    for name in _annotations(dataset.model):
        if name.startswith("_") and not name.startswith("__"):
            yield _problem(
                dataset, f"column {name!r}", "begins with an underscore, and no such attribute becomes a column.",
                f"call it {name.lstrip('_') or 'column'!r}; where the source says otherwise, add "
                f"Field(source_name={name!r}).",
            )  # fmt: skip


def _unreadable_model(dataset: Dataset) -> Iterator[Problem]:
    """Annotations that name no type, each tried by itself."""
    try:
        columns_of(dataset.model)
    except Exception as error:  # noqa: BLE001 - whatever Pandera makes of a user's class
        culprits = []
        for name, annotation in _annotations(dataset.model).items():
            try:
                columns_of(type("Tried", (DataFrameModel,), {"__annotations__": {name: annotation}}))
            except Exception as cause:  # noqa: BLE001 - as above
                culprits.append((f"column {name!r}", str(cause)))
        for culprit, reason in culprits or [(f"model {dataset.model.__name__}", str(error))]:
            yield _problem(
                dataset, culprit, f"has no type that a table stores: {(reason or 'unknown').splitlines()[0]}.",
                "annotate it with int, float, str, bool, UtcTimestamp, Day, or a polars type with its parameters, such "
                "as Annotated[pl.List, pl.Int64] or Annotated[pl.Decimal, 10, 2].",
            )  # fmt: skip


def _annotations(model: type[DataFrameModel]) -> dict[str, object]:
    """Return the annotations of a model and its bases."""
    annotations: dict[str, object] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, DataFrameModel) and base is not DataFrameModel:
            annotations |= vars(base).get("__annotations__", {})
    return annotations


def _wrong_columns(dataset: Dataset) -> Iterator[Problem]:
    """Arguments of `Field` of another type, and values that a rule cannot take."""
    for column in dataset.columns:
        for wrong in wrong_arguments(dataset.name, column.terms):
            yield _problem(dataset, f"column {column.name!r}: {wrong.culprit}", wrong.message, wrong.fix)
        for word, value, reason, fix in column.terms.refused:
            culprit = f"column {column.name!r}: {word}={value}"
            yield _problem(dataset, culprit, f"cannot be: {reason}.", fix or f"write {FIELD_WORDS[word].example}.")


def _problem(dataset: Dataset, culprit: str, message: str, fix: str) -> Problem:
    return Problem(dataset.name, culprit, message, fix)


def _identity(dataset: Dataset) -> Iterator[Problem]:
    if not _NAME.fullmatch(dataset.name):
        yield _problem(
            dataset, f"name {dataset.name!r}", "is not 'domain/dataset'.",
            "use two lower-case words of letters, digits and single underscores, such as 'flights/daily_delays'.",
        )  # fmt: skip
    if not _VERSION.fullmatch(dataset.version):
        yield _problem(dataset, f"version {dataset.version!r}", "is not major.minor.patch.", "write it as '1.0.0'.")
    if not _OWNER.fullmatch(dataset.owner):
        yield _problem(
            dataset, f"owner {dataset.owner!r}", "is neither a team nor an e-mail address.",
            "write 'team:aviation' or 'ada@example.com'.",
        )  # fmt: skip

    lists = {"key": dataset.key, "tags": dataset.tags, "sort": _sort(dataset)}
    for name, value in lists.items():
        if isinstance(value, str):
            yield _problem(dataset, f"{name} {value!r}", "is one text.", f"write {name}=({value!r},).")


def _promises(dataset: Dataset) -> Iterator[Problem]:
    if dataset.freshness is not None and dataset.freshness <= timedelta(0):
        yield _problem(dataset, f"freshness {dataset.freshness}", "is no time.", "use within(hours=...) above zero.")
    if dataset.schedule is not None and not _is_cron(dataset.schedule):
        yield _problem(dataset, f"schedule {dataset.schedule!r}", "is no cron line of five fields.",
                       "write minute, hour, day, month and weekday, such as '0 6 * * *'.")  # fmt: skip
    for culprit, fix in dataset.sla.broken_terms() if dataset.sla else ():
        yield _problem(dataset, culprit, "cannot be promised.", fix)
    for threshold in dataset.thresholds:
        for culprit, fix in threshold.broken_terms():
            yield _problem(dataset, culprit, "cannot be watched.", fix)
    if dataset.retention is not None:
        for contradiction in dataset.retention.contradictions(
            partitioned=dataset.partitions is not None and dataset.partitions.time is not None,
            stored_as=dataset.store.format,
            freshness=dataset.freshness,
        ):
            yield _problem(dataset, *contradiction)


def _is_cron(line: str) -> bool:
    """Whether a text is a cron line: five fields, each number within its bounds."""
    parts = line.split()
    return len(parts) == len(_CRON_BOUNDS) and all(
        _CRON_FIELD.fullmatch(part) and all(low <= int(number) <= high for number in re.findall(r"(?<!/)\b\d+", part))
        for part, (low, high) in zip(parts, _CRON_BOUNDS, strict=True)
    )


def _columns(dataset: Dataset) -> Iterator[Problem]:
    if not dataset.columns:
        yield _problem(dataset, "model", "declares no column.", f"annotate columns in {dataset.model.__name__}.")
    for column in dataset.columns:
        yield from _column(dataset, column)
    for name, count in Counter(column.name.lower() for column in dataset.columns).items():
        if count > 1:
            alike = ", ".join(column.name for column in dataset.columns if column.name.lower() == name)
            yield _problem(dataset, f"columns {alike}", "differ in case alone, which SQL does not see.", "rename one.")
    if getattr(dataset.model.Config, "drop_invalid_rows", False):
        yield _problem(dataset, "model: drop_invalid_rows=True", "would drop rows without a word.",
                       "take it out, and declare quarantine=Quarantine().")  # fmt: skip


def can_be_quoted(name: str) -> bool:
    """Return whether SQL and dbt can quote a column's name."""
    return _COLUMN.fullmatch(name) is not None


def _storable(dataset: Dataset, column: Column) -> Iterator[Problem]:
    """Types and names that no table, or no tool that reads one, can have."""
    culprit = f"column {column.name!r}"
    if column.dtype == pl.Object:
        yield _problem(dataset, culprit, "is an object of Python, which no table stores.", "annotate it with a type.")
    if any(_annotations(dataset.model).get(column.name) is bare for bare in (pl.Decimal, Decimal)):
        yield _problem(dataset, culprit, "is a decimal without places.", "write Annotated[pl.Decimal, 10, 2].")
    if not can_be_quoted(column.name):
        yield _problem(dataset, culprit, "is a name that SQL and dbt cannot quote.",
                       "take quotation marks, braces, line ends and outer blanks out of it.")  # fmt: skip


def _column(dataset: Dataset, column: Column) -> Iterator[Problem]:
    terms = column.terms
    culprit = f"column {column.name!r}"
    yield from _storable(dataset, column)
    if column.name in _RESERVED:
        yield _problem(dataset, culprit, "is a name of the platform's own.", "rename the column.")
    for name in terms.unknown:
        yield _problem(dataset, culprit, f"has no rule {name!r}.", f"use one of {', '.join(allowed_rules())}.")
    if terms.pii is not None and terms.pii not in PII_CLASSES:
        yield _problem(dataset, culprit, f"has no PII class {terms.pii!r}.", f"use one of {', '.join(PII_CLASSES)}.")
    if terms.severity not in SEVERITIES:
        yield _problem(dataset, culprit, f"has no severity {terms.severity!r}.", f"use one of {', '.join(SEVERITIES)}.")
    if not 0 <= terms.coverage <= 1:
        yield _problem(dataset, culprit, f"has coverage {terms.coverage}.", "give a share between 0 and 1.")
    if terms.references is not None and not re.fullmatch(r"[^/.]+/[^/.]+\.[^/.]+", terms.references):
        yield _problem(dataset, culprit, f"references {terms.references!r}.", "write 'domain/dataset.column'.")
    if isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone is None:
        yield _problem(dataset, culprit, "is a timestamp without a zone.", "annotate it with UtcTimestamp.")


def _contradictions(dataset: Dataset) -> Iterator[Problem]:
    """Columns for which no value satisfies all rules together."""
    schema = schema_of(dataset)
    for column in dataset.columns:
        rules = [rule for rule in rules_of(dataset) if isinstance(rule, ValueRule) and rule.columns == (column.name,)]
        line = line_of(column.dtype)
        if line is None or len(rules) < 2 or any(True for rule in rules for _ in rule.flaws(schema)):  # noqa: PLR2004
            continue
        try:
            allowed = reduce(Intervals.__and__, (rule.allowed(line) for rule in rules))
        except (TypeError, ValueError, OverflowError):
            continue  # a bound of another type: the rule is refused for that
        if not allowed:
            demands = " and ".join(rule.label.removeprefix(f"{column.name} ") for rule in rules)
            yield _problem(
                dataset, f"column {column.name!r}", f"must be {demands}: no value can be.", "swap or widen the bounds."
            )


def _key(dataset: Dataset) -> Iterator[Problem]:
    for name, count in Counter(dataset.key).items():
        column = dataset.column(name)
        if count > 1:
            yield _problem(dataset, f"key column {name!r}", f"is named {count} times.", "name it once.")
        if column is None:
            yield _missing(dataset, "key", name)
        elif column.nullable:
            yield _problem(
                dataset, f"key column {name!r}", "may be null.", "drop nullable=True, or take it out of the key."
            )
    needs = "quarantine=... replays rows" if dataset.quarantine and dataset.source else None
    needs = f"store={type(dataset.store).__name__}(mode='merge') merges" if dataset.store.mode == "merge" else needs
    if needs and not dataset.key:
        yield _problem(dataset, "key", f"is missing, and {needs} by key.", "name the columns that identify a row.")


def _newest(dataset: Dataset) -> Iterator[Problem]:
    """Yield a column that puts any two rows of a key in order, and a table that lets one take the other's place."""
    name, culprit = dataset.newest, f"newest {dataset.newest!r}"
    if name is None:
        return
    column = dataset.column(name)
    if column is None and name != ARRIVAL:
        yield _missing(dataset, "newest", name)
    elif column is not None and column.nullable:
        yield _problem(dataset, culprit, "may be null, and a null is neither older nor newer.",
                       "drop nullable=True: rows without a value go to quarantine.")  # fmt: skip
    elif column is not None and not _is_ordered(column.dtype):
        yield _problem(dataset, culprit, f"is {column.dtype}, of which none is newer.",
                       f"name an instant, a day, a number or a text, or write newest={ARRIVAL!r}.")  # fmt: skip
    if not dataset.key:
        yield _problem(dataset, culprit, "needs a key: of its rows the newest stands.", "declare key=(...).")
    if dataset.source is None or dataset.is_made:
        yield _problem(dataset, culprit, "is of no use, for its maker gives one row a key.", "take it out.")
    elif dataset.source.orders_rows:
        yield _problem(dataset, culprit, "is not asked: the order of changes is that of the database's history.",
                       "take it out.")  # fmt: skip
    elif dataset.store.mode == "append":
        fix = "use Delta(mode='merge') or Iceberg(mode='merge')."
        yield _problem(dataset, culprit, "lets rows give way, and store mode 'append' keeps each.", fix)
    unique = [rule for rule in rules_of(dataset) if isinstance(rule, RowRule) and rule.compares_rows]
    if unique and column is not None:
        yield _problem(dataset, f"{culprit} and rule {unique[0].id!r}",
                       "contradict: a row that is not the newest would hold a value.",
                       "take the rule out, or let the order of arrival decide.")  # fmt: skip


def _is_ordered(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or dtype.is_temporal() or dtype == pl.String


def _sort(dataset: Dataset) -> Sequence[str]:
    return dataset.store.sort if isinstance(dataset.store, Iceberg) else ()


def _storage(dataset: Dataset) -> Iterator[Problem]:
    if dataset.store.format == "parquet" and dataset.store.mode == "merge":
        yield _problem(
            dataset, "store", "merges into Parquet, which cannot merge.",
            "use Delta(mode='merge') or Iceberg(mode='merge').",
        )  # fmt: skip
    yield from (_missing(dataset, "store: sort", name) for name in _sort(dataset) if dataset.column(name) is None)
    if dataset.source is not None:
        for culprit, message, fix in dataset.source.problems(store_mode=dataset.store.mode):
            yield _problem(dataset, culprit, message, fix)
        for argument, names in dataset.source.named_columns.items():
            yield from (_missing(dataset, f"source: {argument}", name) for name in names if not dataset.column(name))
        yield from _spelling(dataset, dataset.source.spelling)
        for name in dataset.source.named_columns.get("place_column", ()):
            if (column := dataset.column(name)) and not column.dtype.is_integer():
                yield _problem(
                    dataset, f"place_column {name!r}", f"is {column.dtype}, and counts.", "declare it as int."
                )
    yield from _history(dataset)
    if dataset.source is not None and dataset.source.is_dbt:
        for word, value in {"quarantine": dataset.quarantine, "partitions": dataset.partitions}.items():
            if value is not None:
                yield _problem(dataset, word, "is not for a dbt model, which is made whole or not at all.",
                               f"take {word}=... out.")  # fmt: skip
    yield from _partitioning(dataset)


_TELLS_AN_INSTANT = re.compile(r"%(?:[:#]*z|Z|s|\+)")


def _spelling(dataset: Dataset, source: Spelling) -> Iterator[Problem]:
    for name in source.case:
        if (column := dataset.column(name)) and column.dtype not in (pl.String, pl.Categorical, pl.Enum):
            yield _problem(dataset, f"case of {name!r}", f"is for texts, and it is {column.dtype}.", "take it out.")
    for name, written in source.formats.items():
        column = dataset.column(name)
        if column and isinstance(column.dtype, pl.Datetime) and not (source.zone or _TELLS_AN_INSTANT.search(written)):
            fix = "write %z where the texts name a zone, else say zone=..."
            yield _problem(dataset, f"formats {written!r} of {name}", "tells no instant: it has no zone.", fix)


_VERSION_TYPES = {
    "valid_from": ("UtcTimestamp", False),
    "valid_to": ("UtcTimestamp", True),
    "is_current": ("bool", False),
}


def _history(dataset: Dataset) -> Iterator[Problem]:
    """Yield a history has the columns of a version, and a key that tells versions apart."""
    if not isinstance(dataset.source, Changes) or not dataset.source.history:
        return
    if "valid_from" not in dataset.key or len(dataset.key) == 1:
        key = (*(name for name in dataset.key if name != "valid_from"), "valid_from")
        yield _problem(dataset, f"key {tuple(dataset.key)}", "does not tell the versions of a row apart.",
                       f"write key={key if len(key) > 1 else ('id', 'valid_from')}.")  # fmt: skip
    for name, (kind, nullable) in _VERSION_TYPES.items():
        column = dataset.column(name)
        expected = pl.Boolean() if kind == "bool" else pl.Datetime("us", "UTC")
        if column is None or column.dtype != expected or column.nullable != nullable:
            yield _problem(dataset, f"column {name!r}", "is missing, or is not what history=True fills.",
                           f"write {name}: {kind}{' = Field(nullable=True)' if nullable else ''}.")  # fmt: skip


def _partitioning(dataset: Dataset) -> Iterator[Problem]:
    if dataset.partitions is None:
        return
    for culprit, message, fix in dataset.partitions.faults():
        yield _problem(dataset, culprit, message, fix)
    for name in dataset.partitions.columns:
        column = dataset.column(name)
        if column is None:
            yield _missing(dataset, "partitions", name)
        elif column.nullable:
            yield _problem(dataset, f"partitions on {name!r}", "which may be null, and a null lies in no partition.",
                           "drop nullable=True: rows without a value go to quarantine.")  # fmt: skip
    time = dataset.partitions.time
    instant = dataset.column(time.on) if time else None
    if time is not None and instant is not None and not _tells_partitions(instant.dtype, time):
        yield _problem(
            dataset, f"partitions on {instant.name!r}", f"which is {instant.dtype}.",
            "name a UtcTimestamp, or a Day for partitions of a day or longer that name no zone.",
        )  # fmt: skip
    for part in dataset.partitions.categories:
        yield from _category(dataset, part)


def _category(dataset: Dataset, part: Categories) -> Iterator[Problem]:
    column = dataset.column(part.on)
    if column is None:
        return
    if not (column.dtype.is_integer() or column.dtype in (pl.String, pl.Categorical, pl.Enum)):
        yield _problem(dataset, f"partitions by {part.on!r}", f"which is {column.dtype}.",
                       "name a column of texts or whole numbers; for time use daily(...), monthly(...).")  # fmt: skip
    if column.pii:
        yield _problem(dataset, f"partitions by {part.on!r}", f"which is personal ({column.pii}), and would be the "
                       "name of a partition.", "name a column that is not personal.")  # fmt: skip
    wrong = [value for value in part.values or () if isinstance(value, int) != column.dtype.is_integer()]
    if wrong:
        yield _problem(dataset, f"partitions by {part.on!r}", f"name {wrong[0]!r}, which no {column.dtype} is.",
                       "name values of the column's type.")  # fmt: skip


def _publications(dataset: Dataset) -> Iterator[Problem]:
    """Rows are told apart on the far side by their key, what changed by the table's versions."""
    targets = Counter(publication.target for publication in dataset.publish)
    for publication in dataset.publish:
        culprit = f"publish to {publication.target}"
        for wrong in wrong_arguments(dataset.name, publication, f"publish={type(publication).__name__}: "):
            yield wrong
            return
        yield from (_problem(dataset, f"publish to {where}", *problem) for where, *problem in publication.problems())
        if targets[publication.target] > 1:
            yield _problem(dataset, culprit, "is declared twice.", "keep one of them.")
        if not dataset.key:
            yield _problem(dataset, culprit, "needs a key: by it the far side knows a row.", "declare key=(...).")
        if dataset.store.format == "parquet":
            fix = "use Delta or Iceberg."
            yield _problem(dataset, culprit, "needs earlier versions, and Parquet keeps none.", fix)
        missing = [name for name in (*publication.columns, *publication.by) if dataset.column(name) is None]
        if missing:
            yield _missing(dataset, culprit, missing[0])
        personal = [column.name for column in dataset.columns if column.pii]
        if personal and not publication.columns:
            fix = f"name the columns to publish: columns=[...]; {', '.join(personal)} only where that is meant."
            yield _problem(dataset, culprit, f"would send personal data: {', '.join(personal)}.", fix)


def _tells_partitions(dtype: pl.DataType, time: Partitions) -> bool:
    """Whether a value lies in one partition: an instant in UTC, or a day where no partition is shorter."""
    if isinstance(dtype, pl.Datetime):
        return dtype.time_zone == "UTC"
    return dtype == pl.Date and time.grain != "hourly" and time.zone == "UTC"


def _missing(dataset: Dataset, where: str, name: str) -> Problem:
    available = ", ".join(column.name for column in dataset.columns)
    return _problem(dataset, f"{where}: column {name!r}", "is not in the model.", f"use one of {available}.")


def _rules(dataset: Dataset) -> Iterator[Problem]:
    names = {column.name for column in dataset.columns}
    rules = rules_of(dataset)
    for rule in rules:
        for name in rule.columns:
            if name not in names and rule.id not in {"partition", "key_unique"}:
                yield _missing(dataset, f"rule {rule.id!r}", name)
        yield from _rule(dataset, rule)
    for rule_id, count in Counter(rule.id for rule in rules).items():
        if count > 1:
            yield _problem(dataset, f"rule {rule_id!r}", f"is declared {count} times.", "give each its own id.")


def _rule(dataset: Dataset, rule: Rule) -> Iterator[Problem]:
    culprit = f"rule {rule.id!r}"
    if not _RULE_ID.fullmatch(rule.id):
        yield _problem(dataset, culprit, "is no name for a check.", "use letters, digits and underscores.")
    if rule.severity not in SEVERITIES:
        yield _problem(dataset, culprit, f"has no severity {rule.severity!r}.", f"use {' or '.join(SEVERITIES)}.")
    for flaw in rule.flaws(schema_of(dataset)):
        yield _problem(dataset, culprit, flaw.message, flaw.fix)
    yield from _past(dataset, rule)


def _past(dataset: Dataset, rule: Rule) -> Iterator[Problem]:
    """Yield a rule that compares with partitions which the dataset has not."""
    against = rule.compares_with if isinstance(rule, DatasetRule) and rule.compares_partitions else None
    if against is None:
        return
    if not isinstance(dataset.partitions, Partitions):
        yield _problem(dataset, f"rule {rule.id!r}", f"is against {against!r}, and there are no partitions by time.",
                       "declare them, or compare with 'version 12' of the table.")  # fmt: skip
    elif against == "weekday" and dataset.partitions.grain != "daily":
        yield _problem(dataset, f"rule {rule.id!r}", f"is against a weekday, and partitions are "
                       f"{dataset.partitions.grain}.", "use 'previous' or 'last 7'.")  # fmt: skip
