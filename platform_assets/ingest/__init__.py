"""From input to table, without Dagster: read, judge, and commit quarantine, table and log in this one order."""

from platform_assets.ingest.tables import (
    ingests_spec,
    quarantine_spec,
    superseded_spec,
    table_spec,
    verdicts_spec,
)

__all__ = ["ingests_spec", "quarantine_spec", "superseded_spec", "table_spec", "verdicts_spec"]
