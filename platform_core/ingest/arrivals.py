"""The order of arrival: each content of each source has a number, and the row of the higher number wins its key.

A number belongs to a content, not to a file's date: a file that is only touched, or taken in again as it was, keeps
its place; one that says something else than before arrives anew.
"""

from collections.abc import Mapping, Sequence

NEWEST = 2**62
"""The number of a source that is not logged: a run that brought its rows has died, or has not logged them yet.

It will be logged after whatever is logged now, and is therefore newer.
"""


def number_arrivals(contents: Sequence[tuple[str, str]], logged: Mapping[str, tuple[str, int]]) -> dict[str, int]:
    """Give each source its number: the logged one for the content that is logged, the next one for another content.

    Args:
        contents: Source and content id of a run's inputs, in the order in which they were noticed.
        logged: By source, the content id and number in the ingest log.

    >>> number_arrivals([("b", "2"), ("a", "1")], {"a": ("1", 4)})
    {'b': 5, 'a': 4}
    """
    latest = max((number for _, number in logged.values()), default=0)
    numbers: dict[str, int] = {}
    for source, content in contents:
        known, number = logged.get(source, ("", 0))
        if known == content:
            numbers[source] = number
        else:
            latest += 1
            numbers[source] = latest
    return numbers
