"""Pages that open from disk: HTML with its style and pictures inside, no script and no address on the network.

Every text goes through `escape`: a value or a column's name is never markup.
"""

from collections.abc import Iterable, Sequence
from html import escape

_STYLE = """
:root{color-scheme:light dark;--ink:#1f2430;--pale:#68708a;--line:#dfe2ea;--paper:#fff;
--fill:#5b6ee1;--bad:#b3261e;--warn:#8a5a00;--good:#1b6e3c}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8ef;--pale:#9aa2b8;--line:#343a4a;--paper:#161922;
--fill:#8c9bff;--bad:#ff8a80;--warn:#ffcc66;--good:#7ddc9d}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);
max-width:72rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}h3{font-size:1rem;margin:1.2rem 0 .3rem}
p.lead{color:var(--pale)}a{color:var(--fill)}.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.88rem;width:100%}
th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}th{color:var(--pale);font-weight:600}
svg{max-width:100%;height:auto}svg text{fill:var(--ink);font:11px system-ui,sans-serif}
svg .bar{fill:var(--fill)}svg .line{stroke:var(--fill);fill:none;stroke-width:1.5}svg .axis{stroke:var(--line)}
svg .box{fill:var(--paper);stroke:var(--line)}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(21rem,1fr));gap:.2rem 1.5rem}
table.narrow{width:auto;min-width:22rem}.scroll+.scroll{margin-top:.8rem}
.bad{color:var(--bad)}.warn{color:var(--warn)}.good{color:var(--good)}code{font-size:.92em}
"""
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 360, 110, 6, 18


def document(title: str, lead: str, sections: Iterable[str]) -> str:
    """Return a whole page; title and lead are texts, sections are HTML."""
    return "\n".join([
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f'<h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p>',
        *sections,
        "</body></html>\n",
    ])  # fmt: skip


def grid(
    headings: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Iterable[int] = (), narrow: bool = False
) -> str:
    """Return a table of texts; columns at the places `numbers` stand right. A null shows as a dash.

    A narrow table is as wide as its texts, not as the page.
    """
    right = set(numbers)

    def cell(tag: str, place: int, value: object) -> str:
        mark = ' class="n"' if place in right else ""
        return f"<{tag}{mark}>{'-' if value is None else escape(str(value))}</{tag}>"

    head = "".join(cell("th", place, heading) for place, heading in enumerate(headings))
    body = "".join(f"<tr>{''.join(cell('td', place, value) for place, value in enumerate(row))}</tr>" for row in rows)
    width = ' class="narrow"' if narrow else ""
    return f'<div class="scroll"><table{width}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def histogram(counts: Sequence[int], low: str, high: str, *, label: str) -> str:
    """Return a histogram as SVG; `low` and `high` are written at the ends of its axis."""
    top = max(counts, default=0) or 1
    step = (_WIDTH - 2 * _LEFT) / max(len(counts), 1)
    room = _HEIGHT - _BOTTOM
    bars = "".join(
        f'<rect class="bar" x="{_LEFT + place * step:.1f}" y="{room - room * count / top:.1f}" '
        f'width="{max(step - 1, 1):.1f}" height="{room * count / top:.1f}"><title>{count:,}</title></rect>'
        for place, count in enumerate(counts)
    )
    ends = (
        f'<text x="{_LEFT}" y="{_HEIGHT - 4}">{escape(low)}</text>'
        f'<text x="{_WIDTH - _LEFT}" y="{_HEIGHT - 4}" text-anchor="end">{escape(high)}</text>'
    )
    return _picture(label, f'{bars}<line class="axis" x1="0" x2="{_WIDTH}" y1="{room}" y2="{room}"/>{ends}')


def line(values: Sequence[float | None], first: str, last: str, *, label: str) -> str:
    """Return a line through values in order as SVG; a null leaves a gap. `first` and `last` name the ends."""
    numbers = [value for value in values if value is not None]
    low, high = min(numbers, default=0.0), max(numbers, default=1.0)
    span, room = (high - low) or 1.0, _HEIGHT - _BOTTOM - 20
    step = (_WIDTH - 2 * _LEFT) / max(len(values) - 1, 1)
    points: list[tuple[str, str]] = []
    pieces: list[str] = []
    for place, value in enumerate([*values, None]):
        if value is not None:
            points.append((f"{_LEFT + place * step:.1f}", f"{16 + room - room * (value - low) / span:.1f}"))
        elif points:
            dots = "".join(f'<circle class="bar" cx="{x}" cy="{y}" r="2"/>' for x, y in points)
            path = " ".join(f"{x},{y}" for x, y in points)
            pieces.append(f'<polyline class="line" points="{path}"/>{dots}')
            points = []
    ends = (
        f'<text x="{_LEFT}" y="{_HEIGHT - 4}">{escape(first)}</text>'
        f'<text x="{_WIDTH - _LEFT}" y="{_HEIGHT - 4}" text-anchor="end">{escape(last)}</text>'
        f'<text x="{_WIDTH - _LEFT}" y="10" text-anchor="end">up to {_number(high)}</text>'
    )
    return _picture(label, "".join(pieces) + ends)


def tiles(pictures: Iterable[tuple[str, str]]) -> str:
    """Return pictures, each under its title, beside one another as far as the page is wide."""
    cells = "".join(f"<div><h3>{escape(title)}</h3>{picture}</div>" for title, picture in pictures)
    return f'<div class="tiles">{cells}</div>' if cells else ""


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= _THOUSAND else f"{value:.4g}"


_THOUSAND = 1_000
_BOX, _BOX_HEIGHT, _BOX_GAP, _ROAD = 240, 24, 8, 70


def neighbours(above: Sequence[str], name: str, below: Sequence[str], *, label: str) -> str:
    """Return a dataset between those that it is made of and those that read it, as SVG."""
    rows = max(len(above), len(below), 1)
    height = rows * (_BOX_HEIGHT + _BOX_GAP) + _BOX_GAP
    middle = height / 2
    parts = []
    for column, names in enumerate((above, [name], below)):
        x = column * (_BOX + _ROAD)
        top = middle - (len(names) * (_BOX_HEIGHT + _BOX_GAP) - _BOX_GAP) / 2
        for place, dataset in enumerate(names):
            y = top + place * (_BOX_HEIGHT + _BOX_GAP)
            centre = y + _BOX_HEIGHT / 2
            if column == 0:
                parts.append(f'<path class="line" d="M{_BOX},{centre:.0f} L{_BOX + _ROAD},{middle:.0f}"/>')
            if column == 2:  # noqa: PLR2004 - the last of three
                parts.append(f'<path class="line" d="M{x - _ROAD},{middle:.0f} L{x},{centre:.0f}"/>')
            shown = dataset if len(dataset) <= _BOX_TEXT else f"{dataset[: _BOX_TEXT - 1]}…"
            parts.append(
                f'<rect class="box" x="{x}" y="{y:.0f}" width="{_BOX}" height="{_BOX_HEIGHT}" rx="4"/>'
                f'<text x="{x + 8}" y="{centre + 4:.0f}">{escape(shown)}<title>{escape(dataset)}</title></text>'
            )
    width = 3 * _BOX + 2 * _ROAD
    size = f'viewBox="0 0 {width} {height}" width="{width}"'
    return f'<svg role="img" aria-label="{escape(label, quote=True)}" {size}>{"".join(parts)}</svg>'


_BOX_TEXT = 36


def _picture(label: str, inner: str) -> str:
    size = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}"'
    return f'<svg role="img" aria-label="{escape(label, quote=True)}" {size}>{inner}</svg>'
