"""An input too large for memory: judged batch by batch, its valid rows on the local disk until the table has them.

What needs the whole keeps a number a row: the hashes of all keys say whether one is there twice, and only rows whose
hash is are looked at. Measures over the table are taken from the table. Uniqueness beyond the key and references into
the dataset itself need all rows at once, so such a dataset is judged whole, whatever its size.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from platform_assets.ingest.inputs import Input, place_names, records_of, with_stray_rows
from platform_assets.ingest.intake import Intake, take_in
from platform_assets.ingest.quarantine import QuarantineStore
from platform_assets.ingest.verdicts import stopping_rules
from platform_core.contracts import Dataset, ReferenceRule, rules_of
from platform_core.quality import Beside, RuleResult, beyond_key, envelopes
from platform_core.quality.envelope import ENVELOPE
from platform_core.quality.judge import SAMPLE
from platform_core.quality.uniqueness import KEY_RULE
from platform_resources.sources import Batch, Malformed, UnreadableUnit
from platform_resources.storage.batches import SpooledRows

SHARE = 16
"""The part of the memory limit that a file may have and still be judged whole: its rows take several times as much."""

ROW_BYTES = 4096
"""What a row may take while it is judged: its text, its typed values, where it came from, a verdict for each rule."""

_POSITION = "\0position"
_PREVIEW = 8
Hashes = np.ndarray[tuple[int], np.dtype[np.uint64]]


def can_be_judged_in_batches(dataset: Dataset) -> bool:
    """Tell whether no rule of the dataset needs all rows of an input at once, but for its key."""
    looks_into_itself = any(
        isinstance(rule, ReferenceRule) and rule.dataset == dataset.name for rule in rules_of(dataset)
    )
    if stopping_rules(dataset):  # measured over the whole before anything is written
        return False
    return not beyond_key(dataset) and not looks_into_itself and dataset.store.mode == "merge"


@dataclass(frozen=True)
class RowFiles:
    """Rows in files on the local disk, in the order in which they came; some of them are left out.

    Attributes:
        files: Arrow files with the rows and their positions.
        schema: The rows' columns, without the position.
        left_out: Positions of rows that are not valid after all.
        height: Rows, without those that are left out.
    """

    files: tuple[Path, ...]
    schema: pl.Schema
    left_out: pl.Series
    height: int

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield the rows, a file at a time."""
        for file in self.files or ():
            rows = pl.read_ipc(file)
            yield rows.filter(~pl.col(_POSITION).is_in(self.left_out.implode())).drop(_POSITION)
        if not self.files:
            yield pl.DataFrame(schema=self.schema)

    def lazy(self) -> pl.LazyFrame:
        """Give the rows lazily."""
        if not self.files:
            return pl.LazyFrame(schema=self.schema)
        rows = pl.scan_ipc(list(self.files))
        return rows.filter(~pl.col(_POSITION).is_in(self.left_out.implode())).drop(_POSITION)

    def spooled(self) -> SpooledRows | None:
        """Give the files as rows that can be written as they lie there; None where some of them are left out."""
        return None if self.left_out.len() else SpooledRows(self.files, self.schema, self.height)

    def without(self, keys: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Yield the rows that have none of the keys."""
        for frame in self.frames():
            yield frame if keys.is_empty() else frame.join(keys, on=keys.columns, how="anti", maintain_order="left")


@dataclass(frozen=True)
class LargeIntake:
    """The verdict on a large input: what `Intake` says, with the valid rows in files.

    Attributes:
        intake: Counts, results and envelopes; of the valid rows the first few.
        rows: All valid rows.
    """

    intake: Intake
    rows: RowFiles


def take_in_batches(
    store: QuarantineStore,
    given: Input,
    references: Mapping[str, pl.DataFrame],
    *,
    run_id: str,
    at: datetime,
    scratch: Path,
) -> LargeIntake:
    """Judge the batches of one input.

    Args:
        store: The quarantine, for people's fixes.
        given: The input; its batches may be read more than once.
        references: By rule id, as `judge` takes them.
        run_id: Of the run.
        at: The instant of the run, in UTC.
        scratch: A folder of the run's own.
    """
    dataset, read = store.dataset, given.batches
    if read is None:
        raise TypeError(f"{given.source}: has no batches")
    try:
        return _judged(store, given, read, references, run_id=run_id, at=at, scratch=scratch)
    except UnreadableUnit as error:
        unread = replace(given, batches=None, reason=error.reason)
        part = take_in(dataset, [unread], references, run_id=run_id, at=at, residents=lambda *_: Beside(), measures=[])
        return LargeIntake(part, RowFiles((), part.valid.schema, _none(), 0))


def _judged(
    store: QuarantineStore,
    input_: Input,
    read: Callable[[], Iterator[Batch]],
    references: Mapping[str, pl.DataFrame],
    *,
    run_id: str,
    at: datetime,
    scratch: Path,
) -> LargeIntake:
    dataset = store.dataset
    parts: list[Intake] = []
    files: list[Path] = []
    hashes: list[Hashes] = []
    height = 0
    strayed: set[str] = set()
    for records, first, broken, where in _slices(read(), dataset, store.lake.settings.memory_bytes // ROW_BYTES):
        fixed = store.with_fixes(records, input_.source, input_.ingest_id, first=first)
        fixed = fixed.drop(name for name in strayed & set(fixed.columns) if fixed[name].is_null().all())
        raw, malformed = with_stray_rows(fixed, broken, dataset, first=first)
        strayed |= set(fixed.columns) - set(raw.columns)
        piece = replace(input_, raw=raw, batches=None, first=first, malformed=malformed, where=where)
        part = take_in(
            dataset, [piece], references, run_id=run_id, at=at, residents=lambda *_: Beside(), measures=[],
            hashes_keys=True,
        )  # fmt: skip
        if part.unreadable:
            return LargeIntake(part, RowFiles((), part.valid.schema, _none(), 0))
        hashes.append(part.key_hashes.to_numpy())
        files.append(scratch / f"{len(files):08}.arrow")
        part.valid.with_columns(part.positions.alias(_POSITION)).write_ipc(files[-1], compression="lz4")
        height += part.valid.height
        parts.append(_light(part, rows=0 if parts else _PREVIEW))
    whole = _joined(parts)
    if dataset.newest is not None:
        overtaken = _overtaken(hashes, files, dataset)
        return LargeIntake(whole, RowFiles(tuple(files), whole.valid.schema, overtaken, height - overtaken.len()))
    repeated, refused_too = (_none(), _none()) if not dataset.key else _repeated(hashes, files, dataset)
    rows = RowFiles(tuple(files), whole.valid.schema, repeated, height - repeated.len())
    if refused_too.len():
        whole = _with_refused_repeated(dataset, whole, refused_too)
    if repeated.len():
        whole = _with_repeated(dataset, whole, input_, read, repeated, run_id=run_id, at=at)
    return LargeIntake(whole, rows)


def _slices(
    batches: Iterator[Batch], dataset: Dataset, most_rows: int
) -> Iterator[tuple[pl.DataFrame, int, Mapping[int, Malformed], Callable[[int], str]]]:
    """Give the records of the batches in pieces of some rows, with the first one's number, malformed ones, places."""
    for batch in batches:
        malformed = {record.record: record for record in batch.malformed}
        records = records_of(batch, dataset)
        for start in range(0, max(records.height, 1), max(most_rows, 1)):
            yield (
                records[start : start + max(most_rows, 1)],
                batch.first_record + start,
                malformed,
                place_names([batch]),
            )


def _repeated(hashes: Sequence[Hashes], files: Sequence[Path], dataset: Dataset) -> tuple[pl.Series, pl.Series]:
    """Return the positions of rows whose key an earlier row of the input has: of valid rows, and of refused ones.

    Hashes are compared first: where no two are alike, no two keys are. The keys of valid rows are then compared
    themselves; those of refused rows are not there any more, and are told by their 64 bits.
    """
    suspects = _suspects(hashes)
    if suspects.is_empty():
        return _none(), _none()
    keys = list(dataset.key)
    valid = pl.concat([pl.read_ipc(file, columns=[_POSITION, *keys]).join(suspects, on=_POSITION) for file in files])
    refused = suspects.join(valid, on=_POSITION, how="anti")
    first = suspects.group_by("hash").agg(pl.col(_POSITION).min().alias("first"))
    first_refused = refused.group_by("hash").agg(pl.col(_POSITION).min().alias("first"))
    later = valid.sort(_POSITION).with_columns(pl.struct(keys).is_first_distinct().alias("is_first"))
    later = later.join(first_refused, on="hash", how="left")
    behind = ~pl.col("is_first") | (pl.col("first") < pl.col(_POSITION)).fill_null(value=False)
    refused = refused.join(first, on="hash").filter(pl.col("first") < pl.col(_POSITION))
    return later.filter(behind)[_POSITION], refused[_POSITION]


def _suspects(hashes: Sequence[Hashes]) -> pl.DataFrame:
    """Return the positions of rows whose key may come more than once in the input, with the keys' 64 bits."""
    every = np.concatenate(hashes) if hashes else np.empty(0, np.uint64)
    ordered = np.sort(every)
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    at = np.flatnonzero(np.isin(every, twice)) if twice.size else np.empty(0, np.int64)
    return pl.DataFrame({_POSITION: at + 1, "hash": every[at]}, schema={_POSITION: pl.Int64, "hash": pl.UInt64})


def _overtaken(hashes: Sequence[Hashes], files: Sequence[Path], dataset: Dataset) -> pl.Series:
    """Return the positions of valid rows that give way to a newer row of the same key in the input."""
    suspects = _suspects(hashes)
    if suspects.is_empty():
        return _none()
    names = list(dict.fromkeys([_POSITION, *dataset.key, dataset.newest_column or _POSITION]))
    rows = pl.concat([pl.read_ipc(file, columns=names).join(suspects, on=_POSITION) for file in files])
    standing = dataset.newest_rows(rows.sort(_POSITION))
    return rows.join(standing, on=_POSITION, how="anti")[_POSITION]


def _none() -> pl.Series:
    return pl.Series(dtype=pl.Int64)


def _light(part: Intake, *, rows: int) -> Intake:
    """Return a batch's verdict without its rows."""
    none = pl.Series(dtype=pl.UInt64)
    return replace(part, valid=part.valid.head(rows).clone(), positions=_none(), key_hashes=none)


def _joined(parts: Sequence[Intake]) -> Intake:
    first = parts[0]
    return replace(
        first,
        refused=pl.concat([pl.DataFrame(schema=ENVELOPE), *(part.refused for part in parts)]),
        results=tuple(_added([part.results[place] for part in parts]) for place in range(len(first.results))),
        came=_summed([part.came for part in parts]),
        quarantined=_summed([part.quarantined for part in parts]),
        warned=_total(part.warned for part in parts),
        stopping=_total(part.stopping for part in parts),
    )


def _total(counts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(counts).group_by("rule", "place").agg(pl.col("failed").sum())


def _summed(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return {source: sum(part.get(source, 0) for part in counts) for source in set().union(*counts)}


def _added(results: Sequence[RuleResult]) -> RuleResult:
    """One rule's results over several batches as one."""
    sample = [record for result in results for record in result.sample][:SAMPLE]
    failed, total = sum(result.failed for result in results), sum(result.total for result in results)
    passed = all(result.passed for result in results)
    return replace(results[0], passed=passed, failed=failed, total=total, sample=sample)


def _with_repeated(
    dataset: Dataset,
    intake: Intake,
    input_: Input,
    read: Callable[[], Iterator[Batch]],
    repeated: pl.Series,
    *,
    run_id: str,
    at: datetime,
) -> Intake:
    """Return the verdict with rows whose key came before in the input; they are read again as they came."""
    rule = next(rule for rule in rules_of(dataset) if rule.id == KEY_RULE)
    envelope_frames = [pl.DataFrame(schema=ENVELOPE)]
    for batch in read():
        rows = records_of(batch, dataset).with_columns(
            pl.int_range(batch.first_record, batch.first_record + pl.len()).alias(_POSITION)
        )
        mine = rows.filter(pl.col(_POSITION).is_in(repeated.implode()))
        positions = mine[_POSITION].to_list()
        envelope_frames.append(
            envelopes(
                mine.drop(_POSITION),
                [[KEY_RULE]] * mine.height,
                [f"broken: {rule.label}"] * mine.height,
                source=input_.source,
                ingest_id=input_.ingest_id,
                positions=positions,
                run_id=run_id,
                at=at,
                partitions=[None] * mine.height,
            )
        )
    again = pl.concat(envelope_frames)
    return replace(
        intake,
        refused=pl.concat([intake.refused, again]),
        results=_key_broken(intake.results, again.height),
        quarantined=_summed([intake.quarantined, {input_.source: again.height}]),
    )


def _with_refused_repeated(dataset: Dataset, intake: Intake, positions: pl.Series) -> Intake:
    """Return the verdict with the key's rule among those that some refused rows break."""
    labels = {rule.id: rule.label for rule in rules_of(dataset)}
    mine = pl.col("position").is_in(positions.implode()) & ~pl.col("rules").list.contains(KEY_RULE)
    affected = intake.refused.filter(mine)
    broken = [[rule for rule in labels if rule in {*rules, KEY_RULE}] for rules in affected["rules"].to_list()]
    reasons = ["broken: " + "; ".join(labels[rule] for rule in rules) for rules in broken]
    renewed = affected.with_columns(
        pl.Series("rules", broken, dtype=pl.List(pl.String)), pl.Series("reason", reasons, dtype=pl.String)
    )
    refused = pl.concat([intake.refused.filter(~mine.fill_null(value=False)), renewed])
    return replace(intake, refused=refused, results=_key_broken(intake.results, renewed.height))


def _key_broken(results: Sequence[RuleResult], rows: int) -> tuple[RuleResult, ...]:
    return tuple(
        replace(result, passed=False, failed=result.failed + rows) if result.rule.id == KEY_RULE else result
        for result in results
    )
