"""The state of a check is the state of the table: what each rule found in each partition, and what waits in quarantine.

Numbers are kept by place: a dataset rule's by partition, the rows that a rule of severity `warn` let pass by their
source. A run renews the places that it touched; the verdict is over all of them, and over the open envelopes. A run
that judges no rows renews nothing, and so changes no verdict. Bounds are not kept: a threshold that moves judges the
same numbers anew.

A run that may not write leaves the numbers of the partitions for which it may not. They stay red, whatever runs of
other partitions say, until one that covers them has written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import polars as pl

from platform_assets.ingest.past_rows import load_past
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.ingest.stored import as_declared
from platform_assets.ingest.tables import table_spec, verdicts_spec
from platform_core.contracts import Dataset, DatasetRule, Partitions, Rule, rules_of
from platform_core.quality import RuleResult, conform
from platform_core.quality.envelope import MALFORMED, payloads
from platform_core.quality.judge import beyond_bounds, is_measured, measured, verdict
from platform_core.quality.policy import stops
from platform_core.quality.unreadable import unreadable_values
from platform_core.rules import NOW, RowRule
from platform_resources.storage import Lake

VERDICTS = {"rule": pl.String, "place": pl.String, "value": pl.Float64, "failed": pl.Int64}
WARNED = {"rule": pl.String, "place": pl.String, "failed": pl.Int64}
_REASONS = 5
_READ_AGAIN = 200
"""Waiting rows that are read again for the values in them; the first of each column is told."""

WHOLE = ""
"""The place of a table without partitions."""


def stopping_rules(dataset: Dataset) -> list[Rule]:
    """List the dataset rules that must hold before anything is written; the others are measured on the table."""
    return [rule for rule in rules_of(dataset) if is_measured(rule) and stops(dataset, rule)]


@dataclass(frozen=True)
class TableVerdicts:
    """The verdicts on one dataset's table."""

    lake: Lake
    dataset: Dataset

    def renew(
        self,
        references: Mapping[str, pl.DataFrame],
        *,
        partitions: Sequence[str] | None,
        warned: pl.DataFrame,
        places: Sequence[str],
    ) -> None:
        """Measure the places that a run covered or changed, as they are now, and keep the numbers.

        Args:
            references: By rule id, as `judge` takes them.
            partitions: Those that the run is about, and those whose rows it changed; None for a table without any.
            warned: By rule and place, how many rows break a rule of severity `warn`.
            places: Those whose rows the run brought anew, so that what they were warned of before counts no more.
        """
        numbers = [pl.DataFrame(schema=VERDICTS), self._warnings(warned, places), self._no_longer_refused(partitions)]
        rules = [rule for rule in rules_of(self.dataset) if is_measured(rule)]
        if rules and partitions != [] and self.lake.exists(table_spec(self.dataset)):
            numbers.append(self._measured(rules, references, partitions))
        renewed = pl.concat(numbers)
        if not renewed.is_empty():
            self.lake.write(verdicts_spec(self.dataset), renewed)

    def keep_refused(self, broken: Sequence[RuleResult], stopping: pl.DataFrame) -> None:
        """Keep the numbers for which a run wrote nothing, by partition; nothing of a table without any.

        Args:
            broken: The verdicts that stopped it.
            stopping: By rule on rows and partition, how many rows break it.
        """
        if self.dataset.partitions is None:
            return
        values = [(result.rule.id, place, value, None) for result in broken
                  for place, value in beyond_bounds(result.rule, result.partitions).items()]  # fmt: skip
        counts = stopping.with_columns(value=pl.lit(None, pl.Float64)).select(list(VERDICTS))
        numbers = pl.concat([pl.DataFrame(values, schema=VERDICTS, orient="row"), counts])
        if not numbers.is_empty():
            self.lake.write(verdicts_spec(self.dataset), numbers)

    def _refusing_rules(self) -> list[str]:
        """Return the rules on rows for which nothing may be written."""
        return [rule.id for rule in rules_of(self.dataset) if not is_measured(rule) and stops(self.dataset, rule)]

    def _no_longer_refused(self, partitions: Sequence[str] | None) -> pl.DataFrame:
        """Return the counts of refused rows of partitions that are written now."""
        if self.dataset.partitions is None or not partitions or not self._refusing_rules():
            return pl.DataFrame(schema=VERDICTS)
        refused = (
            pl.col("rule").is_in(self._refusing_rules())
            & pl.col("place").is_in(list(partitions))
            & (pl.col("failed") > 0)
        )
        return self._stored().filter(refused).with_columns(failed=pl.lit(0, pl.Int64))

    def add_warnings(
        self, references: Mapping[str, pl.DataFrame], *, partitions: Sequence[str] | None, warned: pl.DataFrame
    ) -> None:
        """Measure places anew, and add warnings of rows that came beside those that were there."""
        places = warned["place"].unique().to_list()
        before = (
            self._stored().filter(pl.col("place").is_in(places), pl.col("failed").is_not_null()).select(list(WARNED))
        )
        both = pl.concat([before, warned]).group_by("rule", "place").agg(pl.col("failed").sum())
        self.renew(references, partitions=partitions, warned=both, places=places)

    def results(self, judged: Sequence[RuleResult], *, now: datetime) -> list[RuleResult]:
        """Give one result a rule, in the contract's order, over the whole table and what waits in quarantine.

        Args:
            judged: The results of this run's rows, for their samples and reasons.
            now: To leave out partitions that retention has dropped.
        """
        kept_numbers = self._kept_rows(now)
        store = QuarantineStore(self.lake, self.dataset)
        rows = self._rows(store)
        waiting = store.envelopes(decision="open") if self.dataset.quarantine else None
        ours = {result.rule.id: result for result in judged}
        results = []
        for rule in rules_of(self.dataset):
            if isinstance(rule, DatasetRule) and rule.over == "table":
                continue
            mine = kept_numbers.filter(pl.col("rule") == rule.id)
            if is_measured(rule):
                values = dict(mine.select("place", "value").iter_rows())
                results.append(verdict(rule, values, rows))
            else:
                failed = int(mine["failed"].sum())
                result = _row_verdict(rule, ours.get(rule.id), failed, waiting, rows)
                result = with_waiting_values(result, self.dataset, waiting)
                is_stopping = self.dataset.partitions is not None and stops(self.dataset, rule)
                places = mine.filter(pl.col("failed") > 0)["place"].sort().to_list() if is_stopping else []
                results.append(replace(result, refused_in=places))
        return results

    def _rows(self, store: QuarantineStore) -> int:
        """Return the rows that stand or wait in quarantine."""
        if not self.dataset.is_made:
            return int(store.ingests().select(pl.col("valid") + pl.col("quarantined")).sum().item() or 0)
        spec = table_spec(self.dataset)
        stored = int(self.lake.scan(spec).select(pl.len()).collect().item()) if self.lake.exists(spec) else 0
        waiting = store.envelopes(decision="open").height if self.dataset.quarantine else 0
        return stored + waiting

    def _warnings(self, warned: pl.DataFrame, places: Sequence[str]) -> pl.DataFrame:
        rules = [rule.id for rule in rules_of(self.dataset) if rule.severity == "warn" and rule.judges_rows]
        every = pl.DataFrame({"rule": rules}, schema={"rule": pl.String}).join(
            pl.DataFrame({"place": list(places)}, schema={"place": pl.String}), how="cross"
        )
        counted = every.join(warned, on=["rule", "place"], how="left").with_columns(pl.col("failed").fill_null(0))
        return counted.select("rule", "place", pl.lit(None, pl.Float64).alias("value"), "failed")

    def _measured(
        self, rules: Sequence[Rule], references: Mapping[str, pl.DataFrame], partitions: Sequence[str] | None
    ) -> pl.DataFrame:
        column = self.dataset.partitions.column if self.dataset.partitions else None
        chosen = sorted(set(partitions or ())) if column else None
        rows = as_declared(self.lake.scan(table_spec(self.dataset), partitions=chosen), self.dataset)
        rows = rows.with_columns(pl.lit(datetime.now(UTC), pl.Datetime("us", "UTC")).alias(NOW))
        past = load_past(self.lake, self.dataset, rules, chosen)
        numbers = measured(rows, self.dataset, rules, references, partitions=chosen or [WHOLE], past=past)
        return pl.DataFrame(
            [(rule, place, value, None) for rule, values in numbers.items() for place, value in values.items()],
            schema=VERDICTS,
            orient="row",
        )

    def _kept_rows(self, now: datetime) -> pl.DataFrame:
        stored_numbers = self._stored()
        partitions, retention = self.dataset.partitions, self.dataset.retention
        if not isinstance(partitions, Partitions) or retention is None or retention.keep is None:
            return stored_numbers
        first = partitions.key_at(now - retention.keep)
        by_source = pl.col("value").is_null() & ~pl.col("rule").is_in(self._refusing_rules())
        return stored_numbers.filter(by_source | (pl.col("place") >= first))

    def _stored(self) -> pl.DataFrame:
        spec = verdicts_spec(self.dataset)
        if not self.lake.exists(spec):
            return pl.DataFrame(schema=VERDICTS)
        return self.lake.scan(spec).select(list(VERDICTS)).collect()


