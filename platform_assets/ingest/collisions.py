"""Which inputs must be judged together, because what one may have depends on what the others bring.

A key needs none of this: the row that a newer input overtook is kept (`superseded`). Values that are unique beyond the
key do: an input alone would be judged against rows that came later. And rows that were overtaken before they were kept
are read again, once.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from platform_assets.ingest.tables import table_spec
from platform_core.contracts import Dataset
from platform_core.quality import beyond_key

WHOLE = frozenset({""})
"""The partitions of an input whose keys may lie anywhere."""


def judged_together(dataset: Dataset, asked: Iterable[str], log: Sequence[Mapping[str, Any]]) -> set[str]:
    """List the sources asked for, and those that are to be taken in with them.

    Args:
        dataset: The contract.
        asked: Sources to be taken in.
        log: The rows of the ingest log.
    """
    asked = set(asked)
    forgotten = {row["source"] for row in log if row["superseded"] and row["arrival"] is None}
    if not beyond_key(dataset):
        return asked | forgotten if asked else asked
    return _sharing(asked, log, by_partition=table_spec(dataset).partition_from_key)


def _sharing(sources: set[str], log: Sequence[Mapping[str, Any]], *, by_partition: bool) -> set[str]:
    """Return the sources asked for, and those that may share a key with them where an input lost a row to another."""
    places = {row["source"]: frozenset(row["partitions"] or ()) if by_partition else WHOLE for row in log}
    lost = {row["source"] for row in log if row["superseded"]}
    together: set[str] = set()
    more = set(sources)
    while more:
        together |= more
        reach = _union(places, together)
        beaten = _union(places, together & lost)
        more = {source for source, own in places.items() if own & beaten or (source in lost and own & reach)} - together
    return together


def _union(places: Mapping[str, frozenset[str]], sources: Iterable[str]) -> frozenset[str]:
    return frozenset[str]().union(*(places.get(source, frozenset()) for source in sources))
