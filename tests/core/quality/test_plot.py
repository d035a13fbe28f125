"""A bar chart is a small SVG that says its numbers."""

from xml.etree import ElementTree as ET

from platform_core.quality.plot import bars


def test_a_chart_has_a_bar_and_a_number_for_each_value():
    drawn = ET.fromstring(bars({"a": 1, "b": 2_000, "c": 0}, title="Rows"))  # noqa: S314 - our own drawing
    assert [float(bar.get("width")) for bar in drawn.iter("{http://www.w3.org/2000/svg}rect")] == [1.0, 380.0, 0.0]
    assert "2,000" in [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]


def test_labels_cannot_break_out_of_the_drawing():
    drawn = ET.fromstring(bars({"<script>&": 0.5}, title="<b>", percent=True))  # noqa: S314 - our own drawing
    assert "<script>&" in [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]


def test_nothing_to_draw_is_an_empty_chart():
    assert bars({}, title="Rows").endswith("</svg>")


def test_what_was_is_a_pale_bar_behind_and_a_number_before():
    drawn = ET.fromstring(bars({"a": 1, "b": 5}, title="Files", was={"a": 10, "b": 5}))  # noqa: S314 - our own drawing
    widths = [float(bar.get("width")) for bar in drawn.iter("{http://www.w3.org/2000/svg}rect")]
    assert widths == [380.0, 38.0, 190.0]
    assert {"10 → 1", "5"} <= {text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")}
