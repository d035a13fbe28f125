"""Who has a value: keys that contend for values which may be had once."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Key = Hashable
Value = Hashable


@dataclass(frozen=True)
class Contender:
    """A row: its place, its key, and the value that it says under each rule."""

    place: int
    key: Key
    values: Mapping[int, Value]


@dataclass(frozen=True)
class Contest:
    """What each key has, and who has each value, by rule."""

    owners: dict[tuple[int, Value], Key] = field(default_factory=dict)
    had: dict[Key, dict[int, Value]] = field(default_factory=dict)

    def stand(self, key: Key, values: Mapping[int, Value]) -> None:
        """Give the key the values, and no others under these rules."""
        mine = self.had.setdefault(key, {})
        for at, value in values.items():
            if at in mine and self.owners.get((at, mine[at])) == key:
                del self.owners[at, mine[at]]
            mine[at] = value
            self.owners.setdefault((at, value), key)

    def take(self, rows: Sequence[Contender]) -> Iterator[tuple[int, int]]:
        """Yield the places of rows that may not have a value, with the rule; the others have theirs from now on.

        A refused row leaves its key with what it had, which may cost another row its value; so it is asked again until
        nobody is refused any more.
        """
        remaining_rows = list(rows)
        while refused := list(self._refused(remaining_rows)):
            yield from refused
            refused_places = {place for place, _ in refused}
            remaining_rows = [row for row in remaining_rows if row.place not in refused_places]
        for row in remaining_rows:
            self._give_up(row)
        for row in remaining_rows:
            self.stand(row.key, row.values)

    def _give_up(self, row: Contender) -> None:
        for at, value in self.had.pop(row.key, {}).items():
            if self.owners.get((at, value)) == row.key:
                del self.owners[at, value]

    def _refused(self, rows: Sequence[Contender]) -> Iterator[tuple[int, int]]:
        coming = {row.key: row.values for row in rows}
        first: dict[tuple[int, Value], Key] = {}
        for row in rows:
            refused_rules = [
                at
                for at, value in row.values.items()
                if self._is_kept(at, value, row.key, coming) or first.get((at, value), row.key) != row.key
            ]
            if not refused_rules:
                first |= dict.fromkeys(row.values.items(), row.key)
            yield from ((row.place, at) for at in refused_rules)

    def _is_kept(self, at: int, value: Value, key: Key, coming: Mapping[Key, Mapping[int, Value]]) -> bool:
        """Whether another key has the value and does not give it up."""
        if (at, value) not in self.owners:
            return False
        owner = self.owners[at, value]
        return owner != key and (owner not in coming or coming[owner].get(at) == value)
