"""What is drawn from a pattern matches it, for the judge's engine and for Python's."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_core.synthetic.patterns import UnreadablePatternError, pattern_of

ATOMS = st.sampled_from(["a", "Z", r"\d", r"\w", "[a-f]", "[^x-z]", "[A-Z0-9_]", r"\.", "(?:ab|c)", "(x|yy|)", "."])
REPEATS = st.sampled_from(["", "", "?", "*", "+", "{3}", "{1,4}", "{2,}", "+?"])
PIECES = st.tuples(ATOMS, REPEATS).map("".join)
SEQUENCES = st.lists(PIECES, min_size=1, max_size=5).map("".join)
PATTERNS = st.one_of(SEQUENCES, st.tuples(SEQUENCES, SEQUENCES).map("(?:{0[0]}|{0[1]})".format))


@settings(deadline=None)
@given(PATTERNS, st.integers(0, 2**32))
def test_every_draw_matches(regex, seed):
    drawn = pattern_of(f"^{regex}$").body.draw(np.random.default_rng(seed), 20)
    assert drawn.str.contains(f"^{regex}$").all()
    assert all(re.fullmatch(regex, text) for text in drawn)


@settings(deadline=None)
@given(PATTERNS)
def test_a_pattern_counts_no_fewer_texts_than_it_lists(regex):
    body = pattern_of(regex).body
    if body.size <= 2000:
        assert len(set(body.every())) <= body.size == len(list(body.every()))


@pytest.mark.parametrize(
    ("regex", "open_start", "open_end"),
    [("^ab$", False, False), ("^ab", False, True), ("ab$", True, False), ("ab", True, True), (r"\Aab\z", False, False)],
)
def test_anchors_say_where_other_text_may_stand(regex, open_start, open_end):
    pattern = pattern_of(regex)
    assert (pattern.open_start, pattern.open_end) == (open_start, open_end)


@pytest.mark.parametrize("regex", [r"(a)\1", "(?=a)b", "[", r"\p{Greek}"])
def test_a_pattern_without_text_of_its_own_is_refused(regex):
    with pytest.raises(UnreadablePatternError):
        pattern_of(regex)