def _row_verdict(
    rule: Rule, ours: RuleResult | None, passed_by: int, waiting: pl.DataFrame | None, rows: int
) -> RuleResult:
    """Return a rule's result: rows that wait in quarantine because of it, and rows that it only warns of."""
    because = waiting.filter(pl.col("rules").list.contains(rule.id)) if waiting is not None else None
    files = because.filter(pl.col("position").is_null()) if because is not None else None
    failed = passed_by + (because.height - files.height if because is not None and files is not None else 0)
    reason = ""
    if files is not None and files.height:
        reason = "; ".join(f"{source}: {why}" for source, why in files.select("source", "reason").iter_rows())
    result = RuleResult(rule, passed=not failed and not reason, failed=failed, total=max(rows, failed), reason=reason)
    if ours is None:
        return result
    if result.passed:
        return replace(result, reason=ours.reason) if ours.passed else result  # what was left out, added or cast
    return replace(result, sample=ours.sample, reason=result.reason or ours.reason)


def with_waiting_values(result: RuleResult, dataset: Dataset, waiting: pl.DataFrame | None) -> RuleResult:
    """Give the result of the rule on types with the values in quarantine that could not be read; others as they are."""
    is_about_input = isinstance(result.rule, RowRule) and result.rule.on_input
    if result.passed or waiting is None or not is_about_input:
        return result
    mine = waiting.filter(pl.col("rules").list.contains(result.rule.id), pl.col("position").is_not_null())
    is_malformed = mine["reason"].str.starts_with(MALFORMED)
    reasons = mine.filter(is_malformed)["reason"].head(_REASONS).to_list()
    texts = payloads(mine.filter(~is_malformed).head(_READ_AGAIN), [column.name for column in dataset.columns])
    values = unreadable_values(texts, conform(texts, dataset).unreadable, dataset) if texts.height else ()
    return replace(result, reason=" ".join([*values, *reasons][:_REASONS]))
