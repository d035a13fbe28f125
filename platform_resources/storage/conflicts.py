"""Optimistic writing: try on a fresh snapshot, and again when another writer was faster.

A failed commit on a table that moved is a conflict; on a table that stands still the error is the write's own.
"""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from platform_resources.errors import WriteConflict

Snapshot = TypeVar("Snapshot")
Result = TypeVar("Result")
ATTEMPTS = 20
_FIRST_SECONDS, _LONGEST_SECONDS = 0.05, 2.0


def retried(
    attempt: Callable[[Snapshot], Result],
    *,
    table: str,
    snapshot: Callable[[], Snapshot],
    version: Callable[[Snapshot], object],
    errors: tuple[type[Exception], ...],
) -> Result:
    """Return what an attempt returns; waits a random, growing while after each conflict.

    Args:
        attempt: commits on the snapshot it is given.
        table: the dataset's path, for the message.
        snapshot: reads the table as it is now.
        version: what tells two snapshots apart.
        errors: what the vendor raises when a commit fails, for whatever reason.

    Raises:
        WriteConflict: other writers won every time.
    """
    for number in range(ATTEMPTS):
        seen = snapshot()
        before = version(seen)
        try:
            return attempt(seen)
        except errors as error:
            if version(snapshot()) == before:
                raise
            last = error
        time.sleep(random.uniform(0, min(_LONGEST_SECONDS, _FIRST_SECONDS * 2**number)))  # noqa: S311 - not a secret
    raise WriteConflict(table, ATTEMPTS) from last
