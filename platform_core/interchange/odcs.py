"""Contracts in the Open Data Contract Standard: 3.2 is written, 3.0 to 3.2 are read.

What the standard has a word for is said in it, so that any tool understands; what it lacks stands in
`customProperties` and in quality rules of `type: custom`, whose engine is ours, and comes back. A rule that only warns
never becomes `required`, `unique`, a range or an enumeration: another tool would refuse rows by it.

The mapping that was read is kept by whoever read it; `merged` brings a newer state into it, and leaves every key that
is not ours, and every comment, where it was.
"""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import polars as pl

from platform_core.contracts import Column, DataFrameModel, Dataset, Delta, Field, ReferenceRule, Rule, rules_of
from platform_core.contracts.ruleset import partition_rules
from platform_core.contracts.sla import Sla
from platform_core.errors import CoreError
from platform_core.interchange.values import (
    NotPortable,
    field_value,
    plain,
    plain_rule,
    plain_type,
    real,
    real_rule,
    real_type,
)
from platform_core.rules import Unique, ValueRule, id_of
from platform_core.rules.base import parameters_of
from platform_core.rules.bounds import InRange
from platform_core.rules.completeness import Complete
from platform_core.rules.sets import IsIn
from platform_core.rules.texts import Length, Matches
from platform_core.rules.volume import Volume

API_VERSION = "v3.2.0"
READ = ("v3.0.0", "v3.0.1", "v3.0.2", "v3.1.0", "v3.2.0")
ENGINE = "platform"
"""The engine of quality rules that the standard has no word for."""

_OWN = "platform"
"""How the names of our custom properties begin."""

_RULE = "platformRule"
_COLUMN = "platformColumn"
_DATASET = "platformDataset"


class ContractFileError(CoreError):
    """A contract file that cannot stand; all problems are reported together."""

    def __init__(self, name: str, problems: Sequence[str]) -> None:
        self.name, self.problems = name, tuple(problems)
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"{name}: {len(problems)} problem{'s' if len(problems) != 1 else ''}:\n{lines}")


@dataclass(frozen=True)
class Imported:
    """A contract as it was read.

    Attributes:
        dataset: The declaration that says the same.
        left_out: What the file says and the declaration does not, in words; it stays in the file.
    """

    dataset: Dataset
    left_out: Sequence[str]


def document_problems(document: Any, schema: Mapping[str, Any]) -> list[str]:
    """Return what the standard's own JSON schema finds wrong, each with where; empty for a good contract."""
    from jsonschema import Draft201909Validator  # noqa: PLC0415 - half a second that only files cost

    if not isinstance(document, Mapping):
        return ["the file holds no mapping"]
    version = document.get("apiVersion")
    if version not in READ:
        return [f"apiVersion {version!r} is not read. Fix: use one of {', '.join(READ)}."]
    errors = Draft201909Validator(schema).iter_errors(_with_metrics(plain_document(document)))
    return [f"{'.'.join(map(str, error.absolute_path)) or 'contract'}: {error.message}" for error in errors]


_METRICS = {"nullCheck": "nullValues", "duplicateCount": "duplicateValues", "validValues": "invalidValues"}
"""What 3.0 called the metrics of later versions; it named them under `rule`."""


def _metric_of(check: Mapping[str, Any]) -> str | None:
    name = check.get("metric") or check.get("rule")
    return _METRICS.get(str(name), str(name)) if name else None


def _with_metrics(value: Any) -> Any:
    """Return a plain document in which quality checks of 3.0 name their metric as later versions do."""
    if isinstance(value, list):
        return [_with_metrics(part) for part in value]
    if not isinstance(value, dict):
        return value
    own = {name: _with_metrics(part) for name, part in value.items()}
    if isinstance(own.get("rule"), str) and "metric" not in own:
        own["metric"] = _metric_of(own)
        del own["rule"]
    return own


