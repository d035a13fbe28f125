"""Metric families that write their own lines of OpenMetrics.

Ten thousand datasets are 380,000 lines, for which the client library needs seconds; these are made as they are added.
"""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Literal

Kind = Literal["gauge", "counter", "histogram"]
_SPECIAL = re.compile(r'[\\"\n]')
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}


class Family:
    """The samples of one metric, under the platform's prefix."""

    def __init__(self, kind: Kind, name: str, help_: str, labels: Sequence[str]) -> None:
        self._name, self._labels = f"platform_{name}", labels
        self._lines = [f"# HELP {self._name} {_escaped(help_)}", f"# TYPE {self._name} {kind}"]
        self._sample = f"{self._name}_total" if kind == "counter" else self._name

    def add(self, labels: Sequence[str], value: float) -> None:
        """Add a sample; the labels stand in the order of their names."""
        self._write(self._sample, labels, value)

    def line(self, labels: Sequence[str], value: float) -> str:
        """Return the line of a sample, without adding it."""
        return self._line(self._sample, labels, value)

    def extend(self, lines: Iterable[str]) -> None:
        """Add lines that `line` made."""
        self._lines.extend(lines)

    def add_histogram(self, labels: Sequence[str], buckets: Sequence[tuple[str, int]], total: float) -> None:
        """Add a histogram: its buckets by their upper ends, each with all below it, the last `+Inf`; and the sum."""
        for end, count in buckets:
            self._write(f"{self._name}_bucket", labels, count, f'le="{end}"')
        self._write(f"{self._name}_count", labels, buckets[-1][1])
        self._write(f"{self._name}_sum", labels, total)

    def text(self) -> str:
        """Return the lines, each with its end."""
        return "\n".join(self._lines) + "\n"

    def _write(self, sample: str, labels: Sequence[str], value: float, *more: str) -> None:
        self._lines.append(self._line(sample, labels, value, *more))

    def _line(self, sample: str, labels: Sequence[str], value: float, *more: str) -> str:
        pairs = ",".join(
            [*(f'{name}="{_escaped(text)}"' for name, text in zip(self._labels, labels, strict=True)), *more]
        )
        return f"{sample}{{{pairs}}} {_number(value)}" if pairs else f"{sample} {_number(value)}"


def gauge(name: str, help_: str, *labels: str) -> Family:
    """Return a family of a value that rises and falls."""
    return Family("gauge", name, help_, labels)


def counter(name: str, help_: str, *labels: str) -> Family:
    """Return a family of a number that only grows; its samples end in `_total`."""
    return Family("counter", name, help_, labels)


def histogram(name: str, help_: str, *labels: str) -> Family:
    """Return a family of counts by size."""
    return Family("histogram", name, help_, labels)


def render(families: Iterable[Family]) -> bytes:
    """Write a page of OpenMetrics."""
    return ("".join(family.text() for family in families) + "# EOF\n").encode()


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda match_: _ESCAPES[match_[0]], text) if _SPECIAL.search(text) else text


def _number(value: float) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    return repr(value)
