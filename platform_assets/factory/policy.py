"""The failure policy is the declared shape: whether a verdict lets a run write."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg
import polars as pl

from platform_assets.factory.checks import check_results, describe
from platform_assets.ingest.intake import Intake
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.ingest.stored import as_declared
from platform_assets.ingest.tables import table_spec
from platform_assets.ingest.verdicts import TableVerdicts
from platform_core.contracts import Dataset
from platform_core.quality import RuleResult
from platform_core.quality.judge import is_measured, table_results
from platform_core.quality.policy import stopping
from platform_resources.storage import Lake

NO_REFERENCES: Mapping[str, pl.DataFrame] = {}


def refuse_if_unfit(
    lake: Lake,
    dataset: Dataset,
    intake: Intake,
    *,
    partitions: Sequence[str] | None = None,
    references: Mapping[str, pl.DataFrame] = NO_REFERENCES,
    must_be_read: bool = False,
) -> Iterator[dg.AssetCheckResult]:
    """Nothing where the run may write; else every check's result, and then the failure.

    Dagster writes an output before it looks at a blocking check, so a run that must not write may not yield one.
    What the run broke is told of its partitions, and of those where earlier runs were refused for it. All other checks
    say what they said before, for the table is as it was, and so are its open envelopes.

    Raises:
        dagster.Failure: A rule of severity `error` does not hold and no quarantine takes the rows. Nothing was written.
    """
    broken = stopping(dataset, intake.results, must_be_read=must_be_read)
    if not broken:
        return
    TableVerdicts(lake, dataset).keep_refused(broken, intake.stopping)
    if lake.exists(table_spec(dataset)):
        stands = state_of_checks(lake, dataset, (), references)
        yield from _refused_results(lake, dataset, stands, broken, partitions)
    else:
        yield from check_results(dataset, intake.results, judged=partitions)
    verdict_text = "; ".join(describe(result).rstrip(".") for result in broken)
    way_out = _way_out(dataset, {result.rule.id for result in broken}, must_be_read=must_be_read)
    raise dg.Failure(
        f"{dataset.name}: nothing was written, the last good table stays. {verdict_text}. Fix: {way_out}",
        metadata={"rules": ", ".join(result.rule.id for result in broken)},
        allow_retries=False,
    )


def _refused_results(
    lake: Lake,
    dataset: Dataset,
    stands: Sequence[RuleResult],
    broken: Sequence[RuleResult],
    partitions: Sequence[str] | None,
) -> Iterator[dg.AssetCheckResult]:
    """Yield a result for each check of a run that may not write: how the table stands, and what the run broke."""
    own = {result.rule.id: result for result in broken}
    waiting = QuarantineStore(lake, dataset).envelopes(decision="open") if dataset.quarantine else None
    for standing in stands:
        result = own.get(standing.rule.id)
        if result is None or (is_measured(standing.rule) and not standing.passed):
            yield from check_results(dataset, [standing], waiting)
        else:
            touched = sorted({*partitions, *standing.refused_in}) if partitions else None
            yield from check_results(dataset, [result], waiting, judged=touched)


def _way_out(dataset: Dataset, broken: set[str], *, must_be_read: bool) -> str:
    if must_be_read and broken == {"schema"}:
        return "Return the contract's columns in its types, or declare a new version of the contract."
    if dataset.quarantine is None:
        return "Mend the input or the rule, or declare quarantine=Quarantine() to set bad rows aside."
    return "Mend the input, or declare severity=warn of the rule."


def state_of_checks(
    lake: Lake,
    dataset: Dataset,
    judged: Sequence[RuleResult],
    references: Mapping[str, pl.DataFrame] = NO_REFERENCES,
) -> list[RuleResult]:
    """Return the verdicts on the table as it is now written.

    By partition, by what waits in quarantine, and over all of it, beside the other datasets that it balances with;
    a stream balances with none.
    """
    now = datetime.now(UTC)
    table_verdicts = TableVerdicts(lake, dataset).results(judged, now=now)
    if not lake.exists(table_spec(dataset)):
        return table_verdicts
    rows = as_declared(lake.scan(table_spec(dataset)), dataset)
    return [*table_verdicts, *table_results(rows, dataset, references, now=now)]
