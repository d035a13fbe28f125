"""Upkeep decided on paper: what to compact, order, clear, archive, and what it gains; nothing here touches a table."""

from platform_core.upkeep.clearing import kept_for
from platform_core.upkeep.compute import Machine, StepFacts, compute_advice
from platform_core.upkeep.cost import Cost
from platform_core.upkeep.facts import DataFile, Dead, History, Read, TableFacts
from platform_core.upkeep.lifecycle import Lifecycle, Move, Rule, lake_rule, lifecycle
from platform_core.upkeep.partitioning import Advice
from platform_core.upkeep.plan import TablePlan, plan
from platform_core.upkeep.prices import US_EAST_1, PriceError, PriceList

__all__ = [
    "US_EAST_1", "Advice", "Cost", "DataFile", "Dead", "History", "Lifecycle", "Machine", "Move", "PriceError",
    "PriceList", "Read", "Rule", "StepFacts", "TableFacts", "TablePlan", "compute_advice", "kept_for", "lake_rule",
    "lifecycle", "plan",
]  # fmt: skip
