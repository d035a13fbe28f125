"""Bar and line charts as SVG text: small enough for metadata, and no plotting library in a step."""

from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _BAR, _GAP, _LABEL, _NUMBER = 640, 16, 6, 170, 90
_FILL, _PALE, _INK, _BOUND = "#7c8cf8", "#dfe3fd", "#30343f", "#c2410c"
_FILLS = (_FILL, "#e5484d", "#b9bbc6", "#f5a524")
"""Of the parts of a bar: what is good, what is not, and what is neither."""


def bars(
    values: Mapping[str, float],
    *,
    title: str,
    top: float | None = None,
    percent: bool = False,
    was: Mapping[str, float] | None = None,
) -> str:
    """Return a horizontal bar for each value, in their order, as an SVG document.

    Args:
        values: Numbers from 0 up, by label.
        title: Above the bars.
        top: The number that a full bar stands for; None takes the largest value.
        percent: Whether values are shares from 0 to 1, to be written as percentages.
        was: Earlier numbers, by label; a pale bar behind the one that is, and before its number.
    """
    former = was or {}
    full = (top if top is not None else max([*values.values(), *former.values()], default=0)) or 1
    height = 34 + len(values) * (_BAR + _GAP)
    size = f'width="{_WIDTH}" height="{height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12" fill="{_INK}">',
        f'<text x="0" y="16" font-weight="bold">{escape(title)}</text>',
    ]
    for place, (label, value) in enumerate(values.items()):
        y = 28 + place * (_BAR + _GAP)
        length, before = (_length(number, full) for number in (value, former.get(label, 0)))
        shown = f"{value:.1%}" if percent else f"{value:,.0f}"
        if label in former and former[label] != value:
            shown = f"{former[label]:,.0f} → {shown}"
        if before > length:
            lines.append(f'<rect x="{_LABEL}" y="{y}" width="{before:.1f}" height="{_BAR}" rx="2" fill="{_PALE}"/>')
        lines += [
            f'<text x="{_LABEL - 8}" y="{y + 12}" text-anchor="end">{escape(label[:24])}</text>',
            f'<rect x="{_LABEL}" y="{y}" width="{length:.1f}" height="{_BAR}" rx="2" fill="{_FILL}"/>',
            f'<text x="{_LABEL + max(length, before) + 6:.1f}" y="{y + 12}">{shown}</text>',
        ]
    return "\n".join([*lines, "</svg>"])


def lines(values: Mapping[str, Sequence[float]], *, title: str, goals: Mapping[str, float] | None = None) -> str:
    """Return a line for each label, each below the last with a scale of its own from zero up, as an SVG document.

    Args:
        values: Numbers from 0 up in the order of time, by label; as many for each.
        title: Above the lines.
        goals: By label, a number that a dashed line shows.
    """
    height, band, width = 40 + len(values) * 96, 70, _WIDTH - _LABEL - 10
    size = f'width="{_WIDTH}" height="{height}"'
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12" fill="{_INK}">',
        f'<text x="0" y="16" font-weight="bold">{escape(title)}</text>',
    ]
    for place, (label, numbers) in enumerate(values.items()):
        floor, goal = 40 + place * 96 + band, (goals or {}).get(label)
        top = max([*numbers, goal or 0]) or 1
        step = width / max(1, len(numbers) - 1)
        points = " ".join(f"{_LABEL + i * step:.1f},{floor - n / top * band:.1f}" for i, n in enumerate(numbers))
        drawn += [
            f'<text x="0" y="{floor - band + 12}">{escape(label)}</text>',
            f'<text x="0" y="{floor - band + 28}">at most {top:,.3g}</text>',
            f'<line x1="{_LABEL}" y1="{floor}" x2="{_WIDTH - 10}" y2="{floor}" stroke="{_PALE}"/>',
            f'<polyline points="{points}" fill="none" stroke="{_FILL}" stroke-width="1.5"/>',
        ]
        if goal is not None:
            y = f"{floor - goal / top * band:.1f}"
            dashes = f'stroke="{_FILLS[1]}" stroke-dasharray="4 3"'
            drawn.append(f'<line x1="{_LABEL}" y1="{y}" x2="{_WIDTH - 10}" y2="{y}" {dashes}/>')
    return "\n".join([*drawn, "</svg>"])


def stacked_bars(values: Mapping[str, Sequence[float]], names: Sequence[str], *, title: str) -> str:
    """Return a horizontal bar for each label, cut into its parts, as an SVG document.

    The whole is written behind each bar.

    Args:
        values: By label, a number from 0 up for each name.
        names: Of the parts, at most four.
        title: Above the bars.
    """
    full = max((sum(parts) for parts in values.values()), default=0) or 1
    size = f'width="{_WIDTH}" height="{54 + len(values) * (_BAR + _GAP)}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12" fill="{_INK}">',
        f'<text x="0" y="16" font-weight="bold">{escape(title)}</text>',
    ]
    at = _LABEL if sum(map(len, names)) < _LEGEND else 0
    room = 110 if at else _WIDTH // len(names)
    for place, (name, fill) in enumerate(zip(names, _FILLS, strict=False)):
        lines += [
            f'<rect x="{at + place * room}" y="26" width="12" height="12" rx="2" fill="{fill}"/>',
            f'<text x="{at + place * room + 18}" y="36">{escape(name[: room // 7])}</text>',
        ]
    for place, (label, parts) in enumerate(values.items()):
        y, x = 48 + place * (_BAR + _GAP), float(_LABEL)
        lines.append(f'<text x="{_LABEL - 8}" y="{y + 12}" text-anchor="end">{escape(label[:24])}</text>')
        for part, fill in zip(parts, _FILLS, strict=False):
            length = _length(part, full)
            lines.append(f'<rect x="{x:.1f}" y="{y}" width="{length:.1f}" height="{_BAR}" fill="{fill}"/>')
            x += length
        lines.append(f'<text x="{x + 6:.1f}" y="{y + 12}">{sum(parts):,.0f}</text>')
    return "\n".join([*lines, "</svg>"])


