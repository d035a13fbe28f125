"""Frames that pass a contract, and frames that must fail it, and why."""

from platform_core.synthetic.errors import CannotBreak, CannotGenerate
from platform_core.synthetic.faults import Fault, Implied, faults
from platform_core.synthetic.synthesis import synthesize, synthesize_batches
from platform_core.synthetic.world import lookups, world

__all__ = [
    "CannotBreak",
    "CannotGenerate",
    "Fault",
    "Implied",
    "faults",
    "lookups",
    "synthesize",
    "synthesize_batches",
    "world",
]
