"""What comes from what: datasets and columns as a graph, read from declarations, SQL and lazy plans.

An edge is in the graph only where it is sure. What could not be read is listed beside it, with the reason.
"""

from platform_core.lineage.graph import ColumnEdge, Edge, Lineage, Node, Unknown
from platform_core.lineage.impact import Impact, impact_of

__all__ = ["ColumnEdge", "Edge", "Impact", "Lineage", "Node", "Unknown", "impact_of"]
