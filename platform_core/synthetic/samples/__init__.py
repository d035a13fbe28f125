"""Rows that are like a sample without being of it: learnt by `fit`, drawn by `draw`, judged by `compare`."""

from platform_core.synthetic.samples.likeness import Likeness, compare
from platform_core.synthetic.samples.model import SampleModel, draw, fit

__all__ = ["Likeness", "SampleModel", "compare", "draw", "fit"]
