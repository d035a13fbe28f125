"""The idempotency key of a write, and what a writer expects of the table before it: whether to write, skip or refuse.

A key is either a name, under which a write happens once, or a stream's id with a number that only grows. The number of
the last write is the stream's position in the table; it is stored in the very commit that brings the rows, so rows and
position are never apart.
"""

from dataclasses import dataclass
from typing import Final, Literal

from platform_resources.errors import PositionMoved

ANY: Final = "any"
"""An expectation that every table meets."""
Transaction = str | tuple[str, int]
ExpectedPosition = int | None | Literal["any"]


@dataclass(frozen=True)
class WriteGuard:
    """When a write happens.

    Attributes:
        transaction: its key; None lets every repetition write again.
        expected_version: the version that the table must have, None for a table that is not there yet.
        expected_position: the position that the stream must have, None for one that wrote nothing yet.
        note: a name and a number that the table remembers beside the position, from the same commit on.
    """

    transaction: Transaction | None = None
    expected_version: str | None = ANY
    expected_position: ExpectedPosition = ANY
    note: tuple[str, int] | None = None

    def __post_init__(self) -> None:
        """Refuse an expectation without the stream whose position it means, and a position that is no count."""
        if self.expected_position != ANY and self.sequence is None:
            raise ValueError("expected_position needs transaction=(app_id, sequence)")
        if self.sequence is not None and self.sequence < 0:
            raise ValueError(f"a stream's sequence is a number from 0 on, not {self.sequence}")

    @property
    def app_id(self) -> str | None:
        """The name under which the table remembers the write."""
        return self.transaction[0] if isinstance(self.transaction, tuple) else self.transaction

    @property
    def sequence(self) -> int | None:
        """The number of the write within its stream; None for a write that has only a name."""
        return self.transaction[1] if isinstance(self.transaction, tuple) else None

    @property
    def is_exact(self) -> bool:
        """Whether a commit by anybody in between must refuse this one."""
        return self.expected_version != ANY

    def is_repeated(self, known: int | None) -> bool:
        """Tell whether the table has this write already.

        A stream that is further than the write's number has it too, unless an expectation says that nobody else writes:
        then another worker was there.

        Args:
            known: the number that the table remembers under `app_id`; None where it remembers nothing.
        """
        if self.transaction is None or known is None:
            return False
        if self.sequence is None or self.sequence == known:
            return True
        return self.expected_position == ANY and self.sequence < known

    def check(self, table: str, *, version: str | None, position: int | None) -> None:
        """Refuse the write when the table is not as its writer expects.

        Args:
            table: the dataset's path, for the message.
            version: the table's; None when there is none.
            position: the number that the table remembers under `app_id`, or None.

        Raises:
            PositionMoved: another writer was first.
        """
        if self.expected_version not in (ANY, version):
            raise PositionMoved(table, "the table's version", expected=self.expected_version, actual=version)
        if self.expected_position not in (ANY, position):
            name = f"the position of {self.app_id!r}"
            raise PositionMoved(table, name, expected=self.expected_position, actual=position)
