"""What is used of pyiceberg beyond its public face: the schema of Arrow columns, and one update without a method."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.schema import Schema
    from pyiceberg.table import Transaction

_FORMAT_VERSION: Final = 2


def schema_of(arrow: "pa.Schema") -> "Schema":
    """Return the Iceberg schema of Arrow columns, as `create_table` would make it; a field's `doc` is kept."""
    from pyiceberg.catalog import Catalog
    from pyiceberg.schema import assign_fresh_schema_ids

    return assign_fresh_schema_ids(Catalog._convert_schema_if_needed(arrow, _FORMAT_VERSION))  # noqa: SLF001 - create_table's own


def set_current_schema(transaction: "Transaction", schema_id: int) -> None:
    """Make an earlier schema of the table the current one again, within a transaction."""
    from pyiceberg.table.update import SetCurrentSchemaUpdate

    transaction._stage((SetCurrentSchemaUpdate.model_validate({"schema-id": schema_id}),))  # noqa: SLF001 - the only door to it
