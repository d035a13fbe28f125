"""Which inputs must be taken in together, because they brought rows with the same key and only the last one's stands.

An input alone would put its rows over those of a later one; and once the later one no longer has a row, the earlier
one's is to stand again. The ingest log knows which inputs lost rows so, and in which partitions they lie.
"""

from collections.abc import Iterable, Mapping
from typing import Any

WHOLE = frozenset({""})
"""The partitions of an input of a table that has none."""


def together(chosen: Iterable[str], log: Iterable[Mapping[str, Any]], *, partitioned: bool) -> set[str]:
    """The chosen sources, and those that may share a key with them where an input lost a row to another.

    Args:
        chosen: Sources to be taken in.
        log: The rows of the ingest log.
        partitioned: Whether the table has partitions; without, any two sources may share a key.
    """
    rows = list(log)
    places = {row["source"]: frozenset(row["partitions"] or ()) if partitioned else WHOLE for row in rows}
    lost = {row["source"] for row in rows if row["superseded"]}
    found: set[str] = set()
    more = set(chosen)
    while more:
        found |= more
        reach = _union(places, found)
        beaten = _union(places, found & lost)
        more = {source for source, own in places.items() if own & beaten or (source in lost and own & reach)} - found
    return found


def _union(places: Mapping[str, frozenset[str]], sources: Iterable[str]) -> frozenset[str]:
    return frozenset[str]().union(*(places.get(source, frozenset()) for source in sources))
