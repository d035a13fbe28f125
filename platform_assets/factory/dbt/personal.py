"""Personal data in dbt: which nodes read it, by the classes of the contracts, and which columns may be shown.

A contract's classes reach the manifest as `meta.pii` of a source's columns. A model may rename a column, so in one that
reads personal data only those columns are shown that are known to be none: named as a column of an input that is none,
or described in the model's own properties without a class.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any


class PersonalData:
    """What a manifest says of personal data.

    Args:
        manifest: Of dbt.
    """

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self._manifest = manifest
        self._parents: Mapping[str, Sequence[str]] = manifest["parent_map"]

    @cached_property
    def nodes(self) -> frozenset[str]:
        """The ids of all models and tests that read, through others too, a source with a personal column."""
        return frozenset(
            name
            for name in self._parents
            if any(self._classes(source, personal=True) for source in self._sources(name))
        )

    def shown(self, unique_id: str, names: Sequence[str]) -> frozenset[str]:
        """Return the columns of a model that a person may see, out of some names."""
        own = self._manifest["nodes"].get(unique_id, {}).get("columns", {})
        personal = {name for name, column in own.items() if column.get("meta", {}).get("pii")}
        if unique_id not in self.nodes:
            return frozenset(names) - personal
        sources = list(self._sources(unique_id))
        personal |= {name for source in sources for name in self._classes(source, personal=True)}
        known = {name for source in sources for name in self._classes(source, personal=False)} | set(own)
        return (frozenset(names) & known) - personal

    def _classes(self, source: str, *, personal: bool) -> set[str]:
        columns = self._manifest["sources"].get(source, {}).get("columns", {})
        return {name for name, column in columns.items() if bool(column.get("meta", {}).get("pii")) is personal}

    def _sources(self, unique_id: str) -> Iterator[str]:
        pending_ids, seen_ids = [unique_id], set[str]()
        while pending_ids:
            name = pending_ids.pop()
            if name in seen_ids:
                continue
            seen_ids.add(name)
            if name in self._manifest["sources"]:
                yield name
            pending_ids += self._parents.get(name, ())