def plain_document(value: Any) -> Any:
    """Return a document as JSON has it: instants as text, and without the types that keep comments."""
    if isinstance(value, Mapping):
        return {str(name): plain_document(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain_document(part) for part in value]
    if isinstance(value, bool) or value is None:
        return value
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return str(value)


# ---- out


def to_odcs(dataset: Dataset) -> dict[str, Any]:
    """Return the contract of a dataset as an ODCS 3.2 document.

    A check that a user wrote in Python cannot travel: it is named, as text.
    """
    return _without_nothing({
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": dataset.name,
        "name": dataset.title,
        "version": dataset.version,
        "status": "active",
        "domain": dataset.domain,
        "description": {"purpose": dataset.about} if dataset.about else None,
        "tags": list(dataset.tags),
        "team": _team(dataset.owner),
        "schema": [_schema(dataset)],
        "slaProperties": list(_promises(dataset)),
        "customProperties": list(_properties(dataset)),
    })  # fmt: skip


def _without_nothing(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if value not in (None, [], {}, "")}


def _team(owner: str) -> dict[str, Any]:
    kind, _, name = owner.partition(":")
    return {"name": name} if kind == "team" and name else {"members": [{"username": owner, "role": "owner"}]}


def _schema(dataset: Dataset) -> dict[str, Any]:
    rules = rules_of(dataset)
    of_dataset = [rule for rule in rules if not _of_column(rule) and _travels(rule, dataset)]
    return _without_nothing({
        "name": dataset.title,
        "physicalName": f"{dataset.name}/v{dataset.major}",
        "physicalType": "table",
        "logicalType": "object",
        "description": dataset.about,
        "properties": [_property(dataset, column, rules) for column in dataset.columns],
        "relationships": [_relationship(rule) for rule in of_dataset if isinstance(rule, ReferenceRule)],
        "quality": [_quality(rule) for rule in of_dataset],
    })  # fmt: skip


def _of_column(rule: Rule) -> bool:
    return len(rule.columns) == 1


def _travels(rule: Rule, dataset: Dataset) -> bool:
    """Return whether a rule is written as a rule: not what key, partitions and columns say already."""
    derived = ("columns", "schema", "types", "not_null", "partition")
    follows = {partition_rule.id for partition_rule in partition_rules(dataset)}
    return rule.kind not in derived and rule.id not in follows and not (rule.id == "key_unique" and dataset.key)


def _property(dataset: Dataset, column: Column, rules: Sequence[Rule]) -> dict[str, Any]:
    own = [rule for rule in rules if rule.columns == (column.name,) and _travels(rule, dataset)]
    hard = [rule for rule in own if rule.severity == "error"]
    partitioned = dataset.partitions is not None and column.name in dataset.partitions.columns
    position = dataset.key.index(column.name) + 1 if column.name in dataset.key else None
    return _without_nothing({
        "name": column.name,
        "logicalType": logical_type(column.dtype),
        "physicalType": str(column.dtype),
        "description": column.description,
        "required": True if not column.nullable else None,
        "unique": True if column.unique and column.terms.severity == "error" else None,
        "primaryKey": True if position else None,
        "primaryKeyPosition": position,
        "partitioned": True if partitioned else None,
        "partitionKeyPosition": 1 if partitioned else None,
        "classification": "personal" if column.pii else None,
        "logicalTypeOptions": _options(hard),
        "enum": [{"value": plain(value)} for rule in hard if isinstance(rule, IsIn) for value in rule.allowed_values
                 if isinstance(value, str | int | float)],
        "relationships": [_relationship(rule) for rule in own if isinstance(rule, ReferenceRule)],
        "quality": [_quality(rule) for rule in own],
        "customProperties": [{"property": _COLUMN, "value": _column_terms(column)}],
    })  # fmt: skip


def _column_terms(column: Column) -> dict[str, Any]:
    terms = column.terms
    return _without_nothing({
        "type": plain_type(column.dtype),
        "pii": terms.pii,
        "unit": terms.unit,
        "severity": "warn" if terms.severity == "warn" else None,
        "unique": True if column.unique else None,
    })  # fmt: skip


_LOGICAL: Mapping[type[pl.DataType], str] = {
    pl.Boolean: "boolean", pl.Date: "date", pl.Datetime: "timestamp", pl.Time: "time", pl.Struct: "object",
    pl.List: "array", pl.Array: "array",
}  # fmt: skip


def logical_type(dtype: pl.DataType) -> str:
    """Return the standard's type for one of Polars."""
    if dtype.is_integer():
        return "integer"
    return "number" if dtype.is_numeric() else _LOGICAL.get(type(dtype), "string")


def _options(rules: Sequence[Rule]) -> dict[str, Any]:
    """Return the bounds, lengths and patterns of rules of severity `error`, in the standard's words."""
    options: dict[str, Any] = {}
    for rule in rules:
        options.update(_own_options(rule))
    return {name: value for name, value in options.items() if isinstance(value, str | int | float)}


def _own_options(rule: Rule) -> Mapping[str, Any]:
    terms = parameters_of(rule)
    if rule.kind in ("ge", "gt", "le", "lt"):
        name = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}[rule.kind]
        return {name: terms["min_value" if rule.kind in ("ge", "gt") else "max_value"]}
    if isinstance(rule, InRange):
        low = "minimum" if rule.include_min else "exclusiveMinimum"
        high = "maximum" if rule.include_max else "exclusiveMaximum"
        return {low: rule.min_value, high: rule.max_value}
    if isinstance(rule, Length):
        return {"minLength": rule.least, "maxLength": rule.most}
    if isinstance(rule, Matches):
        return {"pattern": plain(rule.pattern)}
    return {}


