"""A JSON array is cut into lines without being parsed, wherever the blocks of the file happen to end."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_resources.errors import ConversionError
from platform_resources.readers import json_array

TEXTS = st.text(alphabet='ab"\\{}[],:\n é', max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def elements(content: bytes, block: int) -> list[object]:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        source, target = Path(folder) / "a.json", Path(folder) / "a.jsonl"
        source.write_bytes(content)
        patch.setattr(json_array, "_BLOCK", block)
        json_array.array_to_lines(source, target, "a.json")
        return [json.loads(line) for line in target.read_bytes().split(b"\n")[:-1]]


@settings(max_examples=200, deadline=None)
@given(st.lists(VALUES, max_size=6), st.integers(1, 40), st.sampled_from([None, 2]))
def test_each_element_is_a_line(values: list[object], block: int, indent: int | None) -> None:
    content = json.dumps(values, indent=indent, ensure_ascii=False).encode()
    assert elements(b"  " + content + b"\n ", block) == values


@pytest.mark.parametrize("block", [1, 3, 100])
@pytest.mark.parametrize(
    "content",
    [b"[1", b"[1,]", b"[,1]", b"[1]]", b'[{"a":1},{"a":', b"[1] 2", b'["a', b"[", b"[1,,2]", b"[1]   x"],
)
def test_what_is_no_array_is_refused(content: bytes, block: int) -> None:
    with pytest.raises(ConversionError, match=r"a.json: is no JSON: .*Fix: "):
        elements(content, block)
