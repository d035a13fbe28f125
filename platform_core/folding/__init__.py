"""Declared folds as functions: one class a kind, which a worker, a replay, a test and the lineage ask alike."""

from platform_core.folding.base import DetectorStore, Folding, Step, Stores, TableStore
from platform_core.folding.kinds import folding_of

__all__ = ["DetectorStore", "Folding", "Step", "Stores", "TableStore", "folding_of"]