def _length(value: float, full: float) -> float:
    room = _WIDTH - _LABEL - _NUMBER
    return max(1.0, room * min(value / full, 1)) if value > 0 else 0


_LEGEND = 48
"""Letters of names that have room beside the labels."""

_TILE, _TILE_HEIGHT, _TILES = 210, 96, 3


def histograms(
    counts: Mapping[str, tuple[float, float, Sequence[int]]],
    *,
    title: str,
    bounds: Mapping[str, Sequence[tuple[str, float]]] | None = None,
) -> str:
    """Return a small histogram for each column, three beside one another, as an SVG document.

    Args:
        counts: The least and the greatest value and the counts of equally wide bins between them, by column.
        title: Above them.
        bounds: By column, what its rules allow, as a sign and a number: a line where it lies among the values, and
            words in any case.
    """
    limits = bounds or {}
    rows = -(-len(counts) // _TILES)
    size = f'width="{_TILE * _TILES}" height="{24 + rows * _TILE_HEIGHT}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11" fill="{_INK}">',
        f'<text x="0" y="16" font-size="12" font-weight="bold">{escape(title)}</text>',
    ]
    for place, (name, (low, high, bins)) in enumerate(counts.items()):
        x, y = place % _TILES * _TILE, 24 + place // _TILES * _TILE_HEIGHT
        allowed = ", ".join(f"{sign} {bound:,.6g}" for sign, bound in limits.get(name, ()))
        own = f'<text x="{x}" y="{y + 14}">{escape(name[: 28 - len(allowed)])}'
        lines.append(f'{own} <tspan fill="{_BOUND}">{escape(allowed)}</tspan></text>')
        width, top = (_TILE - 16) / max(len(bins), 1), max(bins, default=0) or 1
        for bar, count in enumerate(bins):
            height = 48 * count / top
            lines.append(
                f'<rect x="{x + bar * width:.1f}" y="{y + 68 - height:.1f}" width="{max(width - 1, 1):.1f}" '
                f'height="{height:.1f}" fill="{_FILL}"/>'
            )
        for _, bound in limits.get(name, ()):
            if low <= bound <= high:
                at = x + (_TILE - 17) * (bound - low) / ((high - low) or 1)
                lines.append(
                    f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{y + 19}" y2="{y + 70}" stroke="{_BOUND}" '
                    'stroke-width="1.5" stroke-dasharray="4 2"/>'
                )
        lines.append(f'<text x="{x}" y="{y + 82}">{low:,.4g}</text>')
        lines.append(f'<text x="{x + _TILE - 16}" y="{y + 82}" text-anchor="end">{high:,.4g}</text>')
    return "\n".join([*lines, "</svg>"])


_STRIP, _CELL = 64, 26


def strip(values: Mapping[str, tuple[float, float]], *, title: str, names: tuple[str, str]) -> str:
    """Return a column for each label, in their order: how much is good, and on its top in red how much is not, as SVG.

    A label without either is an empty column, so that a hole is seen. Red is at least two pixels high.

    Args:
        values: Two numbers from 0 up, by label.
        title: Above them.
        names: What the two numbers are.
    """
    top = max((good + bad for good, bad in values.values()), default=0) or 1
    width = min(_CELL, _WIDTH / max(len(values), 1))
    size = f'width="{_WIDTH}" height="{_STRIP + 50}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11" fill="{_INK}">',
        f'<text x="0" y="16" font-size="12" font-weight="bold">{escape(title)}</text>',
    ]
    for place, (label, (good, bad)) in enumerate(values.items()):
        high = _STRIP * good / top
        red = max(2.0, _STRIP * bad / top) if bad else 0.0
        x, base, wide = place * width, 28 + _STRIP, max(width - 1.5, 0.8)
        words = f"{escape(label)}: {good:,.0f} {escape(names[0])}, {bad:,.0f} {escape(names[1])}"
        lines.append(
            f'<g><title>{words}</title><rect x="{x:.1f}" y="26" width="{wide:.1f}" height="{_STRIP + 2}" '
            f'fill="{_PALE}" opacity="0.45"/>'
            f'<rect x="{x:.1f}" y="{base - high:.1f}" width="{wide:.1f}" height="{high:.1f}" fill="{_FILL}"/>'
            f'<rect x="{x:.1f}" y="{max(base - high - red, 26):.1f}" width="{wide:.1f}" height="{red:.1f}" '
            f'fill="{_FILLS[1]}"/></g>'
        )
    if values:
        labels = list(values)
        lines.append(f'<text x="0" y="{_STRIP + 44}">{escape(labels[0])}</text>')
        if len(labels) > 1:
            end = max(len(labels) * width, 200)
            lines.append(f'<text x="{end:.1f}" y="{_STRIP + 44}" text-anchor="end">{escape(labels[-1])}</text>')
    return "\n".join([*lines, "</svg>"])
