"""What an ingest decides, on frames alone: in which order inputs arrived, and which row of a key stands."""

from platform_core.ingest.arrivals import number_arrivals
from platform_core.ingest.ownership import (
    HASH,
    INGEST,
    INGESTED_AT,
    PROVENANCE,
    SOURCE,
    RowPlan,
    plan_rows,
    row_hash,
)

__all__ = [
    "HASH", "INGEST", "INGESTED_AT", "PROVENANCE", "SOURCE", "RowPlan", "number_arrivals", "plan_rows", "row_hash",
]  # fmt: skip
