"""Envelopes of the quarantine: what was set aside and why, with personal data masked; fixes and discards.

The records are the JSON; their field names are the contract with programs and stand in docs/cli.md.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.ingest.references import load_references
from platform_assets.location import CodeLocation
from platform_assets.operations.datasets import find_dataset
from platform_assets.operations.errors import RequestError, UnknownName
from platform_core.contracts import Dataset, rules_of
from platform_core.privacy.masking import masked_record
from platform_core.quality import conform, judge, payloads
from platform_core.quality.envelope import PLACE
from platform_core.quality.source_texts import spelling_of
from platform_core.quality.unreadable import unreadable_values, why_unreadable
from platform_core.rules import Types

Payload = Mapping[str, str | None]


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """An envelope in the list.

    Attributes:
        position: The row's number in its source, from 1 on; None for a file that cannot be read at all.
        place: What a person calls it: `line 4`, `row 6` of a workbook; empty where it has only its number.
        fixed: Whether a fix waits for a replay, or went into one.
    """

    dataset: str
    id: str
    rules: tuple[str, ...]
    source: str
    position: int | None
    place: str
    partition: str | None
    decision: str
    fixed: bool
    quarantined_at: datetime


@dataclass(frozen=True, kw_only=True)
class OpenedEnvelope:
    """One envelope with its content; what is personal is masked.

    Attributes:
        payload: The row as it came, as text; None for a file that cannot be read at all.
        fix: The row as a replay reads it, where somebody mended it.
    """

    envelope: Envelope
    reason: str
    labels: Mapping[str, str]
    suspects: tuple[str, ...]
    payload: Mapping[str, Any] | None
    fix: Mapping[str, Any] | None
    note: str | None
    ingest_id: str
    run_id: str
    masked: bool


@dataclass(frozen=True, kw_only=True)
class RecordedFix:
    """A fix that was recorded.

    Attributes:
        changed: The columns that differ from the row as it came.
        breaks: Rules that the row still breaks, judged by itself; a replay judges it beside the table's rows.
    """

    dataset: str
    id: str
    changed: tuple[str, ...]
    breaks: Mapping[str, str]


def quarantine_of(location: CodeLocation, name: str) -> QuarantineStore:
    """Open the quarantine of a dataset.

    Raises:
        UnknownName: There is no such dataset.
        RequestError: The dataset declares no quarantine.
    """
    dataset = find_dataset(location.catalog, name)
    if dataset.quarantine is None:
        raise RequestError(
            f"{name}: has no quarantine: one bad row writes nothing, so none is set aside. "
            "Fix: declare quarantine=Quarantine() to set bad rows aside."
        )
    return QuarantineStore(location.lake, dataset)


def list_envelopes(location: CodeLocation, dataset: str | None, decision: str, rule: str | None) -> list[Envelope]:
    """List the envelopes of a dataset, or of all, oldest first.

    Args:
        location: The datasets and their lake.
        dataset: A name; None for all that have a quarantine.
        decision: `open`, `replayed`, `discarded` or `all`.
        rule: Only envelopes that break this rule.

    Raises:
        UnknownName: There is no such dataset, or no dataset asked for has such a rule.
    """
    names = (
        [dataset]
        if dataset
        else sorted(declared.name for declared in location.catalog.datasets.values() if declared.quarantine)
    )
    stores = [quarantine_of(location, name) for name in names]
    if rule is not None:
        _refuse_unknown_rule(stores, rule)
    wanted_decision = None if decision == "all" else decision
    return [
        _envelope(store.dataset.name, row)
        for store in stores
        for row in store.envelopes(decision=wanted_decision).to_dicts()
        if rule is None or rule in row["rules"]
    ]


def _refuse_unknown_rule(stores: Sequence[QuarantineStore], rule: str) -> None:
    rules = {known_rule.id for store in stores for known_rule in rules_of(store.dataset)}
    if rule not in rules:
        raise UnknownName("rule", rule, rules, where=f"{stores[0].dataset.name}: " if len(stores) == 1 else "")


def _envelope(dataset: str, row: Mapping[str, Any]) -> Envelope:
    return Envelope(
        dataset=dataset,
        id=row["quarantine_id"],
        rules=tuple(row["rules"]),
        source=row["source"],
        position=row["position"],
        place=place_of(row["reason"]),
        partition=row["partition"],
        decision=row["decision"],
        fixed=row["fix"] is not None,
        quarantined_at=row["quarantined_at"],
    )


def place_of(reason: str) -> str:
    """Return the place that a reason begins with, `line 4`; empty where it names none."""
    place = re.match(PLACE, reason)
    return place[1] if place else ""


def read_envelope(location: CodeLocation, dataset: str, quarantine_id: str, *, unmask: bool) -> OpenedEnvelope:
    """Read one envelope.

    Raises:
        UnknownName: There is no such dataset or envelope.
        RequestError: Unmasking is asked for outside of development.
    """
    if unmask and location.settings.environment != "development":
        raise RequestError(
            f"--unmask: personal data is shown in development only, and this is {location.settings.environment}. "
            "Fix: leave --unmask out."
        )
    store = quarantine_of(location, dataset)
    return open_envelope(store.dataset, select_envelopes(store, [quarantine_id]).row(0, named=True), unmask=unmask)


def open_envelope(dataset: Dataset, row: Mapping[str, Any], *, unmask: bool = False) -> OpenedEnvelope:
    """Tell all of one envelope of a dataset; personal data is masked unless it is asked for."""
    rules = {rule.id: rule for rule in rules_of(dataset)}
    broken = [rules[rule_id] for rule_id in row["rules"] if rule_id in rules]
    unreadable = unreadable_columns(dataset, row) if any(isinstance(rule, Types) for rule in broken) else {}
    return OpenedEnvelope(
        envelope=_envelope(dataset.name, row),
        reason=" ".join(unreadable.values()) or row["reason"],
        labels={rule.id: rule.label for rule in broken},
        suspects=tuple(dict.fromkeys([*unreadable, *(name for rule in broken for name in rule.columns)])),
        payload=_readable(dataset, row["payload"], unmask=unmask),
        fix=_readable(dataset, row["fix"], unmask=unmask),
        note=row["note"],
        ingest_id=row["ingest_id"],
        run_id=row["run_id"],
        masked=not unmask,
    )


def unreadable_columns(dataset: Dataset, row: Mapping[str, Any]) -> dict[str, str]:
    """Say of each column of an envelope that cannot be read why, with the value; personal data is masked.

    A malformed record has no columns, so nothing is said of it.
    """
    if row["payload"] is None or row["reason"].startswith("malformed"):
        return {}
    names = [column.name for column in dataset.columns]
    text = payloads(pl.DataFrame({"payload": [row["payload"]], "fix": [row["fix"]]}, schema=_TEXTS), names)
    unreadable = conform(text, dataset).unreadable
    return {
        column.name: why_unreadable(column, text[column.name][0], spelling_of(dataset))
        for column in dataset.columns
        if unreadable[column.name][0]
    }


_TEXTS = {"payload": pl.String, "fix": pl.String}


def _readable(dataset: Dataset, text: str | None, *, unmask: bool) -> Mapping[str, Any] | None:
    if text is None:
        return None
    record: dict[str, Any] = json.loads(text)
    return record if unmask else masked_record(record, dataset.columns)


def select_envelopes(store: QuarantineStore, ids: Sequence[str]) -> pl.DataFrame:
    """Select the envelopes of the given ids.

    Raises:
        UnknownName: One of them is not there.
    """
    envelopes = store.envelopes()
    stored_ids = set(envelopes["quarantine_id"])
    for quarantine_id in ids:
        if quarantine_id not in stored_ids:
            raise UnknownName("envelope", quarantine_id, stored_ids, where=f"{store.dataset.name}: ")
    return envelopes.filter(pl.col("quarantine_id").is_in(list(ids)))


def record_fix(location: CodeLocation, dataset: str, quarantine_id: str, settings: Sequence[str]) -> RecordedFix:
    """Record a fix of one row; values set earlier stay.

    Args:
        location: The datasets and their lake.
        dataset: Its name.
        quarantine_id: Of the envelope.
        settings: `column=value`, or `column=` for null.

    Raises:
        UnknownName: A dataset, an envelope or a column that is not there.
        RequestError: The envelope holds no row, its row is in the table already, or nothing is set.
    """
    store = quarantine_of(location, dataset)
    refuse_derived_dataset(store.dataset)
    row = select_envelopes(store, [quarantine_id]).row(0, named=True)
    _refuse_unfixable(dataset, row)
    before: dict[str, str | None] = json.loads(row["fix"] or row["payload"])
    after = {**before, **dict(_values(store.dataset, settings))}
    # As the envelope's own payload is written, so that the two can be compared.
    text = json.dumps(after, ensure_ascii=False, separators=(",", ":"))
    breaks = _breaks(location, store.dataset, text)
    store.fix(quarantine_id, text)
    payload = json.loads(row["payload"])
    changed = tuple(name for name, value in after.items() if name not in payload or payload[name] != value)
    return RecordedFix(dataset=dataset, id=quarantine_id, changed=changed, breaks=breaks)


def refuse_derived_dataset(dataset: Dataset) -> None:
    """Refuse a dataset whose rows cannot be replayed.

    Raises:
        RequestError: A transform makes the dataset, so its next run makes the rows anew.
    """
    if dataset.is_made:
        raise RequestError(
            f"{dataset.name}: is made by a transform, whose next run makes every row anew. "
            "Fix: mend its inputs or the rule, then materialise it."
        )


def _refuse_unfixable(dataset: str, row: Mapping[str, Any]) -> None:
    envelope = f"{dataset}: envelope {row['quarantine_id']}"
    if row["payload"] is None:
        raise RequestError(
            f"{envelope}: is a whole file that cannot be read, so it has no columns to set. "
            f"Fix: land {row['source']} again as it should be, or discard the envelope."
        )
    if row["decision"] == "replayed":
        raise RequestError(
            f"{envelope}: its row is in the table already. Fix: correct {row['source']} and land it again."
        )


def _values(dataset: Dataset, settings: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    if not settings:
        raise RequestError(f"{dataset.name}: nothing is set. Fix: name a column, --set column=value, once or more.")
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise RequestError(f"--set {setting!r}: has no '='. Fix: write --set column=value, or column= for null.")
        if dataset.column(name) is None:
            raise UnknownColumn(dataset, name)
        yield name, value or None


class UnknownColumn(RequestError):
    """A column that the contract does not have; `available` are those it has."""

    def __init__(self, dataset: Dataset, name: str) -> None:
        self.name, self.available = name, tuple(column.name for column in dataset.columns)
        super().__init__(f"{dataset.name}: there is no column {name!r}. Fix: use one of {', '.join(self.available)}.")


def _breaks(location: CodeLocation, dataset: Dataset, payload: str) -> dict[str, str]:
    names = [column.name for column in dataset.columns]
    envelope = pl.DataFrame({"payload": [payload], "fix": [None]}, schema=_TEXTS)
    row = conform(payloads(envelope, names), dataset)
    references = load_references(location.lake, location.catalog, dataset)
    now = datetime.now(UTC)
    verdict = judge(row.frame, dataset, references, unreadable=row.unreadable, now=now, arrived=now)
    broken = verdict.broken_rules().to_list()
    labels = {rule.id: rule.label for rule in rules_of(dataset)}
    unreadable = " ".join(unreadable_values(payloads(envelope, names), row.unreadable, dataset))
    labels |= {
        rule.id: f"{rule.label}: {unreadable}" for rule in rules_of(dataset) if isinstance(rule, Types) and unreadable
    }
    return {rule_id: labels[rule_id] for rule_id in (broken[0] if broken else [])}


def discard_envelopes(location: CodeLocation, dataset: str, ids: Sequence[str], reason: str) -> list[Envelope]:
    """Discard envelopes; they stay counted and listed, and a replay passes them over.

    Raises:
        UnknownName: There is no such dataset or envelope; none was discarded.
        RequestError: The reason is empty, or a row is in the table already; none was discarded.
    """
    if not reason.strip():
        raise RequestError("--reason: is empty. Fix: say why these rows may be left out.")
    store = quarantine_of(location, dataset)
    envelopes = select_envelopes(store, ids)
    for row in envelopes.filter(pl.col("decision") == "replayed").to_dicts():
        raise RequestError(
            f"{dataset}: envelope {row['quarantine_id']}: its row is in the table already. "
            f"Fix: take the row out of {row['source']} and land it again."
        )
    store.decide(ids, "discarded", reason.strip())
    return [_envelope(dataset, row) for row in select_envelopes(store, ids).to_dicts()]


def envelope_json(opened: OpenedEnvelope) -> dict[str, Any]:
    """Make one flat JSON object of an envelope: what the list shows first, then its content."""
    fields = asdict(opened)
    return {**fields.pop("envelope"), **fields}
