"""Draw the dashboards as plain pages, without Grafana: `python deploy/grafana/draw.py http://127.0.0.1:9090 FOLDER`.

Each panel's query is asked of a Prometheus over the last minutes; what comes is drawn as lines, numbers and tables.
"""

# ruff: noqa: PLR2004, S310 - sizes on a page, and the address that a person gives

import html
import json
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MINUTES = 6
_COLOURS = ("#3274d9", "#e0752d", "#299c46", "#a352cc", "#c4162a", "#8f8f00", "#1f8f8f", "#7f4a1f")
_STYLE = """
body{font:13px/1.4 system-ui,sans-serif;margin:16px;background:#f4f5f7;color:#1f2329;width:1168px}
h1{font-size:20px;margin:0 0 8px}h2{font-size:14px;margin:14px 0 6px}
.row{display:grid;grid-template-columns:repeat(12,1fr);gap:8px}
.panel{background:#fff;border:1px solid #d8dbe0;border-radius:4px;padding:8px;grid-column:span 6;overflow:hidden}
.stat{grid-column:span 2}.panel h3{font-size:12px;margin:0 0 4px;font-weight:600}
.number{font-size:24px;font-weight:600}.label{font-size:11px;color:#555;white-space:nowrap}
i{display:inline-block;width:10px;height:3px;margin-right:4px;vertical-align:middle}td{padding:0 12px 2px 0}
"""


def draw(prometheus: str, name: str) -> str:
    """Return a dashboard as a page."""
    dashboard = json.loads((HERE / f"{name}.json").read_text())
    parts, is_open = [f"<h1>{html.escape(dashboard['title'])}</h1>"], False
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            parts.append(("</div>" if is_open else "") + f"<h2>{html.escape(panel['title'])}</h2><div class=row>")
            is_open = True
            continue
        query = panel["targets"][0]["expr"].replace("$dataset", ".*")
        unit, kind = panel["fieldConfig"]["defaults"]["unit"], panel["type"]
        end = time.time()
        series = _ask(prometheus, query, end) if kind == "timeseries" else _ask(prometheus, query, None)
        body = {"stat": _stat, "table": _table, "timeseries": _lines}[kind](series, unit) if series else "none"
        parts.append(f"<div class='panel {kind}'><h3>{html.escape(panel['title'])}</h3>{body}</div>")
    return f"<!doctype html><meta charset=utf-8><style>{_STYLE}</style>{''.join(parts)}</div>"


def _ask(prometheus: str, query: str, end: float | None) -> list[dict[str, Any]]:
    words: dict[str, Any] = {"query": query}
    if end is not None:
        words |= {"start": end - MINUTES * 60, "end": end, "step": 2}
    url = f"{prometheus}/api/v1/query{'' if end is None else '_range'}?{urllib.parse.urlencode(words)}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        result: list[dict[str, Any]] = json.loads(answer.read())["data"]["result"]
    return result


def _stat(series: list[dict[str, Any]], unit: str) -> str:
    lines = [
        f"<div class=number>{_text(float(each['value'][1]), unit)}</div><div class=label>{_label(each)}</div>"
        for each in series[:2]
    ]
    return "".join(lines) + (f"<div class=label>and {len(series) - 2} more</div>" if len(series) > 2 else "")


def _table(series: list[dict[str, Any]], unit: str) -> str:
    rows = (f"<tr><td>{_label(each)}<td>{_text(float(each['value'][1]), unit)}" for each in series)
    return f"<table>{''.join(rows)}</table>"


def _lines(series: list[dict[str, Any]], unit: str) -> str:
    values = [(float(at), float(value)) for each in series for at, value in each["values"] if value != "NaN"]
    if not values:
        return "none"
    first, last = min(at for at, _ in values), max(at for at, _ in values)
    low, high = min(0.0, *(value for _, value in values)), max(value for _, value in values) or 1.0
    drawn = []
    for place, each in enumerate(series):
        points = " ".join(
            f"{60 + 480 * (float(at) - first) / max(1.0, last - first):.1f},"
            f"{115 - 105 * (float(value) - low) / (high - low):.1f}"
            for at, value in each["values"]
            if value != "NaN"
        )
        drawn.append(f"<polyline points='{points}' fill=none stroke='{_COLOURS[place % 8]}' stroke-width=1.5 />")
    axis = "".join(
        f"<text x=54 y={y + 4} text-anchor=end font-size=10 fill=#555>{_text(value, unit)}</text>"
        f"<line x1=60 x2=540 y1={y} y2={y} stroke=#e3e5e8 />"
        for value, y in ((high, 10), ((low + high) / 2, 62), (low, 115))
    )
    legend = " &nbsp; ".join(
        f"<i style='background:{_COLOURS[place % 8]}'></i>{_label(each)}" for place, each in enumerate(series[:6])
    )
    more = f" and {len(series) - 6} more" if len(series) > 6 else ""
    return f"<svg viewBox='0 0 560 124' width=560>{axis}{''.join(drawn)}</svg><div class=label>{legend}{more}</div>"


def _label(series: dict[str, Any]) -> str:
    hidden = ("instance", "job", "__name__")
    words = [value for name, value in series["metric"].items() if name not in hidden]
    return html.escape(" · ".join(words) or series["metric"].get("__name__", "")) or "&nbsp;"


def _text(value: float, unit: str) -> str:
    if unit == "percentunit":
        return f"{value:.1%}"
    if unit in ("bytes", "Bps"):
        for size, word in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
            if abs(value) >= size:
                return f"{value / size:.3g} {word}" + ("/s" if unit == "Bps" else "")
        return f"{value:.3g} B"
    if unit == "s" and abs(value) >= 120:
        return f"{value / 60:.3g} min" if abs(value) < 7200 else f"{value / 3600:.3g} h"
    return f"{value:,.4g}" + (" s" if unit == "s" else "")


if __name__ == "__main__":
    for dashboard_name in ("platform", "dataset"):
        (Path(sys.argv[2]) / f"{dashboard_name}.html").write_text(draw(sys.argv[1], dashboard_name))
