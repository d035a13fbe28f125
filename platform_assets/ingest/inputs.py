"""What a run takes in: files from the landing folder, generated rows, or rows replayed from the quarantine."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from platform_assets.ingest.collisions import together
from platform_assets.ingest.quarantine import QuarantineStore
from platform_core.contracts import Dataset, Files, Generated
from platform_resources.sources import LandedFile, Landing, UnreadableFile, digest


@dataclass(frozen=True)
class Input:
    """One source of rows.

    Attributes:
        source: Its identity: a file's name, or `generated`.
        ingest_id: Of this content under this name.
        stamp: From the landing folder; empty for generated rows.
        raw: The rows as they came; None where they cannot be read.
        reason: Why not.
        ids: Of the envelopes that the rows were replayed from, in the rows' order.
    """

    source: str
    ingest_id: str
    stamp: str = ""
    raw: pl.DataFrame | None = None
    reason: str = ""
    ids: tuple[str, ...] = ()


def landed_inputs(
    store: QuarantineStore, landing: Landing, *, names: Sequence[str], partitions: Sequence[str] | None
) -> Iterator[Input]:
    """The landed files a run is to take in, oldest first, and those that share keys with them.

    Args:
        store: The dataset's quarantine and log.
        landing: The landing folder.
        names: Sources asked for; empty for all that match.
        partitions: The run's partitions; a file that the log knows to touch none of them is passed over.
    """
    log = store.ingests().to_dicts()
    known = {row["source"]: row for row in log}
    files = landing.files(store.dataset.domain, _pattern(store.dataset))
    asked = {
        file.source
        for file in files
        if (file.source in names if names else not _elsewhere(file, known.get(file.source), partitions))
    }
    chosen = together(asked, log, partitioned=store.dataset.partitions is not None)
    yield from (_read(store, landing, file) for file in files if file.source in chosen)


def _pattern(dataset: Dataset) -> str:
    return dataset.source.pattern if isinstance(dataset.source, Files) else "*"


def _elsewhere(file: LandedFile, logged: Mapping[str, object] | None, partitions: Sequence[str] | None) -> bool:
    """Whether the log knows this version of the file, and that it has no row in the partitions."""
    if partitions is None or logged is None or logged["stamp"] != file.stamp:
        return False
    touched = logged["partitions"]
    return isinstance(touched, list) and bool(touched) and not set(touched) & set(partitions)


def _read(store: QuarantineStore, landing: Landing, file: LandedFile) -> Input:
    content = content_of(landing, file)
    reason = content.reason
    if content.data is not None:
        try:
            raw = store.with_fixes(landing.rows(file.source, content.data), file.source, content.ingest_id)
            return Input(file.source, content.ingest_id, file.stamp, raw)
        except UnreadableFile as error:
            reason = error.reason
    return Input(file.source, content.ingest_id, file.stamp, None, reason)


def pending(store: QuarantineStore, landing: Landing) -> list[LandedFile]:
    """The landed files whose present content the log does not know, oldest first."""
    known = {row["source"]: row for row in store.ingests().to_dicts()}
    found = []
    for file in landing.files(store.dataset.domain, _pattern(store.dataset)):
        logged = known.get(file.source)
        if logged is None or (
            logged["stamp"] != file.stamp and content_of(landing, file).ingest_id not in _contents(logged)
        ):
            found.append(file)
    return found


def _contents(logged: Mapping[str, object]) -> set[object]:
    """The ids of the contents that the log has dealt with: the latest that could be read, and a later one that not."""
    return {logged["ingest_id"], logged["unreadable_id"]}


@dataclass(frozen=True)
class Content:
    """What a landed file holds at present.

    Attributes:
        ingest_id: Of this content under this name; of a file that cannot be opened, of its stamp.
        data: The bytes; None where it cannot be opened.
        reason: Why not.
    """

    ingest_id: str
    data: bytes | None
    reason: str = ""


def content_of(landing: Landing, file: LandedFile) -> Content:
    """The content of a landed file, with the id by which it is known."""
    try:
        data = landing.content(file.source)
    except UnreadableFile as error:
        return Content(digest(file.source, file.stamp.encode()), None, error.reason)
    return Content(digest(file.source, data), data)


def generated_inputs(
    dataset: Dataset,
    source: Generated,
    references: Mapping[str, pl.DataFrame],
    partitions: Sequence[str] | None,
) -> list[Input]:
    """The rows that the seeded generator makes from the contract: one input, or one for each of the run's partitions.

    The same seed, contract and references make the same rows.
    """
    from platform_core.synthetic import generate  # noqa: PLC0415 - only generated datasets pay for the generator

    raw = generate(dataset, source.rows, np.random.default_rng(source.seed), references=references)
    stamp = generated_id(dataset, source)
    if dataset.partitions is None or partitions is None:
        return [Input("generated", digest("generated", stamp.encode()), stamp, raw)]
    key = raw.select(dataset.partitions.key()).to_series()
    names = {partition: f"generated/{partition}" for partition in partitions}
    return [
        Input(name, digest(name, stamp.encode()), stamp, raw.filter(key == partition))
        for partition, name in names.items()
    ]


def generated_id(dataset: Dataset, source: Generated) -> str:
    """The stamp of generated rows: another for another version, number of rows or seed."""
    return digest(dataset.name, f"{dataset.version}:{source.rows}:{source.seed}".encode())
