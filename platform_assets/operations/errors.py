"""What an operation refuses when a person asks for what cannot be."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

_LISTED = 12
_NEAR = 4


class RequestError(Exception):
    """Somebody asked for what cannot be done; the message names the culprit and the fix."""


class UnknownName(RequestError):
    """A name that is not there; `name` is what was asked for, `available` what there is."""

    def __init__(self, kind: str, name: str, available: Iterable[str], *, where: str = "") -> None:
        self.name, self.available = name, tuple(sorted(set(available)))
        super().__init__(f"{where}there is no {kind} {name!r}. Fix: {_suggest(name, self.available)}.")


def _suggest(name: str, available: Sequence[str]) -> str:
    containing = [other for other in available if name and name in other]
    near = list(dict.fromkeys([*get_close_matches(name, available, cutoff=0.6), *containing]))[:_NEAR]
    if near:
        return f"perhaps {' or '.join(near)}"
    listed = ", ".join(available[:_LISTED])
    more = f" and {len(available) - _LISTED} more" if len(available) > _LISTED else ""
    return f"use one of {listed}{more}" if available else "there is none yet"