def _relationship(rule: ReferenceRule) -> dict[str, Any]:
    domain_less = rule.dataset.rpartition("/")[2]
    targets = [f"{domain_less}.{column}" for column in rule.to]
    if _of_column(rule):
        return {"type": "foreignKey", "to": targets[0]}
    return {"type": "foreignKey", "from": [f"{domain_less}.{column}" for column in rule.columns], "to": targets}


def _quality(rule: Rule) -> dict[str, Any]:
    """Return a rule as a quality check: a metric of the standard where there is one, else ours."""
    common = {
        "name": rule.id,
        "description": rule.label,
        "dimension": rule.dimension,
        "severity": "warning" if rule.severity == "warn" else "error",
    }
    try:
        own = plain_rule(rule)
    except NotPortable as error:
        return {**common, "type": "text", "description": f"{rule.label} ({error})"}
    metric = _metric(rule)
    if metric is None:
        return {**common, "type": "custom", "engine": ENGINE, "implementation": own}
    return {**common, **metric, "customProperties": [{"property": _RULE, "value": own}]}


def _metric(rule: Rule) -> dict[str, Any] | None:
    """Return the metric of the standard that says what a rule says, or None."""
    if isinstance(rule, Complete) and rule.at_least is not None:
        return {"type": "library", "metric": "nullValues", "unit": "percent",
                "mustBeLessOrEqualTo": round(100 * (1 - rule.at_least), 10)}  # fmt: skip
    if isinstance(rule, Unique):
        arguments = {} if _of_column(rule) else {"arguments": {"properties": list(rule.columns)}}
        return {"type": "library", "metric": "duplicateValues", **arguments, "mustBe": 0, "unit": "rows"}
    if isinstance(rule, Volume):
        if rule.at_least is not None and rule.at_most is not None and rule.at_least != rule.at_most:
            return {"type": "library", "metric": "rowCount", "mustBeBetween": [rule.at_least, rule.at_most]}
        if rule.at_least is not None:
            return {"type": "library", "metric": "rowCount", "mustBeGreaterOrEqualTo": rule.at_least}
        return {"type": "library", "metric": "rowCount", "mustBeLessOrEqualTo": rule.at_most}
    if isinstance(rule, IsIn):
        return {"type": "library", "metric": "invalidValues", "mustBe": 0,
                "arguments": {"validValues": plain(rule.allowed_values)}}  # fmt: skip
    if isinstance(rule, Matches):
        return {"type": "library", "metric": "invalidValues", "mustBe": 0,
                "arguments": {"pattern": plain(rule.pattern)}}  # fmt: skip
    return None


