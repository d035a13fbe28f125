"""From inputs to a verdict: typed, judged in one scan, split into rows and envelopes; nothing is written here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from platform_assets.ingest.existing_rows import Residents
from platform_assets.ingest.inputs import Input
from platform_assets.ingest.tables import HASH, INGEST, INGESTED_AT, SOURCE
from platform_core.contracts import Dataset, Rule, rules_of
from platform_core.errors import ShapeError
from platform_core.ingest import row_hash
from platform_core.quality import Conformed, Judgement, RuleResult, conform, envelopes, judge
from platform_core.quality.conversions import joined
from platform_core.quality.envelope import ENVELOPE, whole_input, with_malformed
from platform_core.quality.policy import stops
from platform_core.quality.unreadable import unreadable_rows, unreadable_values

_POSITION = "_position"
_FACTS = {SOURCE: pl.String, INGEST: pl.String, _POSITION: pl.Int64}


_REASONS = 5
"""So many unreadable values are told of in a check."""


@dataclass(frozen=True)
class Intake:
    """A judged run's worth of rows.

    Attributes:
        valid: Valid rows with provenance and partition, in the inputs' order.
        refused: Envelopes of the rows, and of whole inputs, that may not be written.
        results: One a rule.
        sources: The inputs that were read, whose earlier versions these rows replace.
        unreadable: The inputs of which nothing could be read; what their earlier versions brought stays.
        came: By source, how many rows came in.
        quarantined: By source, how many of them were refused.
        warned: By rule of severity `warn` and place (source, or a transform's partition), how many valid rows break it.
        stopping: By rule on rows that stops a write and partition, how many rows break it.
        positions: Where each valid row stood in its input, from 1.
        key_hashes: Of every row that came, 64 bits of its key; none where they are not asked for.
    """

    valid: pl.DataFrame
    refused: pl.DataFrame
    results: tuple[RuleResult, ...]
    sources: tuple[str, ...]
    unreadable: tuple[str, ...]
    came: Mapping[str, int]
    quarantined: Mapping[str, int]
    warned: pl.DataFrame
    stopping: pl.DataFrame
    positions: pl.Series
    key_hashes: pl.Series

    @property
    def height(self) -> int:
        """Rows that came in."""
        return sum(self.came.values())


@dataclass(frozen=True)
class _Unfit:
    """An input that cannot be read as a whole, and the rule that says so."""

    given: Input
    rule: str
    reason: str


def take_in(  # noqa: PLR0913 - one keyword per fact about the ingest
    dataset: Dataset,
    inputs: Sequence[Input],
    references: Mapping[str, pl.DataFrame],
    *,
    run_id: str,
    at: datetime,
    residents: Residents,
    measures: Sequence[Rule] | None = None,
    hashes_keys: bool = False,
) -> Intake:
    """Return the verdict on the inputs.

    Args:
        dataset: The contract.
        inputs: What came in, in the order in which later ones win.
        references: By rule id, as `judge` takes them.
        run_id: Of the Dagster run.
        at: The instant of the run, in UTC.
        measures: The dataset rules to measure before anything is written; None for all.
        hashes_keys: Whether to give a hash of each row's key.
        residents: Given the typed rows and the sources they replace, what stays in the table beside them.
    """
    read = [_typed(dataset, input_) for input_ in inputs]
    fit = [(input_, typed) for input_, typed in zip(inputs, read, strict=True) if isinstance(typed, Conformed)]
    unfit = [unfit_input for unfit_input in read if isinstance(unfit_input, _Unfit)]
    frame, unreadable, facts = _together(dataset, fit)
    sources = tuple(input_.source for input_, _ in fit)
    verdict = judge(
        frame,
        dataset,
        references,
        unreadable=unreadable,
        within=facts[SOURCE],
        beside=residents(frame, sources),
        now=at,
        arrived=at,
        measures=measures,
    )
    refused = [_envelopes(dataset, input_, verdict, facts, run_id=run_id, at=at) for input_, _ in fit]
    refused += [
        whole_input(source=unfit_input.given.source, ingest_id=unfit_input.given.ingest_id, rule=unfit_input.rule,
                    reason=unfit_input.reason, run_id=run_id, at=at)
        for unfit_input in unfit
    ]  # fmt: skip
    noted = _noted_columns(dataset, fit)
    return Intake(
        valid=_stamped(dataset, verdict, facts, at),
        refused=pl.concat([pl.DataFrame(schema=ENVELOPE), *refused]),
        results=tuple(_with_values(_with_shape(result, unfit, noted), dataset, fit) for result in verdict.results),
        sources=sources,
        unreadable=tuple(unfit_input.given.source for unfit_input in unfit),
        came=rows_by_source(facts),
        quarantined=rows_by_source(facts.filter(verdict.refused)),
        warned=count_warned(dataset, verdict, facts),
        stopping=_count_stopping(dataset, verdict),
        positions=facts.filter(~verdict.refused)[_POSITION],
        key_hashes=frame.select(pl.struct(dataset.key).hash(seed=3)).to_series()
        if hashes_keys and dataset.key
        else pl.Series(dtype=pl.UInt64),
    )


def rows_by_source(rows: pl.DataFrame) -> dict[str, int]:
    """Count the rows of each source."""
    return dict(rows.group_by(SOURCE).agg(pl.len()).iter_rows())


def _typed(dataset: Dataset, input_: Input) -> Conformed | _Unfit:
    if input_.raw is None:
        return _Unfit(input_, "schema", input_.reason)
    try:
        conformed = conform(input_.raw, dataset)
    except ShapeError as error:
        return _Unfit(input_, "schema", f"{', '.join(error.culprits)}: {error.reason}")
    if not input_.malformed:
        return conformed
    malformed = pl.int_range(input_.first, input_.first + pl.len()).is_in(list(input_.malformed))
    return replace(conformed, unreadable=conformed.unreadable.select(pl.all() | malformed))


def _together(
    dataset: Dataset, fit: Sequence[tuple[Input, Conformed]]
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """All typed rows, where they could not be read, and where each stood; in the inputs' order."""
    schema = {column.name: column.dtype for column in dataset.columns}
    frame = pl.concat([pl.DataFrame(schema=schema), *(typed.frame for _, typed in fit)])
    flags = pl.concat([pl.DataFrame(schema=dict.fromkeys(schema, pl.Boolean)), *(typed.unreadable for _, typed in fit)])
    facts = [
        pl.DataFrame({
            SOURCE: pl.repeat(input_.source, typed.frame.height, dtype=pl.String, eager=True),
            INGEST: pl.repeat(input_.ingest_id, typed.frame.height, dtype=pl.String, eager=True),
            _POSITION: pl.int_range(input_.first, input_.first + typed.frame.height, eager=True),
        })
        for input_, typed in fit
    ]  # fmt: skip
    return frame, flags, pl.concat([pl.DataFrame(schema=_FACTS), *facts])


def _stamped(dataset: Dataset, verdict: Judgement, facts: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """Return the valid rows with provenance and partition."""
    names = [column.name for column in dataset.columns]
    valid_facts = facts.filter(~verdict.refused)
    stamped = verdict.valid.with_columns(
        valid_facts[SOURCE],
        valid_facts[INGEST],
        row_hash(names).alias(HASH),
        pl.lit(at).cast(pl.Datetime("us", "UTC")).alias(INGESTED_AT),
    )
    return stamped.with_columns(dataset.partitions.key()) if dataset.partitions else stamped


def count_warned(dataset: Dataset, verdict: Judgement, facts: pl.DataFrame) -> pl.DataFrame:
    """Count the valid rows that break a rule of severity `warn`, by their source; of a transform, by partition."""
    rules = [rule.id for rule in rules_of(dataset) if rule.severity == "warn" and rule.id in verdict.fails.columns]
    if not dataset.is_made:
        place = facts[SOURCE]
    elif dataset.partitions is not None:
        place = verdict.frame.select(dataset.partitions.key()).to_series()
    else:
        place = pl.repeat("", facts.height, dtype=pl.String, eager=True)
    return _counts(verdict.fails.select(*rules, place.alias("place")).filter(~verdict.refused))


def _count_stopping(dataset: Dataset, verdict: Judgement) -> pl.DataFrame:
    """Count the rows that break a rule for which nothing may be written, by partition; none of a table without any."""
    rules = [rule.id for rule in rules_of(dataset) if rule.id in verdict.fails.columns and stops(dataset, rule)]
    if dataset.partitions is None or not rules:
        return _counts(pl.DataFrame(schema={"place": pl.String}))
    place = verdict.frame.select(dataset.partitions.key().alias("place")).to_series()
    counts = _counts(verdict.fails.select(rules).with_columns(place))
    return counts.filter(pl.col("failed") > 0, pl.col("place").is_not_null())


def _counts(fails: pl.DataFrame) -> pl.DataFrame:
    rules = [name for name in fails.columns if name != "place"]
    counts = fails.group_by("place").agg(pl.col(rules).sum().cast(pl.Int64))
    long = counts.unpivot(rules, index="place", variable_name="rule", value_name="failed")
    return long.select("rule", "place", "failed").cast({"rule": pl.String, "failed": pl.Int64})


def _envelopes(
    dataset: Dataset, input_: Input, verdict: Judgement, facts: pl.DataFrame, *, run_id: str, at: datetime
) -> pl.DataFrame:
    mine = facts.with_columns(verdict.refused.alias("_refused")).with_row_index("_row")
    mine = mine.filter(pl.col(SOURCE) == input_.source, pl.col("_refused"))
    if input_.raw is None or mine.is_empty():
        return pl.DataFrame(schema=ENVELOPE)
    position = mine[_POSITION].to_list()
    rules = _rules_at(verdict, mine["_row"])
    labels = {rule.id: rule.label for rule in rules_of(dataset)}
    homes = verdict.frame[mine["_row"]].select(dataset.partitions.key()).to_series() if dataset.partitions else None
    raw = input_.raw[[place - input_.first for place in position]]
    misread = _unreadable_reasons(dataset, raw, rules)
    frame = envelopes(
        raw,
        rules,
        [
            _reason(input_, place, broken, labels | misread.get(at, {}))
            for at, (place, broken) in enumerate(zip(position, rules, strict=True))
        ],
        source=input_.source,
        ingest_id=input_.ingest_id,
        positions=position,
        run_id=run_id,
        at=at,
        partitions=homes.to_list() if homes is not None else [None] * mine.height,
    )
    malformed = {
        at: (f"{record.line_word} {record.line:,}: {record.reason}" if record.line else record.reason, record.text)
        for at, record in input_.malformed.items()
    }
    return with_malformed(frame, malformed)


def _unreadable_reasons(
    dataset: Dataset, raw: pl.DataFrame, rules: Sequence[Sequence[str]]
) -> dict[int, dict[str, str]]:
    """Return, by place among rows that are refused, what the rule on types says of their values."""
    on_types = next((rule.id for rule in rules_of(dataset) if getattr(rule, "on_input", False)), None)
    places = [place for place, broken in enumerate(rules) if on_types in broken]
    if on_types is None or not places:
        return {}
    rows = raw[places]
    reasons = unreadable_rows(rows, conform(rows, dataset).unreadable, dataset)
    return {place: {on_types: reason} for place, reason in zip(places, reasons, strict=True) if reason}


def _reason(input_: Input, place: int, broken: Sequence[str], labels: Mapping[str, str]) -> str:
    where = "" if place in input_.malformed else input_.where(place)
    return f"{where}: " * bool(where) + "broken: " + "; ".join(labels[rule_id] for rule_id in broken)


def _rules_at(verdict: Judgement, rows: pl.Series) -> list[list[str]]:
    row_places = pl.DataFrame({"_row": rows})
    at = pl.DataFrame({"_row": verdict.refused.arg_true(), "rules": verdict.broken_rules()})
    return row_places.join(at, on="_row", how="left", maintain_order="left")["rules"].to_list()


def _noted_columns(dataset: Dataset, fit: Sequence[tuple[Input, Conformed]]) -> str:
    """Say which columns were left out, where the source's declaration wants that noted."""
    if dataset.source is None or dataset.source.extra_columns not in {"note", "add"}:
        return ""
    names = dict.fromkeys(name for _, typed in fit for name in typed.ignored)
    return f"left out, for the contract does not name them: {', '.join(names)}." if names else ""


def _with_values(result: RuleResult, dataset: Dataset, fit: Sequence[tuple[Input, Conformed]]) -> RuleResult:
    """Return the `types` rule's result with what was cast and the first unreadable value of each column.

    The others as is.
    """
    if not getattr(result.rule, "on_input", False):
        return result
    cast = joined([conversion for _, typed in fit for conversion in typed.conversions])
    if result.passed:
        return replace(result, reason="; ".join(conversion.words for conversion in cast)) if cast else result
    pairs = [(input_.raw, typed.unreadable) for input_, typed in fit if input_.raw is not None]
    reasons = dict.fromkeys(reason for raw, flags in pairs for reason in unreadable_values(raw, flags, dataset))
    lossy = [f"{conversion.words}." for conversion in cast if conversion.lost]
    return replace(result, reason=" ".join([*list(reasons)[:_REASONS], *lossy]))


def _with_shape(result: RuleResult, unfit: Sequence[_Unfit], noted: str) -> RuleResult:
    """Return the `schema` rule's result with the inputs that could not be read, or a note; the others as they are."""
    if result.rule.id != "schema" or not (unfit or noted):
        return result
    if not unfit:
        return replace(result, reason=noted)
    reasons = "; ".join(f"{unfit_input.given.source}: {unfit_input.reason}" for unfit_input in unfit)
    return RuleResult(result.rule, passed=False, failed=0, total=result.total, reason=reasons)
