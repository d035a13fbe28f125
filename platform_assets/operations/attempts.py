"""Work that a server repeats and that may fail: Dagster's database restarts, a disk is full, a broker is away.

A loop that ended with the first failure would go on to show what it read last, without a word. This is the edge where
such failures end: they are told once, and so is that it works again.
"""

import logging
from collections.abc import Callable

from platform_core.privacy.redaction import redact

_log = logging.getLogger(__name__)


class Attempts:
    """Attempts at one piece of work, told of by `tell`; the log where none is given."""

    def __init__(self, subject: str, tell: Callable[[str], None] | None = None) -> None:
        self._subject, self._tell = subject, tell or _log.warning
        self._fails = False

    def make(self, work: Callable[[], object]) -> bool:
        """Do the work and return whether it succeeded; a failure is kept from whoever asks."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - the edge of a loop, which outlives whatever one round met
            if not self._fails:
                reason = redact(str(error).partition("\n")[0])
                self._tell(f"{self._subject}: {type(error).__name__}: {reason}; it is tried again")
            self._fails = True
            return False
        if self._fails:
            self._tell(f"{self._subject}: it works again")
        self._fails = False
        return True