def _promises(dataset: Dataset) -> Iterator[dict[str, Any]]:
    if dataset.freshness is not None:
        yield {"property": "freshness", **_duration(dataset.freshness)}
    sla = dataset.sla or Sla()
    if sla.availability is not None:
        yield {"property": "availability", "value": round(100 * sla.availability, 10), "unit": "percent"}
    if sla.latency is not None:
        yield {"property": "latency", **_duration(sla.latency)}
    if sla.throughput is not None:
        yield {"property": "throughput", "value": sla.throughput, "unit": "rows/s"}
    if dataset.retention is not None and dataset.retention.keep is not None:
        yield {"property": "retention", **_duration(dataset.retention.keep)}


def _duration(time: timedelta) -> dict[str, Any]:
    seconds = time.total_seconds()
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds % length == 0:
            return {"value": int(seconds // length), "unit": unit}
    return {"value": seconds, "unit": "s"}


def _properties(dataset: Dataset) -> Iterator[dict[str, Any]]:
    own = _without_nothing({
        "owner": dataset.owner,
        "source": plain(dataset.source),
        "partitions": plain(dataset.partitions),
        "store": plain(dataset.store),
        "quarantine": plain(dataset.quarantine),
        "retention": plain(dataset.retention),
        "schedule": dataset.schedule,
        "newest": dataset.newest,
        "rules": _order(dataset),
    })  # fmt: skip
    yield {"property": _DATASET, "value": own}


def _order(dataset: Dataset) -> list[str]:
    """Return the ids of the rules beside the columns, where the file does not have them in their order."""
    places = {column.name: place for place, column in enumerate(dataset.columns)}
    written = sorted(dataset.rules, key=lambda rule: places[rule.columns[0]] if _of_column(rule) else len(places))
    ids = [rule.id for rule in dataset.rules]
    return ids if ids != [rule.id for rule in written] else []


# ---- in


def from_odcs(document: Mapping[str, Any], *, table: str | None = None) -> Imported:
    """Return the declaration that a document describes; `table` names one of several.

    Raises:
        ContractFileError: The document has no such table, or a part of it that is ours cannot be read.
    """
    name = str(document.get("id") or document.get("name") or "contract")
    tables = {str(described.get("name")): described for described in document.get("schema") or ()}
    if not tables or (table is not None and table not in tables):
        raise ContractFileError(name, [f"has no table {table!r}. Fix: use one of {', '.join(tables) or 'none'}."])
    if table is None and len(tables) > 1:
        raise ContractFileError(name, [f"has {len(tables)} tables. Fix: name one of {', '.join(tables)}."])
    left_out: list[str] = []
    try:
        dataset = _dataset(document, tables[table or next(iter(tables))], left_out)
    except (NotPortable, KeyError, TypeError, ValueError) as error:
        raise ContractFileError(name, [str(error)]) from error
    return Imported(dataset, tuple(left_out))


def _dataset(document: Mapping[str, Any], table: Mapping[str, Any], left_out: list[str]) -> Dataset:
    own = _custom(document, _DATASET) or {}
    properties = [property_ for property_ in table.get("properties") or () if property_.get("name")]
    keyed = sorted(
        (property_ for property_ in properties if property_.get("primaryKey")),
        key=lambda property_: property_.get("primaryKeyPosition", 0),
    )
    promises = {str(promise["property"]).lower(): promise for promise in document.get("slaProperties") or ()}
    about = (document.get("description") or {}).get("purpose") or table.get("description") or ""
    freshness, sla = _promised(promises, left_out)
    return Dataset(
        _name(document, table),
        _model(str(table["name"]), about, properties, left_out),
        owner=str(own.get("owner") or _owner(document)),
        version=str(document["version"]),
        description=str(about),
        tags=tuple(map(str, document.get("tags") or ())),
        key=tuple(str(property_["name"]) for property_ in keyed),
        source=real(own["source"]) if "source" in own else None,
        partitions=real(own["partitions"]) if "partitions" in own else None,
        store=real(own["store"]) if "store" in own else Delta(),
        rules=_in_order(_rules_beside(table, properties, left_out), own.get("rules") or ()),
        quarantine=real(own["quarantine"]) if "quarantine" in own else None,
        freshness=freshness,
        sla=sla,
        retention=real(own["retention"]) if "retention" in own else None,
        schedule=own.get("schedule"),
        newest=own.get("newest"),
    )


def _in_order(rules: Iterable[Rule], ids: Sequence[str]) -> tuple[Rule, ...]:
    places = {rule_id: place for place, rule_id in enumerate(ids)}
    return tuple(sorted(rules, key=lambda rule: places.get(rule.id, len(places))))


def _custom(mapping: Mapping[str, Any], name: str) -> Any:
    custom_properties = mapping.get("customProperties") or ()
    return next(
        (plain_document(property_["value"]) for property_ in custom_properties if property_.get("property") == name),
        None,
    )


def _name(document: Mapping[str, Any], table: Mapping[str, Any]) -> str:
    """Return `domain/dataset`: the id where it is one, else words of domain and table."""
    contract_id = str(document.get("id", ""))
    if contract_id.count("/") == 1 and all(part.isidentifier() for part in contract_id.split("/")):
        return contract_id
    return f"{_word(document.get('domain') or 'imported')}/{_word(table['name'])}"


def _word(text: Any) -> str:
    letters = "".join(char.lower() if char.isascii() and char.isalnum() else " " for char in str(text))
    word = "_".join(letters.split()) or "rows"
    return word if word[0].isalpha() else f"t{word}"


def _owner(document: Mapping[str, Any]) -> str:
    """Return who answers for the contract: 3.0 lists members, later versions name a team."""
    team = document.get("team") or {}
    members = team if isinstance(team, list) else team.get("members") or ()
    if isinstance(team, Mapping) and team.get("name"):
        return f"team:{'-'.join(str(team['name']).split())}"
    owners = sorted(members, key=lambda member: str(member.get("role", "")).lower() != "owner")
    name = str(owners[0]["username"]) if owners else ""
    return name if "@" in name else f"team:{'-'.join(name.split())}" if name else ""


def _promised(promises: Mapping[str, Mapping[str, Any]], left_out: list[str]) -> tuple[timedelta | None, Sla | None]:
    times = {name: _time(promises[name]) for name in ("freshness", "latency") if name in promises}
    terms: dict[str, Any] = {}
    if "availability" in promises:
        share = promises["availability"]
        terms["availability"] = float(share["value"]) / (100 if share.get("unit") in ("percent", "%") else 1)
    if times.get("latency") is not None:
        terms["latency"] = times["latency"]
    if "throughput" in promises:
        terms["throughput"] = float(promises["throughput"]["value"])
    known = {"freshness", "latency", "availability", "throughput", "retention"}
    left_out.extend(f"SLA {name}" for name in promises if name not in known)
    left_out.extend(f"SLA {name} without a time" for name, time in times.items() if time is None)
    return times.get("freshness"), Sla(**terms) if terms else None


_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def _time(promise: Mapping[str, Any]) -> timedelta | None:
    unit = str(promise.get("unit", "")).lower()[:1]
    try:
        return timedelta(seconds=float(promise["value"]) * _UNITS[unit])
    except (KeyError, ValueError, TypeError):
        return None


def _model(name: str, about: str, properties: Sequence[Mapping[str, Any]], left_out: list[str]) -> type[DataFrameModel]:
    annotations: dict[str, Any] = {}
    body: dict[str, Any] = {"__doc__": str(about), "__module__": __name__}
    for place, property_ in enumerate(properties):
        column = str(property_["name"])
        variable = column if column.isidentifier() and not column.startswith("_") else f"column_{place}"
        annotations[variable] = _annotation(_type(property_, left_out))
        body[variable] = _field(property_, alias=None if variable == column else column)
    title = "".join(word.capitalize() for word in _word(name).split("_"))
    return type(title, (DataFrameModel,), {**body, "__annotations__": annotations})


def _annotation(dtype: pl.DataType) -> Any:
    """Return the annotation that declares a type to Pandera."""
    if isinstance(dtype, pl.Datetime):
        return Annotated[pl.Datetime, dtype.time_unit, dtype.time_zone]
    if isinstance(dtype, pl.Duration):
        return Annotated[pl.Duration, dtype.time_unit]
    if isinstance(dtype, pl.Decimal):
        return Annotated[pl.Decimal, dtype.precision, dtype.scale]
    if isinstance(dtype, pl.Enum):
        return Annotated[pl.Enum, dtype.categories.to_list()]
    if isinstance(dtype, pl.Array):
        return Annotated[pl.Array, dtype.inner, dtype.size]
    if isinstance(dtype, pl.List):
        return Annotated[pl.List, dtype.inner]
    if isinstance(dtype, pl.Struct):
        return Annotated[pl.Struct, {item.name: item.dtype for item in dtype.fields}]
    return type(dtype)


_TYPES: Mapping[str, pl.DataType] = {
    "string": pl.String(), "integer": pl.Int64(), "number": pl.Float64(), "boolean": pl.Boolean(), "date": pl.Date(),
    "timestamp": pl.Datetime("us", "UTC"), "time": pl.Time(),
}  # fmt: skip


def _type(property_: Mapping[str, Any], left_out: list[str]) -> pl.DataType:
    """Return the type of a property: ours where it is said, else by the standard's logical type."""
    own = _custom(property_, _COLUMN) or {}
    if "type" in own:
        return real_type(own["type"])
    logical = str(property_.get("logicalType", "string"))
    if logical == "array":
        return pl.List(_type(property_.get("items") or {}, left_out))
    below = property_.get("properties") or ()
    if logical == "object" and below:
        return pl.Struct({str(part["name"]): _type(part, left_out) for part in below})
    if logical not in _TYPES:
        left_out.append(f"{property_.get('name')}: type {logical}, read as text")
    return _TYPES.get(logical, pl.String())


def _field(property_: Mapping[str, Any], *, alias: str | None) -> Any:
    own = _custom(property_, _COLUMN) or {}
    severity = own.get("severity", "error")
    rules = [rule for rule in _own_rules(property_) if isinstance(rule, ValueRule) and rule.word]
    words = {rule.word: field_value(rule) for rule in rules} if rules else _foreign_words(property_)
    reference = next((rule for rule in _own_rules(property_) if isinstance(rule, ReferenceRule)), None)
    return Field(
        nullable=not property_.get("required", False),
        unique=bool(own.get("unique", property_.get("unique", False))),
        references=f"{reference.dataset}.{reference.to[0]}" if reference else None,
        coverage=reference.coverage if reference else 1.0,
        unit=own.get("unit"),
        pii=own.get("pii"),
        severity=severity,
        description=str(property_["description"]) if property_.get("description") else None,
        alias=alias,
        **words,
    )


def _foreign_words(property_: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords that another tool's contract says in the standard's own words."""
    options, words = property_.get("logicalTypeOptions") or {}, dict[str, Any]()
    numeric = str(property_.get("logicalType")) in ("integer", "number")
    bounds = {"minimum": "ge", "exclusiveMinimum": "gt", "maximum": "le", "exclusiveMaximum": "lt"}
    words |= {word: options[name] for name, word in bounds.items() if numeric and name in options}
    if "pattern" in options:
        words["str_matches"] = str(options["pattern"])
    lengths = {"min_value": options.get("minLength"), "max_value": options.get("maxLength")}
    if any(length is not None for length in lengths.values()):
        words["str_length"] = {name: length for name, length in lengths.items() if length is not None}
    if property_.get("enum"):
        words["isin"] = [value["value"] if isinstance(value, Mapping) else value for value in property_["enum"]]
    return words


def _own_rules(mapping: Mapping[str, Any]) -> Iterator[Rule]:
    """Yield the rules among the quality checks that were written here."""
    for check in mapping.get("quality") or ():
        own = _custom(check, _RULE)
        if own is None and check.get("type") == "custom" and check.get("engine") == ENGINE:
            own = plain_document(check["implementation"])
        if own is not None:
            yield real_rule(
                own,
                id=str(check["name"]),
                severity="warn" if check.get("severity") == "warning" else "error",
                dimension=str(check["dimension"]),
            )


def _rules_beside(
    table: Mapping[str, Any], properties: Sequence[Mapping[str, Any]], left_out: list[str]
) -> Iterator[Rule]:
    """Yield the rules that no column's declaration says, in the file's order: columns first."""
    for property_ in properties:
        is_unique = property_.get("unique") or (_custom(property_, _COLUMN) or {}).get("unique")
        declared = {id_of([str(property_["name"])], "unique")} if is_unique else set()
        for rule in _own_rules(property_):
            field_rule = (isinstance(rule, ValueRule) and rule.word) or isinstance(rule, ReferenceRule)
            if not field_rule and rule.id not in declared:
                yield rule
        yield from _foreign_rules(property_, str(property_["name"]), left_out)
    yield from _own_rules(table)
    yield from _foreign_rules(table, None, left_out)


def _foreign_rules(mapping: Mapping[str, Any], column: str | None, left_out: list[str]) -> Iterator[Rule]:
    """Yield rules for the metrics of the standard; name in `left_out` what has no counterpart."""
    for place, check in enumerate(mapping.get("quality") or ()):
        if _custom(check, _RULE) is not None or check.get("engine") == ENGINE:
            continue
        rule = _foreign_rule(check, column)
        where = column or str(mapping.get("name"))
        if rule is None:
            left_out.append(
                f"{where}: quality {check.get('name') or check.get('metric') or check.get('type') or place}"
            )
        else:
            yield rule


def _foreign_rule(check: Mapping[str, Any], column: str | None) -> Rule | None:
    metric = _metric_of(check)
    severity = "warn" if str(check.get("severity", "error")).lower() in ("warn", "warning", "info") else "error"
    common: dict[str, Any] = {"severity": severity, **({"id": _word(check["name"])} if check.get("name") else {})}
    zero = check.get("mustBe") == 0
    arguments = check.get("arguments") or {}
    if metric == "rowCount":
        bounds = _bounds(check)
        return None if bounds is None else Volume(at_least=bounds[0], at_most=bounds[1], **common)
    if column is None or not zero:
        return None
    if metric == "nullValues":
        return Complete(columns=(column,), at_least=1.0, **common)
    if metric == "duplicateValues":
        return Unique(columns=(column,), **common)
    if metric == "invalidValues" and arguments.get("validValues"):
        return IsIn(columns=(column,), allowed_values=tuple(arguments["validValues"]), **common)
    return None


def _bounds(check: Mapping[str, Any]) -> tuple[float | None, float | None] | None:
    if "mustBeBetween" in check:
        low, high = check["mustBeBetween"]
        return low, high
    if "mustBe" in check:
        return check["mustBe"], check["mustBe"]
    if "mustBeGreaterThan" in check:
        return check["mustBeGreaterThan"] + 1, None
    if "mustBeLessThan" in check:
        return None, check["mustBeLessThan"] - 1
    low, high = check.get("mustBeGreaterOrEqualTo"), check.get("mustBeLessOrEqualTo")
    return None if low is None and high is None else (low, high)


# ---- one into the other

_NAMED_BY = ("name", "property", "username", "server", "channel", "role")


def merged(document: MutableMapping[str, Any], newer: Mapping[str, Any]) -> MutableMapping[str, Any]:
    """Bring a newer state into a document that was read, in place; what is not ours stays as it is.

    Items of a list are matched by their name; a column or rule of ours that is gone goes. The document is returned.
    """
    for key, value in newer.items():
        former = document.get(key)
        if isinstance(former, MutableMapping) and isinstance(value, Mapping):
            merged(former, value)
        elif isinstance(former, list) and isinstance(value, list):
            _merge_lists(former, value)
        elif isinstance(former, list | Mapping) and not isinstance(value, type(former)):
            continue  # an earlier version's shape, such as 3.0's list of members for a team
        elif key not in document or former != value:
            document[key] = value
    return document


def _merge_lists(former: list[Any], newer: Sequence[Any]) -> None:
    by = next((key for key in _NAMED_BY if newer and isinstance(newer[0], Mapping) and key in newer[0]), None)
    if by is None:
        if plain_document(former) != plain_document(newer):
            former[:] = list(newer)
        return
    known = {entry.get(by): entry for entry in former if isinstance(entry, Mapping)}
    for entry in newer:
        same = known.get(entry[by])
        if isinstance(same, MutableMapping):
            merged(same, entry)
        else:
            former.append(entry)


def updated(
    document: MutableMapping[str, Any], dataset: Dataset, *, table: str | None = None
) -> MutableMapping[str, Any]:
    """Bring a declaration into the document that it was imported from, in place; the document is returned.

    Only what the declaration says otherwise than the document is written, so that one that nobody changed leaves every
    key, list and comment of the document as it is.

    Args:
        document: As it was read; its tables stay in their places.
        dataset: The declaration now.
        table: Which of the document's tables it declares.

    Raises:
        ContractFileError: The document has no such table.
    """
    before, after = to_odcs(from_odcs(document, table=table).dataset), to_odcs(dataset)
    tables = document["schema"]
    place = 0 if table is None else [str(described.get("name")) for described in tables].index(table)
    rows_before, rows_after = before.pop("schema")[0], after.pop("schema")[0]
    _change(tables[place], _without(rows_before, "physicalName"), _without(rows_after, "physicalName"))
    # The name that the file has elsewhere, and the version of the standard that it follows, are not ours.
    _change(document, _without(before, "id", "apiVersion"), _without(after, "id", "apiVersion"))
    return document


def _without(mapping: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key not in names}


def _change(mapping: MutableMapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Write into a mapping, in place, what differs between two states of it."""
    for key in before.keys() - after.keys():
        mapping.pop(key, None)
    for key, value in after.items():
        former, own = before.get(key), mapping.get(key)
        if key in before and plain_document(former) == plain_document(value):
            continue
        if isinstance(own, MutableMapping) and isinstance(value, Mapping):
            _change(own, former if isinstance(former, Mapping) else {}, value)
        elif isinstance(own, list) and isinstance(value, list) and _name_key(value) is not None:
            _change_list(own, former if isinstance(former, list) else [], value)
        else:
            mapping[key] = value


def _name_key(items: Sequence[Any]) -> str | None:
    return next((key for key in _NAMED_BY if items and isinstance(items[0], Mapping) and key in items[0]), None)


def _change_list(own: list[Any], before: Sequence[Any], after: Sequence[Any]) -> None:
    key = _name_key(after) or ""
    former, newer = ({item.get(key): item for item in items} for items in (before, after))
    own[:] = [entry for entry in own if entry.get(key) not in former or entry.get(key) in newer]
    own_entries = {entry.get(key): entry for entry in own}
    for name, value in newer.items():
        if name not in own_entries:
            own.append(value)
        else:
            _change(own_entries[name], former.get(name, {}), value)
